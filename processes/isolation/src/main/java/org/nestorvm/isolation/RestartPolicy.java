package org.nestorvm.isolation;

import java.util.concurrent.TimeUnit;
import org.nestorvm.virtio.RestartBudget;

/**
 * How often the process of a device is started again before the device fails: at most so many times within a time,
 * whatever it has done in between. Besides, one that fails again and again before it has done anything is given up
 * after some attempts ({@link org.nestorvm.vhost.Connector#pause}).
 */
public record RestartPolicy(int most, long withinMs) {
    public static final RestartPolicy USUAL = new RestartPolicy(30, 10_000);
    public static final RestartPolicy NEVER = new RestartPolicy(0, 1);

    RestartBudget budget() {
        return new RestartBudget(most, TimeUnit.MILLISECONDS.toNanos(withinMs));
    }
}
