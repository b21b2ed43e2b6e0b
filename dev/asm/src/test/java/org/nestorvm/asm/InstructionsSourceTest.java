package org.nestorvm.asm;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.nio.file.Files;
import org.junit.jupiter.api.Test;

class InstructionsSourceTest {
    @Test
    void methodsAreThoseOfTheTable() throws Exception {
        assertEquals(
                InstructionsSource.text(),
                Files.readString(InstructionsSource.FILE),
                "run InstructionsSource in module asm");
    }
}
