package org.nestorvm.vmm;

import java.util.concurrent.locks.LockSupport;

/** The host's monotonic clock. Callbacks run on one daemon thread, which starts with the first timer and ends with {@link #close}. */
public final class HostClock implements VmClock, AutoCloseable {
    private final long startNs = System.nanoTime();
    private final long wallClockAtZeroNs = System.currentTimeMillis() * 1_000_000L;
    private final TimerQueue timers = new TimerQueue();
    private Thread thread;
    private volatile boolean closed;

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
        return timers.newTimer(callback, this::wake);
    }

    private synchronized void start() {
        if (thread != null || closed) return;
        thread = Thread.ofPlatform().name("vm-timers").daemon().start(this::loop);
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
            long waitNs = timers.nextDeadlineNs() - nowNs();
            if (waitNs > 0) LockSupport.parkNanos(this, waitNs);
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
                interrupted = true;                     // callbacks do not block, so it is a matter of microseconds
            }
        }
        if (interrupted) Thread.currentThread().interrupt();
    }
}
