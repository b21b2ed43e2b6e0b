package org.nestorvm.paging;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

class EnterGateTest {
    @Test
    @Timeout(value = 60, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
    void nobodyIsInsideWhileItIsClosed() throws Exception {
        EnterGate gate = new EnterGate();
        AtomicInteger inside = new AtomicInteger();
        AtomicLong passed = new AtomicLong(), broken = new AtomicLong();
        int[] unguarded = new int[1]; // written only by those that closed the gate
        List<Future<?>> work = new ArrayList<>();
        try (ExecutorService threads = Executors.newCachedThreadPool()) {
            for (int t = 0; t < 3; t++) {
                work.add(threads.submit(() -> {
                    for (int i = 0; i < 100_000; i++) {
                        int stripe = gate.pass();
                        inside.incrementAndGet();
                        passed.incrementAndGet();
                        inside.decrementAndGet();
                        gate.leave(stripe);
                    }
                }));
            }
            for (int t = 0; t < 2; t++) {
                work.add(threads.submit(() -> {
                    for (int i = 0; i < 5_000; i++) {
                        gate.close();
                        if (inside.get() != 0) broken.incrementAndGet();
                        unguarded[0]++;
                        if (inside.get() != 0) broken.incrementAndGet();
                        gate.open();
                    }
                }));
            }
            for (Future<?> future : work) future.get();
        }
        assertThat(broken.get()).isZero();
        assertThat(unguarded[0]).isEqualTo(10_000);
        assertThat(passed.get()).isEqualTo(300_000);
    }

    @Test
    @Timeout(value = 60, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
    void manyMayBeInsideAndClosingWaitsForTheLast() throws Exception {
        EnterGate gate = new EnterGate();
        AtomicBoolean left = new AtomicBoolean();
        try (ExecutorService threads = Executors.newCachedThreadPool()) {
            int mine = gate.pass();
            threads.submit(() -> gate.leave(gate.pass())).get(); // would not return if one kept the other out
            Future<Boolean> closing = threads.submit(() -> {
                gate.close();
                boolean seen = left.get();
                gate.open();
                return seen;
            });
            while (!gate.isClosed()) Thread.onSpinWait();
            Future<?> late = threads.submit(() -> gate.leave(gate.pass()));
            left.set(true);
            gate.leave(mine);
            assertThat(closing.get()).isTrue();
            late.get();
        }
    }
}
