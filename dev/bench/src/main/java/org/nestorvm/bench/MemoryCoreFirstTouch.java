package org.nestorvm.bench;

import java.io.IOException;
import java.util.concurrent.TimeUnit;
import org.nestorvm.memory.AddressSpace;
import org.nestorvm.memory.Mapping;
import org.nestorvm.memory.MemoryObject;
import org.nestorvm.memory.sys.HostMemory;
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

/**
 * The first store to each 4 KiB page of 1 GiB: into a plain mapping of a memory file, and as a guest does it, by a walk
 * that fails, a fault that is answered and a walk that succeeds. Target: at most 1.25 times.
 */
@State(Scope.Thread)
@BenchmarkMode(Mode.SingleShotTime)
@OutputTimeUnit(TimeUnit.MILLISECONDS)
@Fork(2)
@Warmup(iterations = 4)
@Measurement(iterations = 8)
public class MemoryCoreFirstTouch {
    private static final long BYTES = 1L << 30, PAGE = 4096;

    private MemoryObject object;
    private Mapping mapping;
    private VirtualMachine vm;
    private final NestedWalk walk = new NestedWalk();

    @Setup(Level.Iteration)
    public void create() throws IOException {
        object = MemoryObject.create("plain", BYTES);
        mapping = AddressSpace.map(object, false);
        vm = new Vmm()
                .create(VmConfig.of("touched", MemoryMap.of(new MemoryRange(0, BYTES, MemoryRange.Type.RAM)))
                        .withFormat(EntryFormat.EPT));
    }

    @TearDown(Level.Iteration)
    public void close() throws IOException {
        vm.close();
        mapping.unmap();
        object.release();
    }

    @Benchmark
    public void plainMapping() {
        long base = mapping.hostAddress();
        for (long offset = 0; offset < BYTES; offset += PAGE) HostMemory.putLong(base + offset, offset);
    }

    @Benchmark
    public void nestedFaultPath() {
        NestedPageTable table = vm.nestedPageTable();
        NestedFaultHandler handler = vm.nestedFaultHandler();
        for (long gpa = 0; gpa < BYTES; gpa += PAGE) {
            long host;
            while ((host = table.walk(gpa, Access.WRITE, walk)) == -1) {
                int outcome = handler.handle(gpa, table.format().faultInfo(walk, Access.WRITE, true, true, false));
                if (outcome != NestedFaultHandler.RESIDENT) throw new IllegalStateException("outcome " + outcome);
            }
            HostMemory.putLong(host, gpa);
        }
    }
}
