package org.nestorvm.virtio;

import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

class ConfigSpaceTest {
    @Test
    void fieldsAreLittleEndianAndMayBeReadInParts() {
        ConfigSpace config = new ConfigSpace(12).set(0, 8, 0x8877665544332211L).set(8, 2, 0xbbaa);
        assertEquals(0x8877665544332211L, config.get(0, 8));
        assertEquals(0x11, config.get(0, 1));
        assertEquals(0x4433, config.get(2, 2));
        assertEquals(0xaa887766, (int) config.get(5, 4));
        assertArrayEquals(
                new byte[] {0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, (byte) 0x88, (byte) 0xaa, (byte) 0xbb, 0, 0},
                config.get());
    }

    @Test
    void whatLiesBehindReadsAsOnes() {
        ConfigSpace config = new ConfigSpace(2).set(0, 2, 0);
        assertEquals(0xffff0000L, config.get(0, 4));
        assertEquals(-1L, config.get(100, 8));
        assertEquals(0xff, new ConfigSpace(0).get(0, 1));
        assertThatThrownBy(() -> config.set(1, 2, 0)).isInstanceOf(IndexOutOfBoundsException.class);
    }

    @Test
    void theDriverWritesOnlyWhatItMay() {
        List<String> heard = new ArrayList<>();
        ConfigSpace config = new ConfigSpace(8).allow(2, 2);
        config.onWrite((offset, size) -> heard.add(offset + "+" + size));
        config.write(0, 8, -1);
        assertEquals(0x00000000ffff0000L, config.get(0, 8));
        config.write(0, 2, -1);
        config.write(4, 4, -1);
        config.write(6, 8, -1); // beyond the end
        assertEquals(0x00000000ffff0000L, config.get(0, 8));
        config.write(3, 1, 0x12);
        assertEquals(0x12ff, config.get(2, 2));
        assertEquals(List.of("0+8", "3+1"), heard);
    }

    @Test
    void theGenerationTellsOfTheDevicesChanges() {
        ConfigSpace config = new ConfigSpace(8).allow(0, 8);
        int before = config.generation();
        config.write(0, 4, 1);
        assertEquals(before, config.generation());
        config.set(4, 4, 1);
        assertNotEquals(before, config.generation());
        before = config.generation();
        config.set(0, new byte[] {1, 2, 3});
        assertNotEquals(before, config.generation());
        assertEquals(0x030201, config.get(0, 3));
    }

    /** A listener may look at the space, and set what follows from the driver's write. */
    @Test
    void aListenerRunsWithoutTheLock() throws Exception {
        ConfigSpace config = new ConfigSpace(8).allow(0, 4);
        config.onWrite((offset, size) -> {
            Thread other = Thread.ofPlatform().start(() -> config.set(4, 4, config.get(0, 4) + 1));
            try {
                assertTrue(other.join(Duration.ofSeconds(30)));
            } catch (InterruptedException e) {
                throw new IllegalStateException(e);
            }
        });
        config.write(0, 4, 41);
        assertEquals(42, config.get(4, 4));
    }
}
