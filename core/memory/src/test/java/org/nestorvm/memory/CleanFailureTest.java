package org.nestorvm.memory;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.nestorvm.memory.sys.Errno;
import org.nestorvm.memory.sys.ErrnoException;
import org.nestorvm.memory.sys.FaultPoints;
import org.nestorvm.memory.sys.MemoryCalls;

/** Failure at every step, and thousands of rounds of success and failure: nothing is ever left. */
class CleanFailureTest {
    private static final int PAGE = MemoryCalls.PAGE_BYTES;
    private static final String NAME = "clean-failure";

    /** P4, P5: a failed create or map leaves address space, descriptors, objects and references exactly as before. */
    @Test
    void p4_p5_everyFailingStepOfCreateAndMapLeavesNothing() throws IOException {
        for (boolean seal : new boolean[] {false, true}) {
            Proc.Leftovers before = Proc.Leftovers.of(NAME);
            List<String> failed = new ArrayList<>();
            for (int step = 1; ; step++) {
                try (FaultPoints.Plan plan = FaultPoints.failAt(step, Errno.ENOMEM)) {
                    createAndMap(seal);
                    if (!plan.fired()) break;
                    throw new AssertionError(plan + " was swallowed");
                } catch (ErrnoException e) {
                    failed.add(e.call());
                    assertEquals(Errno.ENOMEM, e.errno());
                    assertThat(e).hasMessageContaining(NAME).hasMessageContaining("ENOMEM (12)");
                } catch (OutOfMemoryError e) {
                    failed.add(e.getMessage());
                }
                assertEquals(before, Proc.Leftovers.of(NAME), "after " + failed);
            }
            List<String> steps = List.of(
                    "injected: memory object",
                    "memfd_create",
                    "ftruncate",
                    "fcntl",
                    "injected: mapping",
                    "mmap",
                    "madvise",
                    "madvise");
            assertThat(failed).startsWith(steps.toArray(String[]::new));
            assertEquals(
                    steps.size() + (seal && org.nestorvm.memory.sys.Primitive.MSEAL.present() ? 1 : 0), failed.size());
        }
    }

    private static void createAndMap(boolean seal) throws IOException {
        MemoryObject object = MemoryObject.create(NAME, 4 * PAGE);
        try {
            AddressSpace.map(object, seal).unmap();
        } finally {
            object.release();
        }
    }

    /** P17: 10,000 rounds, in each of which the steps succeed, and one fails. */
    @Test
    void p17_tenThousandRoundsStayFlat() throws IOException {
        createAndMap(false);
        Proc.Leftovers before = Proc.Leftovers.of(NAME);
        int failures = 0;
        for (int round = 0; round < 10_000; round++) {
            createAndMap(false);
            try (FaultPoints.Plan _ = FaultPoints.failAt(1 + round % 8, Errno.ENOMEM)) {
                createAndMap(false);
            } catch (IOException | OutOfMemoryError expected) {
                failures++;
            }
            if (round % 1000 == 0) assertEquals(before, Proc.Leftovers.of(NAME), "after round " + round);
        }
        assertEquals(10_000, failures);
        assertEquals(before, Proc.Leftovers.of(NAME));
    }

    /**
     * P17 for pages: memory that was touched comes back each time. 2,000 rounds of 4 MiB would not fit if one in four
     * stayed behind unnoticed.
     */
    @Test
    void p17_touchedMemoryComesBack() throws IOException {
        long before = Proc.sharedMemoryOfThisProcess();
        for (int round = 0; round < 2000; round++) {
            MemoryObject object = MemoryObject.create(NAME, 4 << 20);
            Mapping mapping = AddressSpace.map(object, false);
            mapping.makeResident(round % 64 * (64 << 10), 64 << 10);
            mapping.unmap();
            object.release();
        }
        assertTrue(
                Proc.sharedMemoryOfThisProcess() <= before + (1 << 20),
                "resident shared memory grew from " + before + " to " + Proc.sharedMemoryOfThisProcess());
    }
}
