package org.nestorvm.vmm;

/**
 * One virtual processor of an engine. {@link #run} and the state calls belong to one thread at a time; {@link #kick}
 * may come from any.
 */
public interface EngineVcpu extends AutoCloseable {
    /**
     * Runs until something needs the monitor. Port and MMIO accesses go to {@code bus} on the way. Never throws for
     * anything a guest does.
     */
    Exit run(GuestBus bus);

    /**
     * Makes a running {@link #run}, or else the next one, return {@link Exit.Interrupted} soon: within a bounded number
     * of instructions, also out of HLT. A bus access in progress is completed first.
     */
    void kick();

    /**
     * Queues an event for the next entry, as VM-entry injection does: an exception, an NMI, or an external interrupt
     * (only with {@link #interruptible}).
     */
    void inject(Event event);

    /** RFLAGS.IF is set and there is no STI or MOV SS shadow. */
    boolean interruptible();

    void readState(CpuState into);

    void writeState(CpuState from);

    /** Instructions retired since creation; -1 where the engine does not count. */
    long instructionCount();

    /**
     * For people: what the engine counts of its own, {@code name value} with commas between; empty where it counts
     * nothing.
     */
    default String counters() {
        return "";
    }

    @Override
    void close();

    /** @param errorCode -1 for none */
    record Event(Type type, int vector, int errorCode) {
        public enum Type {
            EXTERNAL_INTERRUPT,
            NMI,
            EXCEPTION
        }
    }
}
