package org.nestorvm.devices;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import org.junit.jupiter.api.Test;

class HpetTest {
    private static final long CONF = 0x010, STATUS = 0x020, COUNTER = 0x0f0;
    private static final long ENABLE = 1, LEGACY = 2;
    private static final long LEVEL = 1 << 1,
            INTERRUPT = 1 << 2,
            PERIODIC = 1 << 3,
            SET_VALUE = 1 << 6,
            MODE_32 = 1 << 8;

    private final Guest guest = new Guest();
    private final Guest.Line irq0 = new Guest.Line(), irq8 = new Guest.Line();
    private int messages;
    private final IoApic ioApic = new IoApic((address, data) -> messages++);
    private final Hpet hpet = new Hpet(guest.clock, new InterruptRouter(new PicPair(() -> {}), ioApic), irq0, irq8);

    private static long configuration(int timer) {
        return 0x100 + 0x20 * timer;
    }

    private static long comparator(int timer) {
        return 0x108 + 0x20 * timer;
    }

    private void write(long register, long value) {
        hpet.write(register, 8, value);
    }

    private long read(long register) {
        return hpet.read(register, 8);
    }

    private long half(long register) {
        return hpet.read(register, 4) & 0xffffffffL;
    }

    /** The pin of the I/O APIC, unmasked, edge or level. */
    private void unmask(int pin, boolean level) {
        ioApic.write(0, 4, 0x10 + 2 * pin);
        ioApic.write(0x10, 4, level ? 0x8040 : 0x40);
    }

    @Test
    void identification() {
        assertEquals(0x0098_9680_8086_a201L, read(0));
        assertEquals(0x8086_a201L, half(0));
        assertEquals(0x0098_9680L, half(4));
        assertEquals(0x00f0_0000_0000_0030L, read(configuration(0)), "periodic, 64 bits, pins 20 to 23, no messages");
        write(configuration(0), -1L);
        assertEquals(0x00f0_0000_0000_3f7eL, read(configuration(0)));
    }

    @Test
    void theCounterStandsUntilEnabled() {
        guest.pass(12_345);
        assertEquals(0, read(COUNTER));
        write(CONF, ENABLE);
        guest.pass(1_000);
        assertEquals(100, read(COUNTER));
        write(CONF, 0);
        guest.pass(1_000);
        assertEquals(100, read(COUNTER));
        hpet.write(COUNTER + 4, 4, 2);
        assertEquals(0x2_0000_0064L, read(COUNTER));
        write(CONF, ENABLE);
        guest.pass(10);
        assertEquals(0x2_0000_0065L, read(COUNTER));
        assertEquals(0x65, half(COUNTER));
        assertEquals(2, half(COUNTER + 4));
    }

    @Test
    void oneShotInLegacyReplacement() {
        write(CONF, ENABLE | LEGACY);
        write(configuration(0), INTERRUPT | MODE_32);
        write(comparator(0), read(COUNTER) + 500);
        guest.pass(4_999);
        assertEquals(0, irq0.rises);
        guest.pass(1);
        assertEquals(1, irq0.rises);
        guest.pass(1_000_000);
        assertEquals(1, irq0.rises);
        write(comparator(0), read(COUNTER) + 1);
        guest.pass(10);
        assertEquals(2, irq0.rises);
    }

    /** As Linux sets it up: comparator first, through SET_VALUE, then the period; 32 bits. */
    @Test
    void periodicWithoutDrift() {
        write(CONF, ENABLE | LEGACY);
        write(configuration(0), INTERRUPT | PERIODIC | SET_VALUE | MODE_32);
        write(comparator(0), 123_456);
        write(comparator(0), 100_000);
        guest.pass(1_234_560);
        assertEquals(1, irq0.rises);
        guest.pass(10_000_000_000L); // 10 s of 1 ms
        assertEquals(10_001, irq0.rises);
    }

    @Test
    void aPeriodOfOneTickIsCoalesced() {
        write(CONF, ENABLE);
        write(configuration(2), INTERRUPT | PERIODIC | SET_VALUE | 20 << 9);
        write(comparator(2), 1);
        assertThat(guest.pass(10_000_000)).isBetween(400, 502);
        write(configuration(2), INTERRUPT | PERIODIC | SET_VALUE | 20 << 9);
        write(comparator(2), 0);
        assertThat(guest.pass(1_000_000)).isLessThan(3);
    }

    @Test
    void lateCallbacksBecomeOne() {
        write(CONF, ENABLE | LEGACY);
        write(configuration(1), INTERRUPT | PERIODIC | SET_VALUE);
        write(comparator(1), 100_000);
        guest.clock.setNowNs(guest.clock.nowNs() + 50_300_000);
        write(configuration(0), 0); // any write finds it due
        assertEquals(1, irq8.rises);
        guest.pass(700_000);
        assertEquals(2, irq8.rises, "the phase is the old one");
    }

    @Test
    void levelStaysUntilItsStatusIsCleared() {
        unmask(21, true);
        write(CONF, ENABLE);
        write(configuration(2), INTERRUPT | LEVEL | 21 << 9);
        write(comparator(2), 10);
        guest.pass(100);
        assertEquals(1, messages);
        assertEquals(1 << 2, read(STATUS));
        ioApic.endOfInterrupt(0x40);
        assertEquals(2, messages, "still asserted");
        write(STATUS, 1 << 2);
        ioApic.endOfInterrupt(0x40);
        assertEquals(2, messages);
        assertEquals(0, read(STATUS));
    }

    @Test
    void edgeToAPinOfTheIoApic() {
        unmask(20, false);
        write(CONF, ENABLE);
        write(configuration(0), INTERRUPT | PERIODIC | SET_VALUE | 20 << 9);
        write(comparator(0), 100_000);
        guest.pass(5_000_000);
        assertEquals(5, messages);
        assertEquals(0, read(STATUS));
    }

    @Test
    void aPinThatIsNotThereSwallows() {
        write(CONF, ENABLE);
        write(configuration(0), INTERRUPT | 3 << 9);
        write(comparator(0), 10);
        guest.pass(100);
        assertEquals(0, messages + irq0.rises);
    }

    @Test
    void legacyReplacementDisplacesTheOldChips() {
        hpet.timerInput().set(true);
        assertTrue(irq0.asserted);
        write(CONF, LEGACY);
        assertFalse(irq0.asserted);
        hpet.clockInput().set(true);
        assertFalse(irq8.asserted);
        write(CONF, 0);
        assertTrue(irq0.asserted);
        assertTrue(irq8.asserted);
    }

    @Test
    void a32BitTimerComesAround() {
        write(COUNTER, 0xffff_fff0L);
        write(CONF, ENABLE | LEGACY);
        write(configuration(0), INTERRUPT | MODE_32);
        write(comparator(0), 4);
        guest.pass(200);
        assertEquals(1, irq0.rises);
        guest.pass((1L << 32) * 10);
        assertEquals(2, irq0.rises);
    }

    @Property(tries = 300)
    void hostileWrites(@ForAll long[] accesses) {
        for (long access : accesses) {
            long register = access >>> 8 & 0x3ff;
            int size = 1 << (access >>> 4 & 3);
            switch ((int) access & 3) {
                case 0 -> hpet.write(register & -size, size, access >>> 18 & -1L >>> 64 - 8 * size);
                case 1 -> hpet.write(0x100 + (register & 0x78), 8, access >>> (access >>> 18 & 31));
                case 2 -> hpet.read(register, size);
                default -> assertThat(guest.pass(access >>> 44)).isLessThan(5 + 3 * (int) ((access >>> 44) / 15_000));
            }
        }
    }
}
