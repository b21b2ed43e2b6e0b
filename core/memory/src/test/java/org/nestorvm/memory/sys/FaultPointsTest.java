package org.nestorvm.memory.sys;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import org.junit.jupiter.api.Test;

class FaultPointsTest {
    @Test
    void nthStepFailsOnceAndTheOthersSucceed() throws IOException {
        try (FaultPoints.Plan plan = FaultPoints.failAt(2, Errno.ENFILE)) {
            Descriptors.close(Events.eventfd("first", 0, 0));
            assertFalse(plan.fired());
            assertThatThrownBy(() -> Events.eventfd("second", 0, 0))
                    .hasMessage("eventfd of second: ENFILE (23), too many open files in the system");
            assertTrue(plan.fired());
            Descriptors.close(Events.eventfd("third", 0, 0));
            assertEquals(3, plan.reached());
            assertThat(plan).hasToString("step 2 (eventfd) failed with ENFILE");
        }
        Descriptors.close(Events.eventfd("after", 0, 0));
    }

    @Test
    void allocationFailsAsTheHeapWould() {
        try (FaultPoints.Plan _ = FaultPoints.failAt(1, Errno.ENOMEM)) {
            assertThrows(OutOfMemoryError.class, () -> FaultPoints.allocation("table page"));
        }
        FaultPoints.allocation("table page");
    }

    @Test
    void shortageLastsUntilItIsOver() {
        try (FaultPoints.Plan plan = FaultPoints.failAll("table page", Errno.ENOMEM)) {
            for (int i = 0; i < 3; i++)
                assertThrows(OutOfMemoryError.class, () -> FaultPoints.allocation("table page"));
            FaultPoints.allocation("something else");
            assertEquals(3, plan.reached());
        }
        FaultPoints.allocation("table page");
    }

    @Test
    void otherThreadsAreLeftAlone() throws Exception {
        try (FaultPoints.Plan plan = FaultPoints.failAt(1, Errno.ENOMEM)) {
            Thread other = Thread.ofPlatform().start(() -> FaultPoints.allocation("of another thread"));
            other.join();
            assertFalse(plan.fired());
        }
    }

    @Test
    void countingFailsNothing() throws IOException {
        try (FaultPoints.Plan plan = FaultPoints.count()) {
            Descriptors.close(Events.eventfd("counted", 0, 0));
            FaultPoints.allocation("counted");
            assertEquals(2, plan.reached());
            assertFalse(plan.fired());
        }
    }

    @Test
    void plansDoNotOverlap() {
        try (FaultPoints.Plan _ = FaultPoints.count()) {
            assertThatThrownBy(FaultPoints::count).isInstanceOf(IllegalStateException.class);
        }
        assertThatThrownBy(() -> FaultPoints.failAt(0, Errno.EIO)).isInstanceOf(IllegalArgumentException.class);
    }
}
