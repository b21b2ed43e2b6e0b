package org.nestorvm.vmm;

import java.util.concurrent.locks.LockSupport;

/**
 * The host's monotonic clock. Callbacks run on one daemon thread, which starts with the first timer and ends with
 * {@link #close}.
 *
 * <p>That thread is woken only for a deadline earlier than the one it sleeps until. A timer that is disarmed leaves it
 * asleep; it then wakes once for nothing. So a timer that is mostly armed anew before it is due, as a watchdog is,
 * costs no system call and does not start another processor of the host.
 */
public final class HostClock implements VmClock, AutoCloseable {
    private final long startNs = System.nanoTime();
    private final long wallClockAtZeroNs = System.currentTimeMillis() * 1_000_000L;
    private final TimerQueue timers = new TimerQueue();
    private Thread thread;
    private volatile boolean closed;
    /**
     * What the thread sleeps until; while it is awake less than any deadline, since it looks at the deadlines again
     * before it sleeps.
     */
    private volatile long sleepsUntilNs = Long.MIN_VALUE;

    @Override
    public long nowNs() {
        return System.nanoTime() - startNs;
    }

    @Override
    public long wallClockAtZeroNs() {
        return wallClockAtZeroNs;
    }

    @Override
    public Timer newTimer(Runnable callback) {
        start();
        return timers.newTimer(callback, this::wakeIfEarlier);
    }

    private synchronized void start() {
        if (thread != null || closed) return;
        thread = Thread.ofPlatform().name("vm-timers").daemon().start(this::loop);
    }

    /**
     * The deadline is published before this reads what the thread sleeps until; the thread publishes that before it
     * reads the deadline: one of them sees the other.
     */
    private void wakeIfEarlier() {
        if (timers.nextDeadlineNs() < sleepsUntilNs) wake();
    }

    private void wake() {
        Thread t;
        synchronized (this) {
            t = thread;
        }
        if (t != null && t != Thread.currentThread()) LockSupport.unpark(t);
    }

    private void loop() {
        while (!closed) {
            timers.runDue(nowNs());
            long deadlineNs = timers.nextDeadlineNs();
            sleepsUntilNs = deadlineNs;
            if (!closed && timers.nextDeadlineNs() >= deadlineNs)
                LockSupport.parkNanos(this, deadlineNs - nowNs()); // returns at once when that is past
            sleepsUntilNs = Long.MIN_VALUE;
        }
    }

    /** No callback runs any more when this returns, except the one that calls it. */
    @Override
    public void close() {
        closed = true;
        wake();
        Thread t;
        synchronized (this) {
            t = thread;
        }
        if (t == null || t == Thread.currentThread()) return;
        boolean interrupted = false;
        while (t.isAlive()) {
            try {
                t.join();
            } catch (InterruptedException e) {
                interrupted = true; // callbacks do not block, so it is a matter of microseconds
            }
        }
        if (interrupted) Thread.currentThread().interrupt();
    }
}
