package org.nestorvm.devices;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import org.junit.jupiter.api.Test;

class Pit8254Test {
    private static final int HZ = 1_193_182;
    private static final int CONTROL = 3;

    private final Guest guest = new Guest();
    private final Guest.Line irq = new Guest.Line();
    private final Pit8254 pit = new Pit8254(guest.clock, irq);
    private final SystemControlB port61 = new SystemControlB(guest.clock, pit);

    private void program(int counter, int mode, int count) {
        pit.write(CONTROL, 1, counter << 6 | 0x30 | mode << 1);
        write(counter, count);
    }

    private void write(int counter, int count) {
        pit.write(counter, 1, count & 0xff);
        pit.write(counter, 1, count >> 8);
    }

    private int count(int counter) {
        pit.write(CONTROL, 1, counter << 6);
        return pit.read(counter, 1) | pit.read(counter, 1) << 8;
    }

    private boolean out(int counter) {
        pit.write(CONTROL, 1, 0xe0 | 2 << counter);
        return (pit.read(counter, 1) & PitCounter.STATUS_OUT) != 0;
    }

    /** To the first nanosecond of the tick so many ticks from the present one. */
    private void passTicks(long ticks) {
        long now = guest.clock.nowNs();
        guest.pass(Pit8254.CLOCK.nsOf(Pit8254.CLOCK.ticksAt(now) + ticks) - now);
    }

    @Test
    void theTickRateIsExact() {
        for (long tick : new long[] {1, 3, HZ - 1, HZ, 10L * HZ + 7, 100L * 365 * 86_400 * HZ + 5}) {
            long ns = Pit8254.CLOCK.nsOf(tick);
            assertEquals(tick, Pit8254.CLOCK.ticksAt(ns));
            assertEquals(tick - 1, Pit8254.CLOCK.ticksAt(ns - 1));
        }
    }

    @Test
    void mode2TicksWithoutDrift() {
        program(0, 2, 11_932); // 100 Hz, nearly
        guest.pass(1_000L * 1_000_000_000);
        assertEquals(1_000L * HZ / 11_932, irq.rises - 1);
        assertTrue(irq.asserted);
    }

    @Test
    void mode3Halves() {
        program(0, 3, 5); // odd: three ticks high, two low
        StringBuilder wave = new StringBuilder();
        for (int i = 0; i < 10; i++, passTicks(1)) wave.append(out(0) ? 'H' : 'L');
        assertEquals("HHHLLHHHLL", wave.toString());
    }

    @Test
    void mode2IsLowForItsLastTick() {
        program(0, 2, 4);
        StringBuilder wave = new StringBuilder();
        for (int i = 0; i < 9; i++, passTicks(1))
            wave.append(out(0) ? 'H' : 'L').append(count(0));
        assertEquals("H4H3H2L1H4H3H2L1H4", wave.toString());
    }

    @Test
    void mode0InterruptsOnceAndCountsOn() {
        program(0, 0, 1000);
        assertFalse(irq.asserted);
        passTicks(999);
        assertFalse(irq.asserted);
        assertEquals(1, count(0));
        passTicks(1);
        assertTrue(irq.asserted);
        passTicks(1);
        assertEquals(0xffff, count(0));
        guest.pass(1_000_000_000);
        assertEquals(1, irq.rises);
        write(0, 1000);
        assertFalse(irq.asserted, "a new count takes OUT low");
    }

    @Test
    void mode0StopsBetweenTheBytesOfACount() {
        program(0, 0, 1000);
        pit.write(0, 1, 100);
        passTicks(5000);
        assertFalse(irq.asserted);
        pit.write(0, 1, 0);
        passTicks(100);
        assertTrue(irq.asserted);
    }

    /** Linux's one-shot clock event: the mode once, then only counts. */
    @Test
    void mode4StrobesAfterEachCount() {
        program(0, 4, 500);
        irq.rises = 0;
        passTicks(500);
        assertFalse(out(0));
        passTicks(1);
        assertTrue(out(0));
        assertEquals(1, irq.rises);
        guest.pass(1_000_000_000);
        assertEquals(1, irq.rises);
        write(0, 200);
        passTicks(201);
        assertEquals(2, irq.rises);
    }

    @Test
    void mode1And5WaitForTheGate() {
        program(2, 1, 100);
        assertTrue(pit.out2());
        passTicks(1000);
        assertTrue(pit.out2());
        port61.write(0, 1, 1);
        assertFalse(pit.out2());
        passTicks(60);
        port61.write(0, 1, 0);
        port61.write(0, 1, 1); // triggered again
        passTicks(99);
        assertFalse(pit.out2());
        passTicks(1);
        assertTrue(pit.out2());

        port61.write(0, 1, 0);
        program(2, 5, 50);
        port61.write(0, 1, 1);
        passTicks(50);
        assertFalse(pit.out2());
        passTicks(1);
        assertTrue(pit.out2());
    }

    /** Linux's TSC calibration: counter 2 in mode 0, started by the gate, watched at port 61h. */
    @Test
    void counterTwoThroughPort61() {
        port61.write(0, 1, 0);
        program(2, 0, 11_931);
        passTicks(100_000);
        assertEquals(0, port61.read(0, 1) & SystemControlB.TIMER2_OUT, "the gate is closed");
        port61.write(0, 1, 1);
        passTicks(11_930);
        assertEquals(0, port61.read(0, 1) & SystemControlB.TIMER2_OUT);
        passTicks(1);
        assertEquals(SystemControlB.TIMER2_OUT | 1, port61.read(0, 1) & ~SystemControlB.REFRESH);
    }

    @Test
    void gateStopsMode0AndRestartsMode2() {
        port61.write(0, 1, 1);
        program(2, 0, 100);
        passTicks(40);
        port61.write(0, 1, 0);
        passTicks(1000);
        assertEquals(60, count(2));
        port61.write(0, 1, 1);
        passTicks(59);
        assertFalse(pit.out2());
        passTicks(1);
        assertTrue(pit.out2());

        program(2, 2, 100);
        passTicks(99);
        assertFalse(pit.out2());
        port61.write(0, 1, 0);
        assertTrue(pit.out2(), "a closed gate takes OUT high at once");
        passTicks(7);
        port61.write(0, 1, 1);
        assertEquals(100, count(2));
    }

    @Test
    void aNewCountWaitsForTheEndOfThePeriod() {
        program(0, 2, 1000);
        passTicks(300);
        write(0, 100);
        assertEquals(700, count(0));
        irq.rises = 0;
        passTicks(699);
        assertEquals(0, irq.rises);
        passTicks(1);
        assertEquals(1, irq.rises);
        passTicks(100);
        assertEquals(2, irq.rises);
    }

    @Test
    void inMode3ANewCountWaitsForTheHalfCycle() {
        program(0, 3, 1000);
        passTicks(300);
        write(0, 100);
        passTicks(199);
        assertTrue(out(0));
        passTicks(1); // end of the old high half; the low half has 50 ticks
        assertFalse(out(0));
        irq.rises = 0;
        passTicks(49);
        assertFalse(out(0));
        passTicks(1);
        assertTrue(out(0));
        assertEquals(1, irq.rises);
        passTicks(100);
        assertEquals(2, irq.rises);
    }

    /** 0 is 65536, or 10000 in BCD. */
    @Test
    void p44_periodZeroIsTheLongest() {
        program(0, 2, 0);
        irq.rises = 0;
        passTicks(65_535);
        assertEquals(0, irq.rises);
        assertEquals(1, count(0));
        passTicks(1);
        assertEquals(1, irq.rises);
        assertEquals(0, count(0));
        passTicks(1);
        assertEquals(65_535, count(0));

        pit.write(CONTROL, 1, 0x35);
        write(0, 0);
        irq.rises = 0;
        passTicks(9_999);
        assertEquals(0x0001, count(0));
        passTicks(1);
        assertEquals(1, irq.rises);
        passTicks(1);
        assertEquals(0x9999, count(0));
    }

    /** A period of one is illegal, and neither stops nor floods the machine. */
    @Test
    void p44_shortPeriodsAreCoalesced() {
        for (int period : new int[] {1, 2, 3}) {
            program(0, 2, period);
            assertThat(guest.pass(10_000_000)).isBetween(300, 501);
        }
    }

    @Test
    void aLateCallbackDoesNotCatchUp() {
        program(0, 2, 1193); // 1 ms
        irq.rises = 0;
        guest.clock.setNowNs(guest.clock.nowNs() + 50_500_000);
        guest.clock.runDue();
        assertEquals(1, irq.rises);
        guest.pass(600_000);
        assertEquals(2, irq.rises, "the phase is the old one");
    }

    @Test
    void latchedCountStaysUntilRead() {
        program(0, 2, 0x1234);
        pit.write(CONTROL, 1, 0x00);
        passTicks(100);
        pit.write(CONTROL, 1, 0x00);
        assertEquals(0x34, pit.read(0, 1));
        assertEquals(0x12, pit.read(0, 1));
        assertEquals(0x1234 - 100 & 0xff, pit.read(0, 1));
    }

    @Test
    void readBackGivesStatusThenCount() {
        program(0, 2, 1000);
        passTicks(10);
        pit.write(CONTROL, 1, 0xc2);
        assertEquals(PitCounter.STATUS_OUT | 0x34, pit.read(0, 1));
        assertEquals(990, pit.read(0, 1) | pit.read(0, 1) << 8);
        pit.write(CONTROL, 1, 0x34);
        pit.write(CONTROL, 1, 0xe2);
        assertEquals(PitCounter.STATUS_OUT | PitCounter.STATUS_NULL_COUNT | 0x34, pit.read(0, 1));
    }

    @Test
    void singleByteAccess() {
        pit.write(CONTROL, 1, 0x14); // counter 0, low byte only, mode 2
        pit.write(0, 1, 200);
        passTicks(50);
        assertEquals(150, pit.read(0, 1));
        assertEquals(150, pit.read(0, 1));
        pit.write(CONTROL, 1, 0x24); // high byte only
        pit.write(0, 1, 2);
        passTicks(1);
        assertEquals(1, pit.read(0, 1));
    }

    /** The timer is armed for exactly the ticks at which OUT rises, in every mode and after every kind of write. */
    @Property(tries = 200)
    void nextRiseIsTheNextRisingEdge(
            @ForAll @IntRange(min = 0, max = 7) int mode,
            @ForAll @IntRange(min = 1, max = 40) int first,
            @ForAll @IntRange(min = 1, max = 40) int second,
            @ForAll @IntRange(min = 0, max = 60) int when) {
        PitCounter counter = new PitCounter();
        counter.setGate(false, 0);
        counter.control(0x10 | mode << 1);
        counter.write(first, 0);
        counter.setGate(true, 0);
        long predicted = counter.nextRise(0);
        boolean before = counter.out(0);
        for (long now = 1; now < 200; now++) {
            if (now == when) {
                counter.write(second, now);
                before = counter.out(now);
                predicted = counter.nextRise(now);
                continue;
            }
            boolean out = counter.out(now);
            assertEquals(out && !before, now == predicted, "tick " + now);
            if (now == predicted) predicted = counter.nextRise(now);
            before = out;
        }
    }

    @Property(tries = 300)
    void hostileWrites(@ForAll int[] accesses) {
        for (int access : accesses) {
            switch (access & 7) {
                case 0, 1, 2, 3 -> pit.write(access & 3, 1, access >>> 8 & 0xff);
                case 4 -> assertEquals(0, pit.read(access >>> 4 & 3, 1) & ~0xff);
                case 5 -> port61.write(0, 1, access >>> 8 & 0xff);
                case 6 -> assertEquals(0, port61.read(0, 1) & ~0xff);
                default -> assertThat(guest.pass(access >>> 12)).isLessThan(2 + (access >>> 12) / 15_000);
            }
        }
    }
}
