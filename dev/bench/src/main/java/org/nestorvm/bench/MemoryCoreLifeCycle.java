package org.nestorvm.bench;

import java.io.IOException;
import java.util.concurrent.TimeUnit;
import org.nestorvm.memory.AddressSpace;
import org.nestorvm.memory.Mapping;
import org.nestorvm.memory.MemoryObject;
import org.nestorvm.vmm.MemoryMap;
import org.nestorvm.vmm.VmConfig;
import org.nestorvm.vmm.Vmm;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.Warmup;

/**
 * Create and close of a 512 MiB machine with 5 ranges, and the host's own share of it: the same four memory files,
 * made, mapped and unmapped.
 */
@State(Scope.Thread)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MICROSECONDS)
@Fork(2)
@Warmup(iterations = 4, time = 1)
@Measurement(iterations = 8, time = 1)
public class MemoryCoreLifeCycle {
    private static final MemoryMap MAP = MemoryMap.pc(512L << 20, 4L << 20);
    private static final VmConfig CONFIG = VmConfig.of("bench", MAP);

    private final Vmm vmm = new Vmm();

    @Benchmark
    public int createClose() throws IOException {
        var vm = vmm.create(CONFIG);
        int id = vm.id();
        vm.close();
        return id;
    }

    @Benchmark
    public void plainFiles() throws IOException {
        MemoryObject[] objects = new MemoryObject[4];
        Mapping[] mappings = new Mapping[4];
        int count = 0;
        for (var range : MAP.ranges()) {
            if (!range.isMemory()) continue;
            objects[count] = MemoryObject.create("bench", range.sizeBytes());
            mappings[count] = AddressSpace.map(objects[count], false);
            count++;
        }
        for (int i = 0; i < count; i++) {
            mappings[i].unmap();
            objects[i].release();
        }
    }
}
