package org.nestorvm.engine.kvm;

import java.io.IOException;
import java.util.List;
import org.nestorvm.memory.sys.Errno;
import org.nestorvm.memory.sys.ErrnoException;
import org.nestorvm.memory.sys.HostMemory;
import org.nestorvm.memory.sys.MemoryCalls;
import org.nestorvm.vmm.CpuState;
import org.nestorvm.vmm.EngineOptions;
import org.nestorvm.vmm.Exit;
import org.nestorvm.vmm.GuestBus;
import org.nestorvm.vmm.HostClock;

/** Whether this host's KVM really runs a guest: there are hosts where /dev/kvm opens and no processor starts. */
final class KvmProbe {
    private static final int CODE = 0x1000, PORT = 0x19, VALUE = 0x33;
    private static final long MEMORY_BYTES = 0x10000;
    private static final byte[] PROGRAM = {
        (byte) 0xb0, VALUE, // mov al, 0x33
        (byte) 0xe6, PORT, // out 0x19, al
        (byte) 0xf4, // hlt
    };

    private static final class Holder {
        static final String ANSWER = probe();
    }

    private KvmProbe() {}

    /** Null when it does. */
    static String unavailableBecause() {
        return Holder.ANSWER;
    }

    private static String probe() {
        try {
            return runProgram();
        } catch (ErrnoException e) {
            return explain(e);
        } catch (IOException | RuntimeException | LinkageError e) {
            return String.valueOf(e.getMessage());
        }
    }

    private static String explain(ErrnoException e) {
        return switch (e.errno()) {
            case Errno.ENOENT -> "/dev/kvm is missing: the kernel has no KVM, or the container does not pass it";
            case Errno.EACCES, Errno.EPERM -> "/dev/kvm may not be opened by this user: add it to the group kvm";
            default -> e.getMessage();
        };
    }

    private static String runProgram() throws IOException {
        String name = "KVM probe";
        long memory = MemoryCalls.mmap(
                name,
                MEMORY_BYTES,
                MemoryCalls.PROT_READ | MemoryCalls.PROT_WRITE,
                MemoryCalls.MAP_PRIVATE | MemoryCalls.MAP_ANONYMOUS,
                -1,
                0);
        try (HostClock clock = new HostClock();
                KvmVm vm = KvmVm.create(
                        name,
                        List.of(new KvmMemory.Slot(0, MEMORY_BYTES, memory, false)),
                        KvmSettings.of(EngineOptions.bare(clock), 1));
                KvmVcpu vcpu = vm.createVcpu(0)) {
            HostMemory.copyIn(PROGRAM, 0, memory + CODE, PROGRAM.length);
            vcpu.writeState(start());
            int[] seen = {-1};
            Exit exit = vcpu.run(recorder(seen));
            if (exit instanceof Exit.HaltForever && seen[0] == VALUE) return null;
            return "a guest of three instructions ended with " + exit
                    + (seen[0] == VALUE ? "" : " and without its output");
        } finally {
            MemoryCalls.tryMunmap(memory, MEMORY_BYTES);
        }
    }

    private static CpuState start() {
        CpuState state = new CpuState();
        state.selector[CpuState.CS] = 0;
        state.base[CpuState.CS] = 0;
        state.rip = CODE;
        return state;
    }

    private static GuestBus recorder(int[] seen) {
        return new GuestBus() {
            @Override
            public int portRead(int port, int size) {
                return -1;
            }

            @Override
            public void portWrite(int port, int size, int value) {
                if (port == PORT) seen[0] = value;
            }

            @Override
            public long mmioRead(long gpa, int size) {
                return -1;
            }

            @Override
            public void mmioWrite(long gpa, int size, long value) {}
        };
    }
}
