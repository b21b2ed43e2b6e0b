package org.nestorvm.boot;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.nestorvm.vmm.MemoryMap;
import org.nestorvm.vmm.MemoryRange;

/** The two areas, read with the addresses that books give: segment 40h. */
class BiosDataTest {
    private static final long NOON = 1_735_732_800_000_000_000L, HOUR_NS = 3_600_000_000_000L;
    private final ByteBuffer area = ByteBuffer.wrap(BiosData.area(0x3f8, NOON)).order(ByteOrder.LITTLE_ENDIAN);

    private int word(int address) {
        return area.getShort(address - 0x400) & 0xffff;
    }

    @Test
    void portsAndEquipmentAreThoseOfThePc() {
        assertThat(word(0x400)).isEqualTo(0x3f8);
        for (int other = 0x402; other < 0x40e; other += 2)
            assertThat(word(other)).isZero();
        int equipment = word(0x410);
        assertThat(equipment >> 9 & 7).as("serial ports").isEqualTo(1);
        assertThat(equipment >> 14).as("printers").isZero();
        assertThat(equipment & 1).as("floppy drives").isZero();
        assertThat(equipment & 2).as("numeric processor").isEqualTo(2);
        assertThat(area.get(0x75)).as("hard disks").isZero();
    }

    @Test
    void memoryEndsWhereTheExtendedAreaBegins() {
        assertThat(word(0x413)).isEqualTo(639);
        assertThat(word(0x40e) << 4).isEqualTo(word(0x413) << 10);
        byte[] extended = BiosData.extended();
        assertThat(extended).hasSize(1024);
        assertThat(extended[0]).as("its size in KiB").isEqualTo((byte) 1);
        FirmwareMap.Line conventional =
                FirmwareMap.lines(MemoryMap.pc(16 << 20).ranges()).getFirst();
        assertThat(conventional).isEqualTo(new FirmwareMap.Line(0, (long) word(0x413) << 10, FirmwareMap.RAM));
    }

    @Test
    void keyboardBufferIsEmptyAndWhereItsPointersSay() {
        assertThat(word(0x480)).isEqualTo(0x1e);
        assertThat(word(0x482)).isEqualTo(0x3e);
        assertThat(word(0x41a)).isEqualTo(0x1e).isEqualTo(word(0x41c));
    }

    @Test
    void displayHasEightyByTwentyFiveCharacters() {
        assertThat(area.get(0x49)).isEqualTo((byte) 3);
        assertThat(word(0x44a)).isEqualTo(80);
        assertThat(area.get(0x84)).isEqualTo((byte) 24);
        assertThat(word(0x463)).isEqualTo(0x3d4);
        assertThat(word(0x410) >> 4 & 3).as("80 columns in color").isEqualTo(2);
    }

    /** 18.2 a second: 65,543 an hour. */
    @Test
    void ticksAreThoseSinceMidnight() {
        assertThat(area.getInt(0x6c)).isEqualTo(0x1800b0 / 2);
        assertThat(ticks(NOON + HOUR_NS) - ticks(NOON)).isEqualTo(65_543);
        assertThat(ticks(-1)).isEqualTo(0x1800af);
        assertThat(word(0x472)).as("a cold start").isZero();
    }

    private static int ticks(long wallClockNs) {
        return ByteBuffer.wrap(BiosData.area(0x3f8, wallClockNs))
                .order(ByteOrder.LITTLE_ENDIAN)
                .getInt(0x6c);
    }

    @Test
    void onlyConventionalMemoryLosesAnything() {
        List<MemoryRange> odd = List.of(
                new MemoryRange(0, 0x90000, MemoryRange.Type.RAM),
                new MemoryRange(0x100000, 0x1000, MemoryRange.Type.RESERVED),
                new MemoryRange(0x101000, 0x1000, MemoryRange.Type.RESERVED),
                new MemoryRange(0x200000, 0xa0000, MemoryRange.Type.RAM),
                new MemoryRange(0xc0000000L, 0x1000, MemoryRange.Type.MMIO));
        assertThat(FirmwareMap.lines(odd))
                .containsExactly(
                        new FirmwareMap.Line(0, 0x90000, FirmwareMap.RAM),
                        new FirmwareMap.Line(0x100000, 0x2000, FirmwareMap.RESERVED),
                        new FirmwareMap.Line(0x200000, 0xa0000, FirmwareMap.RAM));
    }
}
