package org.nestorvm.vmm;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Timers on the host's clock: none is lost, whenever it is armed. */
@Timeout(60)
final class HostClockTest {
    private static final long HOUR_NS = TimeUnit.HOURS.toNanos(1);

    private final HostClock clock = new HostClock();

    private VmClock.Timer sleepingOnAnHour() {
        VmClock.Timer hour = clock.newTimer(() -> {});
        hour.arm(clock.nowNs() + HOUR_NS);
        return hour;
    }

    @Test
    void anEarlierDeadlineWakesTheSleepingClock() throws Exception {
        sleepingOnAnHour();
        CountDownLatch rang = new CountDownLatch(1);
        clock.newTimer(rang::countDown).arm(clock.nowNs() + 1_000_000);
        assertTrue(rang.await(30, TimeUnit.SECONDS));
        clock.close();
    }

    @Test
    void aDisarmedTimerDoesNotRingAndOthersStillDo() throws Exception {
        CountDownLatch rang = new CountDownLatch(1);
        List<String> order = Collections.synchronizedList(new ArrayList<>());
        VmClock.Timer disarmed = clock.newTimer(() -> order.add("disarmed"));
        disarmed.arm(clock.nowNs() + HOUR_NS);
        disarmed.disarm();
        clock.newTimer(() -> order.add("first")).arm(clock.nowNs() + 1_000_000);
        clock.newTimer(rang::countDown).arm(clock.nowNs() + 2_000_000);
        assertTrue(rang.await(30, TimeUnit.SECONDS));
        assertThat(order).containsExactly("first");
        clock.close();
    }

    /**
     * The moment at which the clock goes to sleep is hit again and again: it has just called back, and finds an hour to
     * wait.
     */
    @Test
    void aTimerArmedWhileTheClockFallsAsleepIsNotLost() throws Exception {
        VmClock.Timer hour = sleepingOnAnHour();
        Semaphore rang = new Semaphore(0);
        VmClock.Timer timer = clock.newTimer(rang::release);
        for (int i = 0; i < 20_000; i++) {
            timer.arm(clock.nowNs());
            assertTrue(rang.tryAcquire(30, TimeUnit.SECONDS), "timer " + i + " was lost");
            if (i % 3 == 0) hour.arm(clock.nowNs() + HOUR_NS);
        }
        assertEquals(0, rang.availablePermits());
        clock.close();
    }

    @Test
    void closingWakesTheSleepingClock() {
        sleepingOnAnHour();
        clock.close();
        clock.close();
    }
}
