package org.nestorvm.bench.guests;

import java.io.IOException;
import org.nestorvm.paging.EntryFormat;
import org.nestorvm.vmm.CpuState;
import org.nestorvm.vmm.Engine;
import org.nestorvm.vmm.EngineOptions;
import org.nestorvm.vmm.Exit;
import org.nestorvm.vmm.GuestBus;
import org.nestorvm.vmm.HostClock;
import org.nestorvm.vmm.MemoryMap;
import org.nestorvm.vmm.MemoryRange;
import org.nestorvm.vmm.Vcpu;
import org.nestorvm.vmm.VirtualMachine;
import org.nestorvm.vmm.VmConfig;
import org.nestorvm.vmm.Vmm;

/** One run of a {@link GuestImage} on an engine, without a machine around it: a debug console, a debug exit, 64 MiB. */
public final class GuestRun {
    private static final long MULTIBOOT_BOOTED = 0x2badb002L;

    /**
     * @param output what the guest wrote to its debug console
     * @param nanoseconds from the first instruction to the exit
     * @param instructions -1 where the engine does not count
     */
    public record Result(String output, long nanoseconds, long instructions) {}

    private static final class Console implements GuestBus {
        private final StringBuilder output = new StringBuilder();
        private Vcpu vcpu;
        private boolean exited;

        @Override
        public int portRead(int port, int size) {
            return -1;
        }

        @Override
        public void portWrite(int port, int size, int value) {
            if (port == GuestImage.DEBUG_CONSOLE) output.append((char) value);
            if (port != GuestImage.DEBUG_EXIT) return;
            exited = true;
            vcpu.kick();
        }

        @Override
        public long mmioRead(long gpa, int size) {
            return -1;
        }

        @Override
        public void mmioWrite(long gpa, int size, long value) {}
    }

    private GuestRun() {}

    public static Result run(Engine engine, EntryFormat format, GuestImage image) throws IOException {
        MemoryMap map = MemoryMap.of(new MemoryRange(0, 64 << 20, MemoryRange.Type.RAM));
        try (HostClock clock = new HostClock();
                VirtualMachine vm = Vmm.processDefault()
                        .create(VmConfig.of("bench", map)
                                .withFormat(format)
                                .withEngine(engine, EngineOptions.bare(clock)))) {
            byte[] flat = image.flat();
            vm.memory().write(GuestImage.LOAD, flat, 0, flat.length);
            Vcpu vcpu = vm.vcpu(0);
            CpuState cpu = new CpuState();
            vcpu.readState(cpu);
            multiboot(cpu, image.entry());
            vcpu.writeState(cpu);
            Console console = new Console();
            console.vcpu = vcpu;
            long before = vcpu.engine().instructionCount(), start = System.nanoTime();
            Exit exit = vcpu.run(console);
            long nanoseconds = System.nanoTime() - start;
            if (!console.exited) throw new IOException("guest ended with " + exit + " after " + console.output);
            return new Result(
                    console.output.toString().strip(),
                    nanoseconds,
                    before < 0 ? -1 : vcpu.engine().instructionCount() - before);
        }
    }

    /** The machine state of the multiboot specification, version 0.6.96, section 3.2. */
    private static void multiboot(CpuState cpu, long entry) {
        cpu.cr0 = 0x11;
        cpu.gpr[CpuState.RAX] = MULTIBOOT_BOOTED;
        cpu.gpr[CpuState.RBX] = 0;
        cpu.rip = entry;
        cpu.rflags = 2;
        for (int s = CpuState.ES; s <= CpuState.GS; s++) {
            cpu.selector[s] = s == CpuState.CS ? 0x08 : 0x10;
            cpu.base[s] = 0;
            cpu.limit[s] = -1;
            cpu.access[s] = s == CpuState.CS ? 0xc09b : 0xc093;
        }
    }
}
