package org.nestorvm.devices;

/** A crystal: ticks since time 0 from nanoseconds and back, exact, without drift and without overflow for 292 years. */
record TickRate(long hz) {
    private static final long SECOND_NS = 1_000_000_000;

    /** Ticks that have happened at {@code ns}. */
    long ticksAt(long ns) {
        return ns / SECOND_NS * hz + ns % SECOND_NS * hz / SECOND_NS;
    }

    /**
     * The first nanosecond at which {@code tick} has happened: {@code ticksAt} of it is {@code tick}, of the one before
     * it is not.
     */
    long nsOf(long tick) {
        return tick / hz * SECOND_NS + (tick % hz * SECOND_NS + hz - 1) / hz;
    }
}
