package org.nestorvm.virtio.queue;

/** The driver broke the rules of a queue. The device needs a reset; the message says what it did. */
public final class QueueViolation extends Exception {
    private static final long serialVersionUID = 1L;

    public QueueViolation(String message) {
        super(message, null, false, false);
    }
}
