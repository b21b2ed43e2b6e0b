package org.nestorvm.devices;

/** What all periodic timers have in common. */
final class Ticking {
    /**
     * No device calls back more often by itself, whatever period the guest has chosen: ticks between are one tick.
     * Linux asks for 1 ms at most.
     */
    static final long MIN_PERIOD_NS = 20_000;

    private Ticking() {}
}
