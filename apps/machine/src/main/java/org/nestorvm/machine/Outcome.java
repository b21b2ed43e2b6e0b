package org.nestorvm.machine;

/**
 * How a machine has ended.
 *
 * @param status what the guest wrote to the debug exit port, {@code value << 1 | 1}; 0 otherwise
 * @param detail one line: which of several causes, or what failed
 */
public record Outcome(Kind kind, int status, String detail) {
    public enum Kind {
        /** The guest has switched itself off. */
        POWERED_OFF,
        /** The guest wants to start anew, or has fallen into a triple fault. */
        RESET,
        /** The guest has written to the debug exit port. */
        DEBUG_EXIT,
        /** The guest has said that its kernel cannot go on. */
        PANICKED,
        /** Every virtual CPU has halted with interrupts disabled. */
        HALTED_FOREVER,
        /** {@link Machine#stop} was called. */
        STOPPED,
        /** The guest has run as long as it was allowed to. */
        TIMED_OUT,
        /** The machine could not go on; {@link Outcome#detail} says why. */
        FAILED
    }

    static Outcome of(Kind kind, String detail) {
        return new Outcome(kind, 0, detail);
    }

    static Outcome failed(String detail) {
        return of(Kind.FAILED, detail);
    }

    static Outcome debugExit(int status) {
        return new Outcome(Kind.DEBUG_EXIT, status, "guest wrote to the debug exit port: status " + status);
    }
}
