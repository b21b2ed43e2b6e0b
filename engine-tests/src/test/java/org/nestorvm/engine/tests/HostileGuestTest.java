package org.nestorvm.engine.tests;

import java.util.SplittableRandom;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * Guests that do everything wrong: the monitor ends with an outcome of the guest's, not with an exception of its own, answers every stop request, and touches nothing but the guest's memory.
 *
 * <p>{@code -Dnestor.hostile.seconds=600} makes a long run of it (all tests together), {@code -Dnestor.hostile.seed=N} repeats one case: the seed that a failure names.
 */
class HostileGuestTest {
    private static final int TESTS = HostileMachine.Mode.values().length + 2;

    interface Case {
        void run(long seed) throws Exception;
    }

    /** Runs cases until this test's share of the time is used up. */
    static void cases(Case body) throws Exception {
        Long only = Long.getLong("nestor.hostile.seed");
        long end = System.nanoTime() + (long) (Double.parseDouble(System.getProperty("nestor.hostile.seconds", "15")) / TESTS * 1e9);
        SplittableRandom seeds = new SplittableRandom();
        int done = 0;
        do {
            long seed = only != null ? only : seeds.nextLong();
            try {
                body.run(seed);
            } catch (Throwable t) {
                throw new AssertionError("-Dnestor.hostile.seed=" + seed + " (case " + done + "): " + t, t);
            }
            done++;
        } while (System.nanoTime() < end);
    }

    @ParameterizedTest
    @EnumSource
    void nonsenseEndsWithTheGuest(HostileMachine.Mode mode) throws Exception {
        cases(seed -> {
            SplittableRandom random = new SplittableRandom(~seed);
            try (HostileMachine machine = new HostileMachine(seed, mode, 1, random.nextBoolean(), random.nextInt(3) == 0)) {
                new HostileRun(machine, true).run(60, () -> { });
            }
        });
    }
}
