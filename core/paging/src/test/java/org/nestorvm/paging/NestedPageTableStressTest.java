package org.nestorvm.paging;

import static org.assertj.core.api.Assertions.assertThat;
import static org.nestorvm.paging.Access.ALL;
import static org.nestorvm.paging.Access.READ;
import static org.nestorvm.paging.Access.WRITE;
import static org.nestorvm.paging.PageSize.SIZE_1G;
import static org.nestorvm.paging.PageSize.SIZE_2M;
import static org.nestorvm.paging.PageSize.SIZE_4K;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import java.util.concurrent.Callable;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.CyclicBarrier;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.AtomicLongArray;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/**
 * Several threads on one table. Every page's host address is a function of its guest-physical one, so that an entry
 * read from the wrong table, or from a table page in its next life, shows. Each timed test runs for
 * {@code -Dnestor.stress.seconds}, 2 by default.
 */
@Timeout(value = 120, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
class NestedPageTableStressTest {
    private static final long HOST = 0x7000_0000_0000L, K4 = 1 << 12, M2 = 1 << 21, G1 = 1 << 30;
    private static final long NANOS = TimeUnit.SECONDS.toNanos(Integer.getInteger("nestor.stress.seconds", 2));

    private final NestedPageTable table = new NestedPageTable(EntryFormat.EPT);
    private final ExecutorService threads = Executors.newCachedThreadPool();
    private final AtomicBoolean stop = new AtomicBoolean();

    @AfterEach
    void close() throws InterruptedException {
        stop.set(true);
        threads.shutdownNow();
        assertThat(threads.awaitTermination(20, TimeUnit.SECONDS)).isTrue();
        table.close();
    }

    private static void await(List<Future<?>> work) throws Exception {
        for (Future<?> future : work) future.get();
    }

    private List<Future<?>> start(int count, Callable<?> body) {
        List<Future<?>> work = new ArrayList<>();
        for (int i = 0; i < count; i++) work.add(threads.submit(body));
        return work;
    }

    @Test
    void faultsOfThreeThreadsAreAllEnteredOnce() throws Exception {
        long end = System.nanoTime() + NANOS;
        int rounds = 0;
        CyclicBarrier barrier = new CyclicBarrier(3);
        for (; System.nanoTime() < end; rounds++) {
            long base = (rounds & 15) * 131 * G1;
            await(start(3, () -> {
                NestedWalk walk = new NestedWalk();
                SplittableRandom random = new SplittableRandom();
                barrier.await();
                int from = random.nextInt(3) * 300;
                for (int i = from; i < from + 900; i++) {
                    long gpa = base + i * K4;
                    if (table.walk(gpa, WRITE, walk) == -1) table.enter(gpa, HOST + gpa, SIZE_4K, ALL);
                    assertThat(table.walk(gpa, WRITE, walk)).isEqualTo(HOST + gpa);
                }
                return null;
            }));
            TableDump dump = TableDump.of(table);
            assertThat(table.residentCount()).isEqualTo(dump.leaves.size()).isBetween(900L, 1500L);
            assertThat(table.tablePages()).isEqualTo(dump.tables);
            table.remove(base, 2000 * K4);
            assertThat(table.residentCount()).isZero();
            assertThat(table.tablePages()).isOne();
        }
        assertThat(rounds).isGreaterThan(10);
    }

    /** Region 0 is always mapped, in changing ways; the others come and go and make table pages change their place. */
    private void churn(SplittableRandom random) {
        long stable = random.nextInt(4) * M2, other = (1 + random.nextInt(6)) * G1 + random.nextInt(4) * M2;
        switch (random.nextInt(9)) {
            case 0 -> table.split(stable);
            case 1 -> table.merge(stable, SIZE_2M);
            case 2 -> table.enter(stable, HOST + stable, SIZE_2M, ALL);
            case 3 -> table.clearAccessed(stable, random.nextInt(1, 512) * K4, null);
            case 4 -> table.enter(other, HOST + other, SIZE_2M, ALL);
            case 5 -> table.enter(other & -G1, HOST + (other & -G1), SIZE_1G, ALL);
            case 6 -> table.remove(other & -G1, G1);
            case 7 -> table.remove(other, random.nextInt(1, 600) * K4);
            default -> {
                for (long gpa = other, to = other + random.nextInt(600) * K4; gpa < to; gpa += K4)
                    table.enter(gpa, HOST + gpa, SIZE_4K, ALL);
            }
        }
    }

    @Test
    void readersSeeOnlyWhatIsThereWhileAWriterChangesEverything() throws Exception {
        for (long gpa = 0; gpa < 4 * M2; gpa += M2) table.enter(gpa, HOST + gpa, SIZE_2M, ALL);
        AtomicLong found = new AtomicLong(), missing = new AtomicLong();
        List<Future<?>> readers = start(2, () -> {
            SplittableRandom random = new SplittableRandom();
            NestedWalk walk = new NestedWalk();
            long hits = 0, misses = 0;
            while (!stop.get()) {
                long stable = random.nextLong(4 * M2), other = random.nextLong(1, 7) * G1 + random.nextLong(8 * M2);
                int access = random.nextBoolean() ? READ : WRITE;
                assertThat(table.walk(stable, access, walk)).as("stable page").isEqualTo(HOST + stable);
                assertThat(table.extract(stable)).isEqualTo(HOST + stable);
                long host = random.nextBoolean() ? table.walk(other, access, walk) : table.extract(other);
                if (host == -1) misses++;
                else hits++;
                assertThat(host == -1 || host == HOST + other)
                        .as("0x%x for 0x%x", host, other)
                        .isTrue();
                assertThat(walk.misconfigured).isFalse();
            }
            found.addAndGet(hits);
            missing.addAndGet(misses);
            return null;
        });
        SplittableRandom random = new SplittableRandom(7);
        long changes = 0;
        for (long end = System.nanoTime() + NANOS; System.nanoTime() < end; changes++) churn(random);
        stop.set(true);
        await(readers);
        assertThat(found.get()).isGreaterThan(100);
        assertThat(missing.get()).isGreaterThan(100);
        assertThat(changes).isGreaterThan(100);
        TableDump dump = TableDump.of(table);
        assertThat(dump.tables).isEqualTo(table.tablePages());
        assertThat(table.residentCount())
                .isEqualTo(dump.leaves.values().stream()
                        .mapToLong(leaf -> 1L << 9 * (leaf.level() - 1))
                        .sum());
        dump.leaves.forEach(
                (gpa, leaf) -> assertThat(leaf.entry() & 0x000f_ffff_ffff_f000L).isEqualTo(HOST + gpa));
    }

    @Test
    void noDirtyBitIsLostBySplittingAndMerging() throws Exception {
        table.enter(0, HOST, SIZE_2M, ALL);
        AtomicLong reshaped = new AtomicLong();
        List<Future<?>> shaper = start(1, () -> {
            while (!stop.get()) {
                if (table.split(0)) reshaped.incrementAndGet();
                table.merge(0, SIZE_2M);
            }
            return null;
        });
        SplittableRandom random = new SplittableRandom(3);
        NestedWalk walk = new NestedWalk();
        long[] bitmap = new long[8];
        long rounds = 0;
        for (long end = System.nanoTime() + NANOS; System.nanoTime() < end; rounds++) {
            int first = random.nextInt(512), second = random.nextInt(512);
            table.walk(first * K4, WRITE, walk);
            table.walk(second * K4, WRITE, walk);
            Arrays.fill(bitmap, 0);
            assertThat(table.clearDirty(0, M2, bitmap)).isPositive();
            assertThat(bitmap[first >> 6] >>> first & 1)
                    .as("page " + first + " of round " + rounds)
                    .isOne();
            assertThat(bitmap[second >> 6] >>> second & 1)
                    .as("page " + second + " of round " + rounds)
                    .isOne();
        }
        stop.set(true);
        await(shaper);
        assertThat(rounds).isGreaterThan(100);
        assertThat(reshaped.get()).isGreaterThan(100);
    }

    @Test
    void listenerMayUseTheTableAndWaitForThreadsThatDo() throws Exception {
        for (int i = 0; i < 4; i++) table.enter(i * K4, HOST + i * K4, SIZE_4K, ALL);
        AtomicInteger told = new AtomicInteger();
        table.setInvalidationListener((gpa, size) -> {
            told.incrementAndGet();
            assertThat(table.extract(gpa)).isEqualTo(-1);
            Future<?> other = threads.submit(() -> {
                table.enter(9 * K4, HOST + 9 * K4, SIZE_4K, ALL);
                table.extract(9 * K4);
            });
            try {
                other.get(20, TimeUnit.SECONDS);
            } catch (Exception e) {
                throw new AssertionError("the other thread cannot use the table", e);
            }
        });
        table.remove(0, K4);
        assertThat(told.get()).isOne();
        assertThat(table.extract(9 * K4)).isEqualTo(HOST + 9 * K4);
        table.setInvalidationListener(null);
    }

    @Test
    void p8RemovalOfWhatAnotherThreadJustRemovedWaitsForTheInvalidationToo() throws Exception {
        table.enter(0, HOST, SIZE_4K, ALL);
        CountDownLatch telling = new CountDownLatch(1), release = new CountDownLatch(1);
        AtomicInteger told = new AtomicInteger();
        table.setInvalidationListener((gpa, size) -> {
            if (told.incrementAndGet() > 1) return;
            telling.countDown();
            try {
                release.await();
            } catch (InterruptedException e) {
                throw new AssertionError(e);
            }
        });
        List<Future<?>> first = start(1, () -> {
            table.remove(0, K4);
            return null;
        });
        telling.await();
        table.remove(0, K4); // nothing is there, but a processor may still hold it
        assertThat(told.get()).isEqualTo(2);
        release.countDown();
        await(first);
        table.remove(0, K4);
        assertThat(told.get()).isEqualTo(2);
    }

    @Test
    void residentCountIsExactBesideFaultsAndRemovals() throws Exception {
        List<Future<?>> faulters = start(2, () -> {
            SplittableRandom random = new SplittableRandom();
            while (!stop.get()) {
                long gpa = random.nextInt(2048) * K4;
                table.enter(gpa, HOST + gpa, SIZE_4K, ALL);
                assertThat(table.residentCount()).isBetween(0L, 2048L);
            }
            return null;
        });
        SplittableRandom random = new SplittableRandom(5);
        for (long end = System.nanoTime() + NANOS; System.nanoTime() < end; )
            table.remove(random.nextInt(1024) * K4, random.nextInt(1, 1024) * K4);
        stop.set(true);
        await(faulters);
        TableDump dump = TableDump.of(table);
        assertThat(table.residentCount()).isEqualTo(dump.leaves.size());
        assertThat(table.tablePages()).isEqualTo(dump.tables);
    }

    /**
     * Processors as the listener's contract wants them: each counts its walks, and the listener waits until the one
     * under way is over.
     */
    @Test
    void tablesMayBeClosedBesideProcessorsThatWalk() throws Exception {
        AtomicReference<NestedPageTable> current = new AtomicReference<>();
        AtomicLongArray walks = new AtomicLongArray(2);
        AtomicLong hits = new AtomicLong();
        AtomicInteger next = new AtomicInteger();
        List<Future<?>> processors = start(2, () -> {
            int me = next.getAndIncrement();
            SplittableRandom random = new SplittableRandom();
            NestedWalk walk = new NestedWalk();
            while (!stop.get()) {
                walks.incrementAndGet(me);
                NestedPageTable mine = current.get();
                if (mine != null && mine.walk(random.nextInt(4096) * K4, WRITE, walk) != -1) hits.incrementAndGet();
            }
            return null;
        });
        int rounds = 0;
        for (long end = System.nanoTime() + NANOS / 2; System.nanoTime() < end; rounds++) {
            NestedPageTable mortal = new NestedPageTable(EntryFormat.NPT);
            for (int i = 0; i < 4096; i++) mortal.enter(i * K4, HOST + i * K4, SIZE_4K, ALL);
            mortal.setInvalidationListener((gpa, size) -> {
                for (int i = 0; i < 2; i++) {
                    for (long seen = walks.get(i);
                            walks.get(i) == seen && !processors.get(i).isDone(); ) Thread.onSpinWait();
                }
            });
            current.set(mortal);
            for (long seen = hits.get(); hits.get() < seen + 100; ) Thread.onSpinWait();
            current.set(null);
            mortal.close();
            assertThat(mortal.tableBytes()).isZero();
        }
        stop.set(true);
        await(processors);
        assertThat(rounds).isGreaterThan(3);
    }
}
