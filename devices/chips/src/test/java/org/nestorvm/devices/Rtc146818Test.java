package org.nestorvm.devices;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.nestorvm.devices.Rtc146818.*;

import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import org.junit.jupiter.api.Test;

class Rtc146818Test {
    private static final long SECOND = 1_000_000_000;

    private final Guest guest = new Guest();
    private final Guest.Line irq = new Guest.Line();
    private final Rtc146818 rtc = new Rtc146818(guest.clock, irq, 512L << 20, 3L << 30);

    private int get(int register) {
        rtc.write(INDEX, 1, register);
        return rtc.read(DATA, 1);
    }

    private void set(int register, int value) {
        rtc.write(INDEX, 1, register);
        rtc.write(DATA, 1, value);
    }

    private String time() {
        return String.format(
                "%02x%02x-%02x-%02x %02x:%02x:%02x",
                get(CENTURY), get(YEAR), get(MONTH), get(DAY), get(HOURS), get(MINUTES), get(SECONDS));
    }

    @Test
    void readsAsBcd() {
        assertEquals("2024-02-28 23:58:07", time());
        assertEquals(4, get(WEEKDAY), "a Wednesday");
        assertEquals(D_VALID_RAM, get(REG_D));
        assertEquals(0x26, get(REG_A));
        assertEquals(B_24H, get(REG_B));
    }

    @Test
    void goesOnOverTheLeapDay() {
        guest.pass(113 * SECOND);
        assertEquals("2024-02-29 00:00:00", time());
        guest.pass(86_400 * SECOND);
        assertEquals("2024-03-01 00:00:00", time());
    }

    @Test
    void binaryAndTwelveHours() {
        set(REG_B, B_BINARY | B_24H);
        assertEquals(23, get(HOURS));
        assertEquals(58, get(MINUTES));
        set(REG_B, B_BINARY);
        assertEquals(PM | 11, get(HOURS));
        set(REG_B, 0);
        assertEquals(PM | 0x11, get(HOURS));
        guest.pass(113 * SECOND);
        assertEquals(0x12, get(HOURS), "midnight is 12 AM");
        guest.pass(12 * 3600 * SECOND);
        assertEquals(PM | 0x12, get(HOURS));
    }

    @Test
    void topBitOfTheIndexIsNotPartOfIt() {
        rtc.write(INDEX, 1, 0x80 | MINUTES);
        assertEquals(0x58, rtc.read(DATA, 1));
    }

    /**
     * As Linux sets the clock: SET and a held divider; the first update follows half a second after the divider is let
     * go.
     */
    @Test
    void setting() {
        set(REG_B, B_SET | B_24H);
        set(REG_A, 0x76);
        int[][] values = {{YEAR, 0x31}, {MONTH, 0x12}, {DAY, 0x31}, {HOURS, 0x23}, {MINUTES, 0x59}, {SECONDS, 0x58}};
        for (int[] value : values) set(value[0], value[1]);
        guest.pass(10 * SECOND);
        assertEquals("2031-12-31 23:59:58", time());
        set(REG_B, B_24H);
        set(REG_A, 0x26);
        guest.pass(SECOND / 2 - 1);
        assertEquals(0x58, get(SECONDS));
        guest.pass(1);
        assertEquals(0x59, get(SECONDS));
        guest.pass(SECOND);
        assertEquals("2032-01-01 00:00:00", time());
    }

    @Test
    void settingARunningClock() {
        set(MINUTES, 0x10);
        assertEquals("2024-02-28 23:10:07", time());
    }

    @Test
    void updateInProgress() {
        assertEquals(0, get(REG_A) & A_UIP);
        guest.pass(SECOND - 244_000);
        assertEquals(A_UIP, get(REG_A) & A_UIP);
        assertEquals(0x07, get(SECONDS));
        guest.pass(244_000);
        assertEquals(0, get(REG_A) & A_UIP);
        assertEquals(0x08, get(SECONDS));
        set(REG_B, B_SET | B_24H);
        guest.pass(SECOND - 1);
        assertEquals(0, get(REG_A) & A_UIP, "a clock that is being set does not update");
    }

    @Test
    void periodicInterrupt() {
        set(REG_A, 0x26); // 1024 Hz
        set(REG_B, B_24H | B_PIE);
        for (int i = 0; i < 1024; i++) {
            while (!irq.asserted) guest.pass(1000);
            assertEquals(C_IRQF | C_PF, get(REG_C) & ~C_UF);
            assertFalse(irq.asserted);
        }
        assertThat(guest.clock.nowNs()).isBetween(SECOND, SECOND + 1_100_000);
    }

    @Test
    void ratesOneAndTwoAreThoseOfEightAndNine() {
        int[] hertz = {0, 256, 128, 8192, 4096, 2048, 1024, 512, 256, 128, 64, 32, 16, 8, 4, 2};
        for (int rate = 0; rate < 16; rate++) {
            set(REG_B, B_24H);
            set(REG_A, 0x20 | rate);
            get(REG_C);
            irq.rises = 0;
            set(REG_B, B_24H | B_PIE);
            for (int steps = 0; steps < 20_000; steps++) {
                guest.pass(50_000);
                if (irq.asserted) get(REG_C);
            }
            assertThat(irq.rises).as("rate " + rate).isBetween(hertz[rate] - 1, hertz[rate] + 1);
        }
    }

    @Test
    void updateInterrupt() {
        set(REG_B, B_24H | B_UIE);
        guest.pass(SECOND - 1);
        assertFalse(irq.asserted);
        guest.pass(1);
        assertTrue(irq.asserted);
        assertEquals(C_IRQF | C_UF, get(REG_C) & ~C_PF);
        assertEquals(0, get(REG_C));
        guest.pass(SECOND);
        assertTrue(irq.asserted);
    }

    @Test
    void alarmToTheSecondAndWithDontCare() {
        set(HOURS_ALARM, 0x00);
        set(MINUTES_ALARM, 0x00);
        set(SECONDS_ALARM, 0x05);
        set(REG_B, B_24H | B_AIE);
        guest.pass(118 * SECOND - 1);
        assertFalse(irq.asserted);
        guest.pass(1);
        assertEquals(C_IRQF | C_AF, get(REG_C) & (C_IRQF | C_AF));
        assertEquals(1, guestDaysUntilNextAlarm());
        set(HOURS_ALARM, 0xff);
        set(MINUTES_ALARM, 0xc0);
        get(REG_C);
        int before = get(MINUTES);
        guest.pass(60 * SECOND);
        assertTrue(irq.asserted, "every minute");
        assertEquals(before + 1, get(MINUTES));
    }

    private int guestDaysUntilNextAlarm() {
        int callbacks = 0;
        long from = guest.clock.nowNs();
        while (!irq.asserted && callbacks++ < 10)
            guest.pass(Math.max(guest.clock.nextDeadlineNs() - guest.clock.nowNs(), 0));
        return (int) ((guest.clock.nowNs() - from) / (86_400 * SECOND));
    }

    @Test
    void alarmWithoutInterruptIsStillAFlag() {
        set(HOURS_ALARM, 0x23);
        set(MINUTES_ALARM, 0x58);
        set(SECONDS_ALARM, 0x30);
        get(REG_C);
        guest.pass(60 * SECOND);
        assertEquals(C_AF | C_UF | C_PF, get(REG_C));
        assertEquals(0, irq.rises);
    }

    @Test
    void memorySize() {
        assertEquals(640, get(0x15) | get(0x16) << 8);
        assertEquals(0xffff, get(0x17) | get(0x18) << 8);
        assertEquals(0xffff, get(0x30) | get(0x31) << 8);
        assertEquals((512 - 16) * 16, get(0x34) | get(0x35) << 8);
        assertEquals(3 * 1024 * 16, get(0x5b) | get(0x5c) << 8 | get(0x5d) << 16);
    }

    @Test
    void ramKeepsWhatIsWritten() {
        set(0x0f, 0x0a);
        set(0x7f, 0xfe);
        assertEquals(0x0a, get(0x0f));
        assertEquals(0xfe, get(0x7f));
        set(REG_C, 0xff);
        set(REG_D, 0);
        assertEquals(D_VALID_RAM, get(REG_D));
    }

    @Test
    void impossibleDatesAreTaken() {
        for (int register : new int[] {SECONDS, MINUTES, HOURS, DAY, MONTH, YEAR, CENTURY}) {
            for (int value : new int[] {0xff, 0x00, 0x99, 0x7f}) {
                set(register, value);
                assertThat(time()).isNotEmpty();
            }
        }
    }

    @Property(tries = 300)
    void hostileWrites(@ForAll int[] accesses) {
        for (int access : accesses) {
            switch (access & 3) {
                case 0, 1 -> set(access >>> 4 & 0x3f, access >>> 12 & 0xff);
                case 2 -> assertEquals(0, get(access >>> 4 & 0x7f) & ~0xff);
                default -> assertThat(guest.pass((access >>> 4) * 100L)).isLessThan(10);
            }
        }
    }
}
