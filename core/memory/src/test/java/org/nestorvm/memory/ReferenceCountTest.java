package org.nestorvm.memory;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.nestorvm.memory.sys.HostMemory;
import org.nestorvm.memory.sys.MemoryCalls;

class ReferenceCountTest {
    private static final int PAGE = MemoryCalls.PAGE_BYTES;
    private static final long STRESS_NS = Long.getLong("nestor.stress.seconds", 2) * 1_000_000_000L;

    /**
     * P3: one thread makes objects and drops them, others map them meanwhile and unmap them again. A mapping that
     * succeeds is of the object that was asked for, even though descriptor numbers are reused all the time, and stays
     * usable until its own unmap.
     */
    @Test
    @Timeout(120)
    void p3_mappingWhileTheOwnerLetsGoIsSafe() throws Exception {
        Proc.Leftovers before = Proc.Leftovers.of("racing");
        AtomicReference<MemoryObject> published = new AtomicReference<>();
        AtomicLong mappedAlive = new AtomicLong(), cameTooLate = new AtomicLong(), serial = new AtomicLong();
        long deadline = System.nanoTime() + STRESS_NS;
        try (ExecutorService threads = Executors.newCachedThreadPool()) {
            List<Future<?>> all = new ArrayList<>();
            for (int i = 0; i < 2; i++)
                all.add(threads.submit(until(deadline, () -> own(published, serial.incrementAndGet()))));
            for (int i = 0; i < 3; i++)
                all.add(threads.submit(until(deadline, () -> {
                    MemoryObject object = published.get();
                    if (object != null) (share(object) ? mappedAlive : cameTooLate).incrementAndGet();
                    return null;
                })));
            for (Future<?> each : all) each.get();
        }
        assertTrue(
                mappedAlive.get() > 100 && cameTooLate.get() > 10,
                "the race must have happened both ways: mapped=" + mappedAlive + " late=" + cameTooLate);
        assertEquals(before, Proc.Leftovers.of("racing"));
    }

    private static Void own(AtomicReference<MemoryObject> published, long number) throws IOException {
        MemoryObject object = MemoryObject.create("racing" + number, PAGE);
        Mapping mapping = AddressSpace.map(object, false);
        HostMemory.putLong(mapping.hostAddress(), number);
        published.set(object);
        mapping.unmap();
        object.release();
        return null;
    }

    private static boolean share(MemoryObject object) throws IOException {
        Mapping mapping;
        try {
            mapping = AddressSpace.map(object, false);
        } catch (IllegalStateException tooLate) {
            return false;
        }
        assertEquals("racing" + HostMemory.getLong(mapping.hostAddress()), object.name(), "another object's memory");
        mapping.unmap();
        return true;
    }

    private static Callable<Void> until(long deadline, Callable<Void> body) {
        return () -> {
            while (System.nanoTime() < deadline) body.call();
            return null;
        };
    }

    /**
     * Unmapped from two threads at once, the reference is dropped once: a second drop would throw, or free the object
     * under the holder.
     */
    @Test
    void concurrentUnmapDropsOneReference() throws Exception {
        MemoryObject object = MemoryObject.create("unmap-race", PAGE);
        try (ExecutorService threads = Executors.newFixedThreadPool(2)) {
            for (int round = 0; round < 2000; round++) {
                Mapping mapping = AddressSpace.map(object, false);
                Callable<Void> unmap = () -> {
                    mapping.unmap();
                    return null;
                };
                for (Future<Void> done : threads.invokeAll(List.of(unmap, unmap))) done.get();
                assertEquals(1, object.referenceCount());
            }
        }
        object.release();
        assertFalse(Proc.memoryFiles("unmap-race").containsKey(object.descriptor()));
    }
}
