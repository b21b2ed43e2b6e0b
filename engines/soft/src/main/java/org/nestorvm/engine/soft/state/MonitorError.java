package org.nestorvm.engine.soft.state;

/** The engine cannot go on with this processor, through no guest-visible cause; becomes {@code Exit.InternalError}. */
public final class MonitorError extends RuntimeException {
    private static final long serialVersionUID = 1L;

    public MonitorError(String message) {
        super(message, null, false, false);
    }
}
