package org.nestorvm.engine.soft.state;

/** What an instruction and the MMU ask of their virtual processor beyond its registers. */
public interface Processor {
    /** The processor's number in its machine. */
    int index();

    int cpuCount();

    /** Nanoseconds since the machine's start, unless the guest has written it. */
    long tsc();

    void setTsc(long value);

    long tscAdjust();

    void setTscAdjust(long value);

    /** The bits of RDRAND and RDSEED: a seeded sequence where time is the count of instructions. */
    long random();

    /** Called before a device's code: it may take as long as it likes, and may itself ask for TLB flushes. */
    void leaveGuest();

    void enterGuest();

    boolean inGuest();

    /** In the middle of an instruction that cannot be completed now: it starts again at the next entry. */
    void leaveIfKicked();

    /**
     * Takes the machine's lock for accesses that no single one of the host's covers; outside the guest while it waits.
     */
    void lockBus();

    void unlockBus();
}
