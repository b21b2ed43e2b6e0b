package org.nestorvm.devices;

/**
 * One counter of an 8254 (Intel data sheet, order 231164), as a function of time: nothing happens between two accesses.
 * Times are ticks of the 1.193182 MHz clock. A count takes effect at the tick at which it is written; the chip needs
 * one more. {@link Pit8254} locks it.
 */
final class PitCounter {
    static final long NEVER = Long.MAX_VALUE;
    static final int INTERRUPT_ON_TERMINAL_COUNT = 0,
            ONE_SHOT = 1,
            RATE_GENERATOR = 2,
            SQUARE_WAVE = 3,
            SOFTWARE_STROBE = 4,
            HARDWARE_STROBE = 5;
    static final int LOW_BYTE = 1, HIGH_BYTE = 2, BOTH = 3;
    static final int STATUS_OUT = 1 << 7, STATUS_NULL_COUNT = 1 << 6;

    private int mode = INTERRUPT_ON_TERMINAL_COUNT;
    private int access = BOTH;
    private boolean bcd;
    private boolean gate = true;

    private boolean written; // a whole count since the mode was set
    private int reload; // the count written last
    private int count; // the count in effect: 1..65536
    private boolean running;
    private long start; // tick at which the count in effect was loaded, while running
    private long stoppedAfter; // ticks counted, while not
    private long reloadAt = NEVER; // modes 2 and 3: when the count written last takes effect

    private boolean highByteNext, readHighNext;
    private int lowByte;
    private int latched = -1, latchedStatus = -1;

    /** A control word has chosen this counter. @param value bits 5:4 access, 3:1 mode, 0 BCD */
    void control(int value) {
        access = value >> 4 & 3;
        mode = value >> 1 & 7;
        if (mode > HARDWARE_STROBE) mode -= 4; // 110 and 111 are modes 2 and 3
        bcd = (value & 1) != 0;
        written = running = highByteNext = readHighNext = false;
        stoppedAfter = 0;
        reloadAt = NEVER;
        latched = latchedStatus = -1;
    }

    /** A byte for the count register. */
    void write(int value, long now) {
        if (access == BOTH && !highByteNext) {
            highByteNext = true;
            lowByte = value;
            if (mode == INTERRUPT_ON_TERMINAL_COUNT) halt();
            return;
        }
        highByteNext = false;
        int raw = access == LOW_BYTE ? value : access == HIGH_BYTE ? value << 8 : value << 8 | lowByte;
        setCount(decode(raw), now);
    }

    /** Mode 0: the first of two bytes stops the counter and takes OUT low. */
    private void halt() {
        running = written = false;
        stoppedAfter = 0;
    }

    /** 0 stands for one more than the counter can show; 1 is illegal in the periodic modes and counts as 2. */
    private int decode(int raw) {
        int n = raw == 0
                ? modulus()
                : bcd ? (raw >> 12) * 1000 + (raw >> 8 & 15) * 100 + (raw >> 4 & 15) * 10 + (raw & 15) : raw;
        return periodic() ? Math.max(n, 2) : n;
    }

    private int modulus() {
        return bcd ? 10_000 : 65_536;
    }

    boolean periodic() {
        return mode == RATE_GENERATOR || mode == SQUARE_WAVE;
    }

    private void setCount(int n, long now) {
        catchUp(now);
        boolean first = !written;
        written = true;
        reload = n;
        if (mode == ONE_SHOT || mode == HARDWARE_STROBE) return; // until the next trigger
        if (periodic() && running) reloadAt = endOfCycle(now);
        else if (first || !periodic()) load(now, gate);
    }

    private void load(long now, boolean run) {
        count = reload;
        start = now;
        stoppedAfter = 0;
        running = run;
        reloadAt = NEVER;
    }

    /** When a new count takes effect: mode 2 at the end of the period, mode 3 at the end of the half cycle. */
    private long endOfCycle(long now) {
        long position = (now - start) % count;
        int high = highTicks(count);
        return now - position + (mode == SQUARE_WAVE && position < high ? high : count);
    }

    private static int highTicks(int n) {
        return n + 1 >> 1;
    }

    private void catchUp(long now) {
        if (now < reloadAt) return;
        start = startAfterReload();
        count = reload;
        reloadAt = NEVER;
    }

    /** So that the cycle goes on where it was: OUT is about to fall, or a whole period begins. */
    private long startAfterReload() {
        boolean highHalfEnds = mode == SQUARE_WAVE && (reloadAt - start) % count != 0;
        return highHalfEnds ? reloadAt - highTicks(reload) : reloadAt;
    }

    void setGate(boolean level, long now) {
        if (level == gate) return;
        catchUp(now);
        gate = level;
        switch (mode) {
            case ONE_SHOT, HARDWARE_STROBE -> {
                if (level && written) load(now, true);
            }
            case RATE_GENERATOR, SQUARE_WAVE -> {
                if (level && written) load(now, true);
                else stop(now);
            }
            default -> {
                if (!level) stop(now);
                else if (written) {
                    start = now - stoppedAfter;
                    running = true;
                }
            }
        }
    }

    private void stop(long now) {
        if (running) stoppedAfter = now - start;
        running = false;
    }

    private long elapsed(long now) {
        return running ? now - start : stoppedAfter;
    }

    /** The level of OUT. */
    boolean out(long now) {
        catchUp(now);
        if (mode == INTERRUPT_ON_TERMINAL_COUNT) return written && elapsed(now) >= count;
        if (!running) return true;
        return switch (mode) {
            case ONE_SHOT -> elapsed(now) >= count;
            case RATE_GENERATOR -> elapsed(now) % count != count - 1;
            case SQUARE_WAVE -> elapsed(now) % count < highTicks(count);
            default -> elapsed(now) != count;
        };
    }

    /** The tick of OUT's next rising edge after {@code now}, or {@link #NEVER}. */
    long nextRise(long now) {
        catchUp(now);
        if (!running) return NEVER;
        if (periodic()) {
            long rise = start + ((now - start) / count + 1) * count;
            return rise <= reloadAt ? rise : startAfterReload() + reload;
        }
        long rise = start + count + (mode == SOFTWARE_STROBE || mode == HARDWARE_STROBE ? 1 : 0);
        return rise > now ? rise : NEVER;
    }

    void latchCount(long now) {
        if (latched < 0) latched = value(now);
    }

    void latchStatus(long now) {
        if (latchedStatus >= 0) return;
        boolean isNull = !written || reloadAt > now && reloadAt != NEVER;
        latchedStatus = (out(now) ? STATUS_OUT : 0)
                | (isNull ? STATUS_NULL_COUNT : 0)
                | access << 4
                | mode << 1
                | (bcd ? 1 : 0);
    }

    int read(long now) {
        if (latchedStatus >= 0) {
            int status = latchedStatus;
            latchedStatus = -1;
            return status;
        }
        int value = latched >= 0 ? latched : value(now);
        boolean high = access == HIGH_BYTE || access == BOTH && readHighNext;
        readHighNext = access == BOTH && !readHighNext;
        if (!readHighNext) latched = -1;
        return high ? value >> 8 : value & 0xff;
    }

    /** The 16 bits that the counting element shows. */
    private int value(long now) {
        catchUp(now);
        if (count == 0) return 0;
        long elapsed = elapsed(now);
        long value = switch (mode) {
            case RATE_GENERATOR -> count - elapsed % count;
            case SQUARE_WAVE -> (count & ~1) - 2 * (elapsed % count % highTicks(count));
            default -> count - elapsed;
        };
        int shown = (int) Math.floorMod(value, (long) modulus());
        return bcd ? shown / 1000 << 12 | shown / 100 % 10 << 8 | shown / 10 % 10 << 4 | shown % 10 : shown;
    }
}
