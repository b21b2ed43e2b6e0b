package org.nestorvm.engine.soft.ops.integer;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.IOException;
import java.nio.file.Files;
import org.junit.jupiter.api.Test;

class AluFastGeneratedTest {
    @Test
    void fileIsWhatTheGeneratorWrites() throws IOException {
        assertEquals(AluFastGenerator.generate(), Files.readString(AluFastGenerator.FILE));
    }
}
