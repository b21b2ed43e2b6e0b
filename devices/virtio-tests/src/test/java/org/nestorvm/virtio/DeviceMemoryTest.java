package org.nestorvm.virtio;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import net.jqwik.api.EdgeCasesMode;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import org.junit.jupiter.api.Test;
import org.nestorvm.memory.sys.IoVector;
import org.nestorvm.virtio.DeviceMemory.Region;

/** Addresses only: no memory lies behind these regions. */
class DeviceMemoryTest {
    private static final long HOST = 0x7f00_0000_0000L;

    private static Region region(long gpa, long sizeBytes, long hostAddress) {
        return new Region(gpa, sizeBytes, hostAddress, -1, 0);
    }

    private static List<String> pieces(IoVector vector) {
        List<String> pieces = new ArrayList<>();
        for (int i = 0; i < vector.count(); i++)
            pieces.add(Long.toHexString(vector.base(i)) + "+" + Long.toHexString(vector.length(i)));
        return pieces;
    }

    @Test
    void p33_adjoiningRegionsAreOneMemoryForBuffersAndTwoForObjects() {
        DeviceMemory memory =
                new DeviceMemory(List.of(region(0x2000, 0x1000, HOST), region(0x1000, 0x1000, HOST + 0x10_0000)), null);
        IoVector vector = new IoVector(1);
        assertTrue(memory.add(0x1ff0, 0x20, vector));
        assertEquals(List.of("7f0000100ff0+10", "7f0000000000+10"), pieces(vector));
        assertEquals(0, memory.translate(0x1ff0, 0x11));
        assertEquals(HOST + 0x10_0ff0, memory.translate(0x1ff0, 0x10));
        assertEquals(HOST, memory.translate(0x2000, 0x1000));
    }

    @Test
    void p31_whatIsNotAllMemoryIsNone() {
        DeviceMemory memory =
                new DeviceMemory(List.of(region(0x1000, 0x1000, HOST), region(0x4000, 0x1000, HOST + 0x1000)), null);
        long[][] wrong = {
            {0, 1},
            {0xfff, 1},
            {0x2000, 1},
            {0x3fff, 1},
            {0x5000, 1},
            {0x1fff, 2},
            {0x1000, 0x1001},
            {0x1800, 0x3000},
            {-1, 1},
            {Long.MIN_VALUE, 8},
            {Long.MAX_VALUE, 8},
            {0x1000, Long.MAX_VALUE}
        };
        for (long[] access : wrong) {
            assertEquals(0, memory.translate(access[0], access[1]), "0x" + Long.toHexString(access[0]));
            assertFalse(memory.add(access[0], access[1], new IoVector(1)), "0x" + Long.toHexString(access[0]));
        }
        assertEquals(0, memory.translate(0x1000, 0));
        assertEquals(0, memory.translate(0x1000, -1));
        assertTrue(memory.add(0, 0, new IoVector(1)), "nothing is everywhere");
    }

    @Test
    void noMemoryAtAll() {
        DeviceMemory memory = new DeviceMemory(List.of(), null);
        assertEquals(0, memory.translate(0, 1));
        assertFalse(memory.add(0, 1, new IoVector(1)));
        assertFalse(memory.isWatched());
        memory.written(0, 1);
    }

    @Test
    void regionsThatOverlapAreRefused() {
        assertThatThrownBy(() ->
                        new DeviceMemory(List.of(region(0x1000, 0x1001, HOST), region(0x2000, 0x1000, HOST)), null))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("overlap");
        assertThatThrownBy(() -> region(0, 0, HOST)).isInstanceOf(IllegalArgumentException.class);
        assertThatThrownBy(() -> region(-4096, 4096, HOST)).isInstanceOf(IllegalArgumentException.class);
        assertThatThrownBy(() -> region(Long.MAX_VALUE, 4096, HOST)).isInstanceOf(IllegalArgumentException.class);
    }

    @Test
    void theListenerHearsOfWrites() {
        List<String> heard = new ArrayList<>();
        DeviceMemory memory = new DeviceMemory(
                List.of(region(0, 0x1000, HOST)), (gpa, sizeBytes) -> heard.add(gpa + "+" + sizeBytes));
        assertTrue(memory.isWatched());
        memory.written(5, 7);
        assertThat(heard).containsExactly("5+7");
    }

    /** Byte by byte against the list of regions. */
    @Property(tries = 500, edgeCases = EdgeCasesMode.NONE)
    void translationIsWhatTheRegionsSay(@ForAll long seed) {
        Random random = new Random(seed);
        List<Region> regions = new ArrayList<>();
        long at = random.nextInt(3);
        for (int i = random.nextInt(6); i > 0; i--) {
            long size = 1 + random.nextInt(8);
            regions.add(region(at, size, HOST + 1000L * i));
            at += size + (random.nextBoolean() ? 0 : random.nextInt(4));
        }
        DeviceMemory memory = new DeviceMemory(regions, null);
        for (int i = 0; i < 100; i++) {
            long gpa = random.nextInt((int) at + 4), size = 1 + random.nextInt(20);
            long[] host = new long[(int) size];
            boolean all = true;
            for (int b = 0; b < size; b++) {
                long address = gpa + b;
                host[b] = regions.stream()
                        .filter(r -> r.gpa() <= address && address < r.end())
                        .mapToLong(r -> r.hostAddress() + address - r.gpa())
                        .findFirst()
                        .orElse(0);
                all &= host[b] != 0;
            }
            IoVector vector = new IoVector(1);
            assertEquals(all, memory.add(gpa, size, vector));
            int b = 0;
            for (int p = 0; p < vector.count(); p++)
                for (long j = 0; j < vector.length(p); j++) assertEquals(host[b++], vector.base(p) + j);
            if (all) assertEquals(size, b);
            boolean oneRegion = all && regions.stream().anyMatch(r -> r.gpa() <= gpa && gpa + size <= r.end());
            assertEquals(oneRegion ? host[0] : 0, memory.translate(gpa, size));
        }
    }
}
