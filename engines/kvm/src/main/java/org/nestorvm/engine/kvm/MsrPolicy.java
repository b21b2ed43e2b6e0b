package org.nestorvm.engine.kvm;

import static org.nestorvm.engine.kvm.CStruct.offset;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.List;
import org.nestorvm.memory.sys.ErrnoException;
import org.nestorvm.memory.sys.HostMemory;

/**
 * Model-specific registers that a guest cannot reach although the host's KVM might let it: those of the features that
 * {@link org.nestorvm.vmm.CpuidPolicy} hides. RDMSR and WRMSR of them give #GP, as on a processor without the feature.
 */
final class MsrPolicy {
    private static final long RANGES = offset(KvmStructs.MSR_FILTER, "ranges");
    private static final long FLAGS = offset(KvmStructs.MSR_FILTER_RANGE, "flags"),
            COUNT = offset(KvmStructs.MSR_FILTER_RANGE, "nmsrs");
    private static final long BASE = offset(KvmStructs.MSR_FILTER_RANGE, "base"),
            BITMAP = offset(KvmStructs.MSR_FILTER_RANGE, "bitmap");

    record Range(int first, int count) {
        boolean contains(int index) {
            return Integer.compareUnsigned(index, first) >= 0 && Integer.compareUnsigned(index - first, count) < 0;
        }
    }

    /**
     * At most 16, the kernel's limit. Ranges are as wide as the manual's groups, SDM vol. 4 and APM vol. 2, appendix A.
     */
    static final List<Range> DENIED = List.of(
            new Range(0x08c, 4), // IA32_SGXLEPUBKEYHASH
            new Range(0x0c1, 8), // IA32_PMC
            new Range(0x186, 8), // IA32_PERFEVTSEL
            new Range(0x300, 0x46), // counters of the first SDM generation, fixed counters, IA32_PERF_CAPABILITIES
            new Range(0x38d, 4), // IA32_FIXED_CTR_CTRL and global control
            new Range(0x3f1, 7), // precise events
            new Range(0x480, 0x13), // IA32_VMX capabilities
            new Range(0x4c1, 8), // IA32_A_PMC
            new Range(0x500, 2), // IA32_SGX_SVN_STATUS
            new Range(0x560, 0x28), // processor trace
            new Range(0x600, 0x50), // debug store, power limits and energy
            new Range(0xc8d, 4), // cache allocation
            new Range(0x1200, 0x20), // architectural branch records
            new Range(0xc0010114, 0x1e), // VM_CR, VM_HSAVE_PA, VIRT_SPEC_CTRL, GHCB, SEV_STATUS
            new Range(0xc0010200, 0xc), // AMD performance counters
            new Range(0xc0000104, 1)); // TSC_RATIO

    private MsrPolicy() {}

    static boolean denies(int index) {
        return DENIED.stream().anyMatch(range -> range.contains(index));
    }

    /** Before the first processor runs. */
    static void install(KvmFile vm) throws ErrnoException {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment filter = arena.allocate(KvmStructs.MSR_FILTER); // flags 0: allow what no range names
            for (int i = 0; i < DENIED.size(); i++) {
                Range range = DENIED.get(i);
                long entry = filter.address() + RANGES + i * KvmStructs.MSR_FILTER_RANGE.byteSize();
                HostMemory.putInt(entry + FLAGS, Kvm.MSR_FILTER_READ | Kvm.MSR_FILTER_WRITE);
                HostMemory.putInt(entry + COUNT, range.count());
                HostMemory.putInt(entry + BASE, range.first());
                HostMemory.putLong(
                        entry + BITMAP,
                        arena.allocate((range.count() + 63) / 64 * 8L, 8).address()); // all zero: deny
            }
            vm.ioctl("KVM_X86_SET_MSR_FILTER", Kvm.X86_SET_MSR_FILTER, filter.address());
        }
    }
}
