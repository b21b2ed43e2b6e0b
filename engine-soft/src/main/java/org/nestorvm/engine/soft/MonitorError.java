package org.nestorvm.engine.soft;

/** The engine cannot go on with this processor, through no guest-visible cause; becomes {@code Exit.InternalError}. */
final class MonitorError extends RuntimeException {
    private static final long serialVersionUID = 1L;

    MonitorError(String message) {
        super(message, null, false, false);
    }
}
