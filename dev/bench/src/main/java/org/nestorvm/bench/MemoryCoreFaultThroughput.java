package org.nestorvm.bench;

import java.io.IOException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.nestorvm.paging.Access;
import org.nestorvm.paging.NestedPageTable;
import org.nestorvm.paging.NestedWalk;
import org.nestorvm.vmm.MemoryMap;
import org.nestorvm.vmm.MemoryRange;
import org.nestorvm.vmm.NestedFaultHandler;
import org.nestorvm.vmm.VirtualMachine;
import org.nestorvm.vmm.VmConfig;
import org.nestorvm.vmm.Vmm;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OperationsPerInvocation;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;
import org.openjdk.jmh.annotations.Threads;
import org.openjdk.jmh.annotations.Warmup;

/**
 * Faults of one and of two threads on one machine, each thread in a stretch of memory of its own. {@code firstTouch}
 * gives the stretch back to the host before each round, so that the host makes a page for each fault; in
 * {@code resident} the pages are there and only the nested table is filled, which is what the monitor adds.
 */
@State(Scope.Benchmark)
@BenchmarkMode(Mode.Throughput)
@OutputTimeUnit(TimeUnit.SECONDS)
@Fork(2)
@Warmup(iterations = 3, time = 1)
@Measurement(iterations = 6, time = 1)
public class MemoryCoreFaultThroughput {
    private static final int PAGES = 4096;
    private static final long PAGE = 4096, STRETCH = PAGES * PAGE;

    private VirtualMachine vm;
    private final AtomicInteger next = new AtomicInteger();

    @Setup
    public void create() throws IOException {
        vm = new Vmm()
                .create(VmConfig.of("faulting", MemoryMap.of(new MemoryRange(0, 4 * STRETCH, MemoryRange.Type.RAM))));
    }

    @TearDown
    public void close() {
        vm.close();
    }

    /** A virtual CPU's thread. */
    @State(Scope.Thread)
    public static class Processor {
        private final NestedWalk walk = new NestedWalk();
        private long base;

        @Setup
        public void takeStretch(MemoryCoreFaultThroughput bench) {
            base = bench.next.getAndIncrement() % 4 * STRETCH;
        }

        long fill(VirtualMachine vm) {
            NestedPageTable table = vm.nestedPageTable();
            long sum = 0;
            for (long gpa = base; gpa < base + STRETCH; gpa += PAGE) {
                table.walk(gpa, Access.WRITE, walk);
                int outcome = vm.nestedFaultHandler()
                        .handle(gpa, table.format().faultInfo(walk, Access.WRITE, true, true, false));
                if (outcome != NestedFaultHandler.RESIDENT) throw new IllegalStateException("outcome " + outcome);
                sum += table.walk(gpa, Access.WRITE, walk);
            }
            return sum;
        }
    }

    private long firstTouch(Processor processor) throws IOException {
        vm.discard(processor.base, STRETCH);
        return processor.fill(vm);
    }

    private long resident(Processor processor) {
        vm.nestedPageTable().remove(processor.base, STRETCH);
        return processor.fill(vm);
    }

    @Benchmark
    @Threads(1)
    @OperationsPerInvocation(PAGES)
    public long firstTouchOneThread(Processor processor) throws IOException {
        return firstTouch(processor);
    }

    @Benchmark
    @Threads(2)
    @OperationsPerInvocation(PAGES)
    public long firstTouchTwoThreads(Processor processor) throws IOException {
        return firstTouch(processor);
    }

    @Benchmark
    @Threads(1)
    @OperationsPerInvocation(PAGES)
    public long residentOneThread(Processor processor) {
        return resident(processor);
    }

    @Benchmark
    @Threads(2)
    @OperationsPerInvocation(PAGES)
    public long residentTwoThreads(Processor processor) {
        return resident(processor);
    }
}
