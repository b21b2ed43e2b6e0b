package org.nestorvm.vhost;

/** Numbers of {@link Connector}'s own implementations. */
final class Backoff {
    static final int STEP_MS = 10, LONGEST_MS = 1000, MOST = 12;

    private Backoff() {}
}
