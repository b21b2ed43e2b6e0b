package org.nestorvm.bench;

import java.io.IOException;
import java.util.concurrent.TimeUnit;
import org.nestorvm.memory.MemoryObject;
import org.nestorvm.memory.sys.HostMemory;
import org.nestorvm.memory.sys.MemoryCalls;
import org.nestorvm.paging.Access;
import org.nestorvm.paging.EntryFormat;
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
import org.openjdk.jmh.annotations.Level;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;
import org.openjdk.jmh.annotations.Warmup;
import org.openjdk.jmh.infra.BenchmarkParams;

/**
 * Close of a machine whose guest has touched all of 4 GiB, and unmap and close of a plain memory file of that size.
 * Target: at most 1.1 times.
 */
@State(Scope.Thread)
@BenchmarkMode(Mode.SingleShotTime)
@OutputTimeUnit(TimeUnit.MILLISECONDS)
@Fork(1)
@Warmup(iterations = 1)
@Measurement(iterations = 5)
public class MemoryCoreClose {
    private static final long BYTES = Long.getLong("bench.close.bytes", 4L << 30), PAGE = 4096;

    private MemoryObject object;
    private long address;
    private VirtualMachine vm;

    @Setup(Level.Iteration)
    public void fill(BenchmarkParams params) throws IOException {
        if (params.getBenchmark().endsWith("plainFile")) fillPlain();
        else fillMachine();
    }

    void fillPlain() throws IOException {
        object = MemoryObject.create("plain", BYTES);
        address = MemoryCalls.mmap(
                object,
                BYTES,
                MemoryCalls.PROT_READ | MemoryCalls.PROT_WRITE,
                MemoryCalls.MAP_SHARED,
                object.descriptor(),
                0);
        for (long offset = 0; offset < BYTES; offset += PAGE) HostMemory.putLong(address + offset, offset);
    }

    void fillMachine() throws IOException {
        vm = new Vmm()
                .create(VmConfig.of("closed", MemoryMap.of(new MemoryRange(0, BYTES, MemoryRange.Type.RAM)))
                        .withFormat(EntryFormat.EPT));
        NestedPageTable table = vm.nestedPageTable();
        NestedWalk walk = new NestedWalk();
        for (long gpa = 0; gpa < BYTES; gpa += PAGE) {
            table.walk(gpa, Access.WRITE, walk);
            int outcome = vm.nestedFaultHandler()
                    .handle(gpa, table.format().faultInfo(walk, Access.WRITE, true, true, false));
            if (outcome != NestedFaultHandler.RESIDENT) throw new IllegalStateException("outcome " + outcome);
        }
    }

    /** What the benchmark did not close, because it was the other one. */
    @TearDown(Level.Iteration)
    public void forget() {
        vm = null;
        object = null;
    }

    @Benchmark
    public void machine() {
        vm.close();
    }

    @Benchmark
    public void plainFile() throws IOException {
        MemoryCalls.munmap(object, address, BYTES);
        object.release();
    }
}
