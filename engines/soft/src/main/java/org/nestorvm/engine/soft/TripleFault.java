package org.nestorvm.engine.soft;

/** The processor has shut down; leaves the run loop as {@code Exit.Shutdown}. */
final class TripleFault extends RuntimeException {
    private static final long serialVersionUID = 1L;

    TripleFault() {
        super(null, null, false, false);
    }
}
