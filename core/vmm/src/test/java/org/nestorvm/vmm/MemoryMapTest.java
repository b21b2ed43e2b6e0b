package org.nestorvm.vmm;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.nestorvm.vmm.MemoryRange.Type.MMIO;
import static org.nestorvm.vmm.MemoryRange.Type.RAM;
import static org.nestorvm.vmm.MemoryRange.Type.RESERVED;

import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

class MemoryMapTest {
    private static final long K = 1 << 10, M = 1 << 20, G = 1 << 30;

    private static MemoryRange ram(long gpa, long size) {
        return new MemoryRange(gpa, size, RAM);
    }

    /** Each names the range, the value and the rule. */
    static Stream<Arguments> refused() {
        List<MemoryRange> many = new ArrayList<>();
        for (int i = 0; i < 17; i++) many.add(ram(i * M, 4 * K));
        return Stream.of(
                Arguments.of(List.of(), List.of("0 memory ranges", "1 to 16")),
                Arguments.of(many, List.of("17 memory ranges", "1 to 16")),
                Arguments.of(
                        List.of(ram(0, M), ram(M - 4 * K, M)),
                        List.of("range 1", "RAM[0xff000 +0x100000]", "overlaps range 0", "0x100000")),
                Arguments.of(List.of(ram(M, M), ram(M, M)), List.of("range 1", "overlaps range 0")),
                Arguments.of(List.of(ram(2 * M, M), ram(0, M)), List.of("range 1", "RAM[0x0 +0x100000]", "ascend")),
                Arguments.of(List.of(ram(1, M)), List.of("range 0", "starts at 0x1", "multiple of 4096")),
                Arguments.of(
                        List.of(ram(0, M), ram(2 * M, M + 512)),
                        List.of("range 1", "size 1049088", "multiple of 4096")),
                Arguments.of(List.of(ram(0, M), ram(2 * M, 0)), List.of("range 1", "size 0", "at least 4096")),
                Arguments.of(List.of(ram(0, -4096)), List.of("range 0", "address width")),
                Arguments.of(List.of(ram(-4096, 4096)), List.of("range 0", "address width")),
                Arguments.of(List.of(ram(1L << 48, 4096)), List.of("range 0", "below 0x1000000000000")),
                Arguments.of(
                        List.of(ram((1L << 48) - 4096, 8192)), List.of("range 0", "end at or below 0x1000000000000")),
                Arguments.of(List.of(ram(4096, Long.MAX_VALUE & -4096)), List.of("range 0", "address width")),
                Arguments.of(
                        List.of(ram(0, 128 * G + 4 * K)), List.of("range 0", "137438957568", "limit is 137438953472")),
                Arguments.of(
                        List.of(ram(0, 64 * G), new MemoryRange(64 * G, 64 * G, RESERVED), ram(200 * G, 4 * K)),
                        List.of("range 2", "limit is 137438953472")),
                Arguments.of(
                        List.of(new MemoryRange(0, M, MMIO), new MemoryRange(M, M, MMIO)),
                        List.of("all 2 memory ranges are MMIO", "RAM or RESERVED")),
                Arguments.of(List.of(ram(0, M), new MemoryRange(M, M, null)), List.of("range 1", "no type")));
    }

    @ParameterizedTest
    @MethodSource("refused")
    void refusalNamesRangeValueAndRule(List<MemoryRange> ranges, List<String> words) {
        assertThatThrownBy(() -> new MemoryMap(ranges))
                .isInstanceOf(VmRefusedException.class)
                .message()
                .contains(words);
    }

    @Test
    void adjoiningRangesAndHolesAreFine() {
        MemoryMap map = MemoryMap.of(
                ram(0, 4 * K),
                new MemoryRange(4 * K, 4 * K, RESERVED),
                new MemoryRange(8 * K, 4 * K, MMIO),
                ram(M, 4 * K));
        assertEquals(12 * K, map.memoryBytes());
    }

    @Test
    void sixteenRangesAreFine() {
        List<MemoryRange> ranges = new ArrayList<>();
        for (int i = 0; i < 16; i++) ranges.add(ram(i * M, 4 * K));
        assertEquals(64 * K, new MemoryMap(ranges).memoryBytes());
    }

    @ParameterizedTest
    @ValueSource(ints = {-1, 3, 4, 255, Integer.MIN_VALUE, Integer.MAX_VALUE})
    void p14_unknownTypeIsRefused(int type) {
        assertThatThrownBy(() -> MemoryRange.ofUntyped(0, 4096, type))
                .isInstanceOf(VmRefusedException.class)
                .message()
                .contains("type " + type, "0 (RAM)", "2 (MMIO)");
    }

    @Test
    void p14_knownTypesKeepTheirNumbers() {
        assertEquals(RAM, MemoryRange.ofUntyped(0, 4096, 0).type());
        assertEquals(RESERVED, MemoryRange.ofUntyped(0, 4096, 1).type());
        assertEquals(MMIO, MemoryRange.ofUntyped(0, 4096, 2).type());
    }

    /** Sizes at every border of the layout, one page around it, and around the two ends of what is accepted. */
    static Stream<Long> acceptedSizes() {
        return Stream.of(
                M,
                M + 4 * K,
                2 * M - 4 * K,
                4 * M,
                5 * M,
                5 * M + 4 * K,
                512 * M,
                3 * G - 4 * K,
                3 * G,
                3 * G + 4 * K,
                3839 * M,
                3840 * M,
                3841 * M,
                4 * G,
                4 * G + 4 * K,
                130815 * M,
                130816 * M,
                130817 * M,
                128 * G - 4 * K,
                128 * G);
    }

    @ParameterizedTest
    @MethodSource("acceptedSizes")
    void p15_p16_everyAcceptedSizeGivesAValidMapOfThatSize(long size) {
        MemoryMap map = MemoryMap.pc(size);
        assertEquals(size, map.memoryBytes());
        assertThat(map.ranges())
                .allMatch(r -> r.isMemory()
                        ? r.end() <= MemoryMap.PCI_HOLE || r.gpa() >= MemoryMap.PCI_HOLE_END
                        : r.gpa() == MemoryMap.PCI_HOLE);
        assertThat(map.ranges().stream()
                        .filter(r -> r.type() == MMIO && r.gpa() <= 0xfec00000L && r.end() > 0xfee00000L))
                .as("APICs are MMIO")
                .hasSize(1);
    }

    @Test
    void p15_theLargestSizeIsOneBelowTheFirstRefused() {
        MemoryMap.pc(128 * G);
        assertThatThrownBy(() -> MemoryMap.pc(128 * G + 4 * K))
                .isInstanceOf(VmRefusedException.class)
                .message()
                .contains("137438957568", "128 GiB");
    }

    @Test
    void p16_theSmallestSizeIsOneAboveTheLastRefused() {
        MemoryMap.pc(M);
        assertThatThrownBy(() -> MemoryMap.pc(M - 4 * K))
                .isInstanceOf(VmRefusedException.class)
                .message()
                .contains("1044480", "1 MiB");
        assertThatThrownBy(() -> MemoryMap.pc(0)).isInstanceOf(VmRefusedException.class);
        assertThatThrownBy(() -> MemoryMap.pc(-M)).isInstanceOf(VmRefusedException.class);
        assertThatThrownBy(() -> MemoryMap.pc(M + 1)).isInstanceOf(VmRefusedException.class);
    }

    @Test
    void firmwareWindowEndsAtFourGigabytes() {
        MemoryMap map = MemoryMap.pc(512 * M, 4 * M);
        assertEquals(5, map.ranges().size());
        assertEquals(
                new MemoryRange(4 * G - 4 * M, 4 * M, RESERVED), map.ranges().getLast());
        assertEquals(516 * M, map.memoryBytes());
        assertThatThrownBy(() -> MemoryMap.pc(M, 17 * M))
                .isInstanceOf(VmRefusedException.class)
                .message()
                .contains("firmware");
        assertThatThrownBy(() -> MemoryMap.pc(M, -4096))
                .isInstanceOf(VmRefusedException.class)
                .message()
                .contains("firmware");
    }
}
