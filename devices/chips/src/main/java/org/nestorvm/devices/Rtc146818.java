package org.nestorvm.devices;

import java.time.LocalDate;
import org.nestorvm.vmm.VmClock;

/**
 * MC146818 clock and CMOS RAM, ports 70h and 71h, 128 bytes (Motorola MC146818 data sheet; Intel ICH data sheets for
 * the second half and the century at 32h).
 *
 * <p>The time is the machine's wall clock plus an offset, which the guest moves when it sets the clock; while SET or a
 * held divider stops the clock, the registers are plain RAM. Flags are worked out when somebody looks, callbacks run
 * only for interrupts that are enabled. Left out: daylight saving (DSE), square wave (SQWE), the day of the week as
 * something of its own: it follows from the date.
 */
public final class Rtc146818 implements PortDevice {
    public static final int PORTS = 2;
    static final int INDEX = 0, DATA = 1;
    static final int SECONDS = 0x00,
            SECONDS_ALARM = 0x01,
            MINUTES = 0x02,
            MINUTES_ALARM = 0x03,
            HOURS = 0x04,
            HOURS_ALARM = 0x05,
            WEEKDAY = 0x06,
            DAY = 0x07,
            MONTH = 0x08,
            YEAR = 0x09,
            REG_A = 0x0a,
            REG_B = 0x0b,
            REG_C = 0x0c,
            REG_D = 0x0d,
            CENTURY = 0x32;
    static final int A_UIP = 1 << 7, A_DIVIDER_HELD = 0x60, A_RATE = 0x0f;
    static final int B_SET = 1 << 7, B_PIE = 1 << 6, B_AIE = 1 << 5, B_UIE = 1 << 4, B_BINARY = 1 << 2, B_24H = 1 << 1;
    static final int C_IRQF = 1 << 7, C_PF = 1 << 6, C_AF = 1 << 5, C_UF = 1 << 4;
    static final int D_VALID_RAM = 1 << 7;
    static final int PM = 1 << 7, DONT_CARE = 0xc0;
    private static final int NMI_DISABLE = 1 << 7; // top bit of INDEX, not part of the index
    private static final long SECOND_NS = 1_000_000_000,
            UPDATE_NS = 244_000,
            DAY_SECONDS = 86_400,
            NEVER = Long.MAX_VALUE;
    private static final int EVERY = -1, NO_MATCH = -2; // what an alarm register says, besides a number
    private static final long FARTHEST_SECOND =
            8_800_000_000L; // nanoseconds since 1970 end in 2262; a guest that sets a later time gets 2248
    private static final TickRate CRYSTAL = new TickRate(32_768);

    private final VmClock clock;
    private final IrqLine irq;
    private final VmClock.Timer timer;
    private final byte[] ram = new byte[128];
    private int index;
    private long offsetNs; // the guest's clock, less the machine's
    private long seenNs; // flags are up to date as of this time
    private long deadlineNs = NEVER;

    /**
     * @param ramBelow4G bytes of guest memory below 4 GiB, the first MiB included
     * @param ramAbove4G bytes of guest memory from 4 GiB up
     */
    public Rtc146818(VmClock clock, IrqLine irq, long ramBelow4G, long ramAbove4G) {
        this.clock = clock;
        this.irq = irq;
        timer = clock.newTimer(this::callback);
        ram[REG_A] = 0x26; // 32.768 kHz crystal, 1.024 kHz rate
        ram[REG_B] = B_24H;
        ram[REG_D] = (byte) D_VALID_RAM;
        CmosMemorySize.write(ram, ramBelow4G, ramAbove4G);
    }

    @Override
    public synchronized int read(int offset, int size) {
        if (offset == INDEX) return 0xff; // write only
        return readRegister() & 0xff;
    }

    private int readRegister() {
        long now = clock.nowNs();
        return switch (index) {
            case SECONDS, MINUTES, HOURS, WEEKDAY, DAY, MONTH, YEAR, CENTURY -> {
                if (runs()) showTime(now);
                yield ram[index];
            }
            case REG_A -> ram[REG_A] | (runs() && updating(now) ? A_UIP : 0);
            case REG_C -> readFlags(now);
            default -> ram[index];
        };
    }

    private int readFlags(long now) {
        collectFlags(now);
        int flags = ram[REG_C];
        ram[REG_C] = 0;
        update();
        return flags;
    }

    @Override
    public synchronized void write(int offset, int size, int value) {
        if (offset == INDEX) index = value & 0xff & ~NMI_DISABLE;
        else writeRegister((byte) value);
    }

    private void writeRegister(byte value) {
        long now = clock.nowNs();
        collectFlags(now);
        switch (index) {
            case SECONDS, MINUTES, HOURS, DAY, MONTH, YEAR, CENTURY -> {
                if (runs()) showTime(now);
                ram[index] = value;
                if (runs()) setTime(now, subsecond(now));
            }
            case REG_A, REG_B -> control(now, value);
            case REG_C, REG_D -> {}
            default -> ram[index] = value;
        }
        update();
    }

    /**
     * Stops and starts the clock. After a held divider the first update comes half a second later; after SET the
     * seconds keep their phase.
     */
    private void control(long now, byte value) {
        boolean ran = runs();
        boolean held = dividerHeld();
        if (ran) showTime(now);
        if (index == REG_A) ram[REG_A] = (byte) (value & ~A_UIP);
        else ram[REG_B] = (byte) ((value & B_SET) != 0 ? value & ~B_UIE : value);
        if (!ran && runs()) setTime(now, held ? SECOND_NS / 2 : subsecond(now));
    }

    private boolean dividerHeld() {
        return (ram[REG_A] & A_DIVIDER_HELD) == A_DIVIDER_HELD;
    }

    private boolean runs() {
        return (ram[REG_B] & B_SET) == 0 && !dividerHeld();
    }

    private long guestNs(long now) {
        return clock.wallClockAtZeroNs() + now + offsetNs;
    }

    private long subsecond(long now) {
        return Math.floorMod(guestNs(now), SECOND_NS);
    }

    private boolean updating(long now) {
        return subsecond(now) >= SECOND_NS - UPDATE_NS;
    }

    private void showTime(long now) {
        long seconds = Math.floorDiv(guestNs(now), SECOND_NS);
        LocalDate date = LocalDate.ofEpochDay(Math.floorDiv(seconds, DAY_SECONDS));
        int ofDay = (int) Math.floorMod(seconds, DAY_SECONDS);
        ram[SECONDS] = encode(ofDay % 60);
        ram[MINUTES] = encode(ofDay / 60 % 60);
        ram[HOURS] = encodeHour(ofDay / 3600);
        ram[WEEKDAY] = encode(date.getDayOfWeek().getValue() % 7 + 1); // 1 is Sunday
        ram[DAY] = encode(date.getDayOfMonth());
        ram[MONTH] = encode(date.getMonthValue());
        ram[YEAR] = encode(Math.floorMod(date.getYear(), 100));
        ram[CENTURY] = encode(Math.floorMod(date.getYear() / 100, 100));
    }

    /** Takes the time from the registers. A date that does not exist counts on from the first of the month. */
    private void setTime(long now, long subsecondNs) {
        int year = decode(ram[CENTURY]) % 100 * 100 + decode(ram[YEAR]) % 100;
        int month = Math.clamp(decode(ram[MONTH]), 1, 12);
        long day = LocalDate.of(year, month, 1).toEpochDay() + decode(ram[DAY]) - 1;
        long seconds =
                day * DAY_SECONDS + decodeHour(ram[HOURS]) * 3600L + decode(ram[MINUTES]) * 60L + decode(ram[SECONDS]);
        offsetNs += Math.clamp(seconds, -FARTHEST_SECOND, FARTHEST_SECOND) * SECOND_NS + subsecondNs - guestNs(now);
    }

    private byte encode(int value) {
        return (byte) ((ram[REG_B] & B_BINARY) != 0 ? value : value / 10 << 4 | value % 10);
    }

    private int decode(byte register) {
        int value = register & 0xff;
        return (ram[REG_B] & B_BINARY) != 0 ? value : (value >> 4) * 10 + (value & 15);
    }

    private byte encodeHour(int hour) {
        if ((ram[REG_B] & B_24H) != 0) return encode(hour);
        return (byte) (encode(hour % 12 == 0 ? 12 : hour % 12) | (hour >= 12 ? PM : 0));
    }

    private int decodeHour(byte register) {
        if ((ram[REG_B] & B_24H) != 0) return decode(register);
        int hour = decode((byte) (register & ~PM)) % 12;
        return (register & PM) != 0 ? hour + 12 : hour;
    }

    /** Sets the flags for everything that has happened since they were looked at last. */
    private void collectFlags(long now) {
        if (now > seenNs) {
            long period = periodTicks();
            if (period != 0 && CRYSTAL.ticksAt(now) / period != CRYSTAL.ticksAt(seenNs) / period) ram[REG_C] |= C_PF;
            if (runs()) {
                if (secondAt(now) != secondAt(seenNs)) ram[REG_C] |= C_UF;
                if (nextAlarmNs(seenNs) <= now) ram[REG_C] |= C_AF;
            }
        }
        seenNs = Math.max(seenNs, now);
    }

    private long secondAt(long ns) {
        return Math.floorDiv(guestNs(ns), SECOND_NS);
    }

    /** The period of the periodic interrupt in ticks of the crystal, 0 for none (data sheet, table 5). */
    private int periodTicks() {
        int rate = ram[REG_A] & A_RATE;
        if (rate == 0 || dividerHeld()) return 0;
        return 1 << (rate <= 2 ? rate + 6 : rate - 1);
    }

    /** When the clock next shows the alarm's time, after {@code ns}. */
    private long nextAlarmNs(long ns) {
        long second = secondAt(ns);
        long next = nextMatch((int) Math.floorMod(second, DAY_SECONDS));
        return next < 0 ? NEVER : (second + next) * SECOND_NS - guestNs(0);
    }

    /** Seconds from {@code ofDay} to the next match, 1..86400; -1 when nothing matches. */
    private long nextMatch(int ofDay) {
        int hour = alarm(HOURS_ALARM, 24);
        int minute = alarm(MINUTES_ALARM, 60);
        int second = alarm(SECONDS_ALARM, 60);
        if (hour == NO_MATCH || minute == NO_MATCH || second == NO_MATCH) return -1;
        int t = ofDay + 1;
        while (true) { // each step goes to the first time at which one more field fits
            int h = t / 3600 % 24, m = t / 60 % 60, s = t % 60;
            if (hour != EVERY && h != hour) t = (t / 3600 + 1) * 3600;
            else if (minute != EVERY && m != minute) t = (t / 60 + 1) * 60;
            else if (second != EVERY && s != second) t++;
            else return t - ofDay;
        }
    }

    private int alarm(int register, int limit) {
        if ((ram[register] & DONT_CARE) == DONT_CARE) return EVERY;
        int value = register == HOURS_ALARM ? decodeHour(ram[register]) : decode(ram[register]);
        return value < limit ? value : NO_MATCH;
    }

    /** Sets IRQF and the pin, and arms the timer for the next enabled event. */
    private void update() {
        int enabled = ram[REG_B] & (B_PIE | B_AIE | B_UIE);
        boolean active = (ram[REG_C] & enabled) != 0;
        ram[REG_C] = (byte) (active ? ram[REG_C] | C_IRQF : ram[REG_C] & ~C_IRQF);
        irq.set(active);
        schedule(active ? 0 : enabled);
    }

    /** While the pin is asserted nothing can change it but the guest, so no callback is needed. */
    private void schedule(int enabled) {
        long deadline = NEVER;
        int period = periodTicks();
        if ((enabled & B_PIE) != 0 && period != 0) deadline = nextPeriodNs(period);
        if ((enabled & B_UIE) != 0 && runs())
            deadline = Math.min(deadline, (secondAt(seenNs) + 1) * SECOND_NS - guestNs(0));
        if ((enabled & B_AIE) != 0 && runs()) deadline = Math.min(deadline, nextAlarmNs(seenNs));
        deadlineNs = deadline;
        if (deadline == NEVER) timer.disarm();
        else timer.arm(deadline);
    }

    private long nextPeriodNs(int period) {
        return CRYSTAL.nsOf((CRYSTAL.ticksAt(seenNs) / period + 1) * period);
    }

    private synchronized void callback() {
        long now = clock.nowNs();
        if (now < deadlineNs) return;
        collectFlags(now);
        update();
    }
}
