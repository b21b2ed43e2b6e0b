package org.nestorvm.engine.tests;

import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Guests that do everything wrong: the monitor ends with an outcome of the guest's, not with an exception of its own,
 * answers every stop request, and touches nothing but the guest's memory.
 *
 * <p>{@code -Dnestor.hostile.seconds=600} makes a long run of it (all tests together), {@code -Dnestor.hostile.seed=N}
 * repeats one case: the seed that a failure names.
 */
class HostileGuestTest {
    private static final HostileMachine.Mode[] MODES = HostileMachine.Mode.values();
    private static final int TESTS = MODES.length + 4;

    interface Case {
        void run(long seed) throws Exception;
    }

    /** Runs cases until this test's share of the time is used up. */
    static void cases(Case body) throws Exception {
        Long only = Long.getLong("nestor.hostile.seed");
        long end = System.nanoTime()
                + (long) (Double.parseDouble(System.getProperty("nestor.hostile.seconds", "15")) / TESTS * 1e9);
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
            try (HostileMachine machine =
                    new HostileMachine(seed, mode, 1, random.nextBoolean(), random.nextInt(3) == 0)) {
                new HostileRun(machine, true).run(60, () -> {});
            }
        });
    }

    /**
     * Pages vanish, change and are logged while code runs in them, and messages arrive; also with two processors, which
     * share the decoded code.
     */
    @ParameterizedTest
    @ValueSource(ints = {1, 2})
    void hostTakesAndWritesMemoryMeanwhile(int vcpus) throws Exception {
        cases(seed -> {
            SplittableRandom random = new SplittableRandom(~seed), by = random.split();
            HostileMachine.Mode mode = MODES[random.nextInt(MODES.length)];
            try (HostileMachine machine = new HostileMachine(seed, mode, vcpus, true, false)) {
                new HostileRun(machine, random.nextBoolean()).run(150, () -> {
                    for (int i = 0; i < 20; i++) machine.disturb(by);
                });
            }
        });
    }

    /** A device may do in the middle of an instruction what others do beside it. */
    @Test
    void deviceTakesMemoryInTheMiddleOfAnInstruction() throws Exception {
        cases(seed -> {
            SplittableRandom random = new SplittableRandom(~seed), by = random.split();
            HostileMachine.Mode mode = MODES[random.nextInt(MODES.length)];
            try (HostileMachine machine = new HostileMachine(seed, mode, 2, true, false)) {
                machine.onDevice = () -> {
                    synchronized (by) {
                        if (by.nextInt(8) == 0) machine.disturb(by);
                    }
                };
                new HostileRun(machine, false).run(150, () -> {});
            }
        });
    }
}
