package org.nestorvm.devices;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.ArrayList;
import java.util.List;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import org.junit.jupiter.api.Test;

class IoApicTest {
    private final List<String> messages = new ArrayList<>();
    private final IoApic ioApic =
            new IoApic((address, data) -> messages.add(Long.toHexString(address) + ":" + Integer.toHexString(data)));

    private int read(int register) {
        ioApic.write(IoApic.IOREGSEL, 4, register);
        return (int) ioApic.read(IoApic.IOWIN, 4);
    }

    private void write(int register, int value) {
        ioApic.write(IoApic.IOREGSEL, 4, register);
        ioApic.write(IoApic.IOWIN, 4, value & 0xffffffffL);
    }

    private long entry(int pin) {
        return read(0x10 + 2 * pin) & 0xffffffffL | (long) read(0x11 + 2 * pin) << 32;
    }

    private void entry(int pin, long value) {
        write(0x11 + 2 * pin, (int) (value >>> 32));
        write(0x10 + 2 * pin, (int) value);
    }

    @Test
    void fieldsFillTheEntry() {
        assertEquals(64, IoApic.DESTINATION.end());
    }

    @Test
    void guestCannotWriteReadOnlyBits() {
        entry(3, -1L);
        assertEquals(IoApic.WRITABLE, entry(3));
    }

    @Test
    void identification() {
        assertEquals(0x00170020, read(0x01));
        write(0x00, -1);
        assertEquals(0x0f000000, read(0x00));
        assertEquals(0, read(0x40), "behind the last pin");
        for (int pin = 0; pin < IoApic.PINS; pin++) assertEquals(1L << 16, entry(pin), "masked after reset");
    }

    @Test
    void edge() {
        entry(4, 0x0200_0000_0000_0034L);
        ioApic.line(4).set(true);
        ioApic.line(4).set(true);
        assertThat(messages).containsExactly("fee02000:34");
        ioApic.line(4).set(false);
        ioApic.line(4).set(true);
        assertThat(messages).hasSize(2);
    }

    @Test
    void anEdgeOnAMaskedPinIsLost() {
        entry(4, 0x1_0034);
        ioApic.line(4).set(true);
        entry(4, 0x34);
        assertThat(messages).isEmpty();
    }

    @Test
    void levelWaitsForTheEndOfInterrupt() {
        entry(9, 0x8031);
        IrqLine line = ioApic.line(9);
        line.set(true);
        assertThat(messages).containsExactly("fee00000:c031");
        assertEquals(0xc031, entry(9), "remote IRR");
        line.set(false);
        line.set(true);
        assertThat(messages).hasSize(1);
        ioApic.endOfInterrupt(0x32);
        assertThat(messages).hasSize(1);
        ioApic.endOfInterrupt(0x31);
        assertThat(messages).as("still asserted: again").hasSize(2);
        line.set(false);
        ioApic.endOfInterrupt(0x31);
        assertThat(messages).hasSize(2);
        assertEquals(0x8031, entry(9));
    }

    @Test
    void aLevelIsSeenWhenTheMaskGoes() {
        entry(9, 0x1_8031);
        ioApic.line(9).set(true);
        assertThat(messages).isEmpty();
        entry(9, 0x8031);
        assertThat(messages).hasSize(1);
    }

    @Test
    void endOfInterruptRegister() {
        entry(9, 0x8031);
        ioApic.line(9).set(true);
        ioApic.write(IoApic.EOIR, 4, 0x31);
        assertThat(messages).hasSize(2);
    }

    /** How Linux ends an interrupt of an I/O APIC without EOI register: mask and edge, then back. */
    @Test
    void switchingToEdgeClearsRemoteIrr() {
        entry(9, 0x8031);
        ioApic.line(9).set(true);
        write(0x10 + 18, 0x1_0031);
        assertEquals(0x1_0031, entry(9));
        write(0x10 + 18, 0x8031);
        assertThat(messages).hasSize(2);
    }

    @Test
    void logicalLowestPriorityAndNmi() {
        entry(1, 0x0f00_0000_0000_0000L | 1 << 11 | 1 << 8 | 0x41);
        ioApic.line(1).set(true);
        entry(2, 4 << 8);
        ioApic.line(2).set(true);
        assertThat(messages).containsExactly("fee0f00c:141", "fee00000:400");
    }

    @Test
    void isaLinesReachBothControllersAndTheTimerComesInAtPinTwo() {
        PicPair pics = new PicPair(() -> {});
        InterruptRouter router = new InterruptRouter(pics, ioApic);
        pics.masterPorts().write(0, 1, 0x11);
        for (int icw : new int[] {0x20, 4, 1, 0}) pics.masterPorts().write(1, 1, icw);
        entry(2, 0x50);
        entry(0, 0x51);
        router.isa(0).set(true);
        assertThat(messages).containsExactly("fee00000:50");
        assertEquals(0x20, router.controller().acknowledge());
        entry(4, 0x54);
        router.isa(4).set(true);
        assertThat(messages).hasSize(2);
    }

    @Test
    void aSharedLineFallsWithItsLastUser() {
        Guest.Line wire = new Guest.Line();
        SharedLine shared = new SharedLine(wire);
        IrqLine a = shared.join(), b = shared.join();
        a.set(true);
        b.set(true);
        a.set(false);
        assertEquals(true, wire.asserted);
        b.set(false);
        assertEquals(false, wire.asserted);
        assertEquals(1, wire.rises);
    }

    @Property(tries = 300)
    void hostileWrites(@ForAll long[] accesses) {
        for (long access : accesses) {
            int pin = (int) Math.floorMod(access, 24L);
            switch ((int) (access >>> 8) & 3) {
                case 0 -> ioApic.write(access >>> 12 & 0xff0, 4, access >>> 32);
                case 1 -> ioApic.read(access >>> 12 & 0xfff, 4);
                case 2 -> ioApic.line(pin).set(access < 0);
                default -> ioApic.endOfInterrupt((int) (access >>> 16) & 0xff);
            }
        }
        for (int pin = 0; pin < IoApic.PINS; pin++)
            assertEquals(0, entry(pin) & (IoApic.RESERVED.mask() | IoApic.STATUS.mask()));
    }
}
