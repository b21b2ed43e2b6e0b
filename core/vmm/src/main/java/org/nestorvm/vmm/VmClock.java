package org.nestorvm.vmm;

/**
 * The guest's time, in nanoseconds since the machine was made. Everything in a machine that measures or waits takes its
 * time from here.
 */
public interface VmClock {
    long nowNs();

    /**
     * Makes a timer, disarmed. The callback runs on the clock's thread (or the virtual CPU's, see
     * {@link InstructionClock}) and must not block.
     */
    Timer newTimer(Runnable callback);

    /**
     * Seconds since 1970 that the machine's clock chips show at time 0, plus nanoseconds since then are the wall clock.
     */
    long wallClockAtZeroNs();

    interface Timer {
        /**
         * Calls back once, when {@code nowNs() >= deadlineNs}; replaces an earlier deadline. May be called from any
         * thread and from the callback.
         */
        void arm(long deadlineNs);

        void disarm();
    }
}
