package org.nestorvm.bench;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import org.nestorvm.paging.Access;
import org.nestorvm.paging.EntryFormat;
import org.nestorvm.paging.NestedPageTable;
import org.nestorvm.paging.NestedWalk;
import org.nestorvm.vmm.GuestMemory;
import org.nestorvm.vmm.MemoryMap;
import org.nestorvm.vmm.MemoryRange;
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
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;
import org.openjdk.jmh.annotations.Warmup;

/**
 * What devices and processors do for each access, over addresses in random order so that no branch can be learned by
 * heart. Targets: translate with 16 slots at most 5 ns, a walk of a resident page at most 25 ns, no allocation
 * ({@code -prof gc}).
 */
@State(Scope.Benchmark)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.NANOSECONDS)
@Fork(2)
@Warmup(iterations = 4, time = 500, timeUnit = TimeUnit.MILLISECONDS)
@Measurement(iterations = 8, time = 500, timeUnit = TimeUnit.MILLISECONDS)
public class MemoryCoreTranslate {
    private static final int ADDRESSES = 4096;
    private static final long SLOT = 4L << 20, STRIDE = 16L << 20;

    @Param({"1", "16"})
    public int slots;

    @Param({"EPT", "NPT"})
    public String format;

    private final long[] gpas = new long[ADDRESSES];
    private final NestedWalk walk = new NestedWalk();
    private VirtualMachine vm;
    private GuestMemory memory;
    private NestedPageTable table;

    @Setup
    public void create() throws IOException {
        List<MemoryRange> ranges = new ArrayList<>();
        for (int i = 0; i < slots; i++) ranges.add(new MemoryRange(STRIDE * i, SLOT, MemoryRange.Type.RAM));
        vm = new Vmm()
                .create(VmConfig.of("translated", new MemoryMap(ranges))
                        .withFormat(format.equals("EPT") ? EntryFormat.EPT : EntryFormat.NPT));
        memory = vm.memory();
        table = vm.nestedPageTable();
        Random random = new Random(1);
        for (int i = 0; i < ADDRESSES; i++) {
            gpas[i] = STRIDE * random.nextInt(slots) + random.nextLong(SLOT) & -8;
            walk.misconfigured = false;
            if (table.walk(gpas[i], Access.WRITE, walk) == -1)
                vm.nestedFaultHandler()
                        .handle(gpas[i], table.format().faultInfo(walk, Access.WRITE, true, true, false));
        }
    }

    @TearDown
    public void close() {
        vm.close();
    }

    @Benchmark
    @OperationsPerInvocation(ADDRESSES)
    public long translate() {
        long sum = 0;
        for (long gpa : gpas) sum += memory.translate(gpa);
        return sum;
    }

    @Benchmark
    @OperationsPerInvocation(ADDRESSES)
    public long translateLength() {
        long sum = 0;
        for (long gpa : gpas) sum += memory.translate(gpa, 8);
        return sum;
    }

    @Benchmark
    @OperationsPerInvocation(ADDRESSES)
    public long getLong() {
        long sum = 0;
        for (long gpa : gpas) sum += memory.getLong(gpa);
        return sum;
    }

    @Benchmark
    @OperationsPerInvocation(ADDRESSES)
    public long walkResident() {
        long sum = 0;
        for (long gpa : gpas) sum += table.walk(gpa, Access.READ, walk);
        return sum;
    }

    /** Each address depends on the result before, as a processor's walk of a guest table does. */
    @Benchmark
    @OperationsPerInvocation(ADDRESSES)
    public long walkResidentDependent() {
        long last = 0;
        for (long gpa : gpas) last = table.walk(gpa + (last & 7), Access.READ, walk);
        return last;
    }
}
