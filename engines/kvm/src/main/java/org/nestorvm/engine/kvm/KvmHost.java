package org.nestorvm.engine.kvm;

import java.lang.foreign.Arena;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import org.nestorvm.memory.sys.ErrnoException;
import org.nestorvm.memory.sys.HostMemory;
import org.nestorvm.vmm.CpuidPolicy;

/**
 * What this host's KVM can do, asked once for a process: each question is a system call, and the list of CPUID leaves
 * alone costs as much as a machine.
 *
 * @param runBytes the size of a processor's mapping
 * @param cpuid every leaf KVM can give a guest on this processor
 * @param pmuSwitch performance counters can be switched off for a machine
 * @param enforcesParavirtual registers and calls of KVM's own can be bound to their CPUID bits
 * @param intel Intel's KVM, which may need an address for tables of its own
 * @param emulates this KVM has no virtualization hardware behind it (kvm_pvm), see {@link KvmCpuid}
 * @param msrs indices of the model-specific registers that have state worth saving
 */
record KvmHost(
        int runBytes,
        List<CpuidEntry> cpuid,
        Set<Integer> msrs,
        int maxVcpus,
        int memorySlots,
        boolean splitIrqchip,
        boolean memoryRegion2,
        boolean sregs2,
        boolean syncRegs,
        boolean msrFilter,
        int xsaveBytes,
        boolean coalescedMmio,
        int manualDirtyLog,
        int dirtyRingBytes,
        boolean pmuSwitch,
        boolean enforcesParavirtual,
        boolean intel,
        boolean emulates) {
    private static final Path INTEL = Path.of("/sys/module/kvm_intel"), PVM = Path.of("/sys/module/kvm_pvm");
    private static final int API_VERSION = 12;
    private static final int E2BIG = 7;
    /** Linux knows about a hundred leaves; the kernel takes no more than 256 entries. */
    private static final int MAX_CPUID_ENTRIES = 256;

    private static final class Holder {
        private static KvmHost instance;
    }

    /**
     * @throws ErrnoException when /dev/kvm cannot be opened or lacks what every guest needs; asked again the next time
     */
    static KvmHost get() throws ErrnoException {
        synchronized (Holder.class) {
            if (Holder.instance == null) {
                try (KvmFile kvm = KvmFile.open()) {
                    Holder.instance = read(kvm);
                }
            }
            return Holder.instance;
        }
    }

    private static KvmHost read(KvmFile kvm) throws ErrnoException {
        int version = kvm.ioctl("KVM_GET_API_VERSION", Kvm.GET_API_VERSION, 0);
        if (version != API_VERSION)
            throw new ErrnoException("KVM_GET_API_VERSION", kvm + " with version " + version, 95);
        int sync = kvm.extension(Kvm.CAP_SYNC_REGS);
        int maxVcpus = kvm.extension(Kvm.CAP_MAX_VCPUS);
        return new KvmHost(
                kvm.ioctl("KVM_GET_VCPU_MMAP_SIZE", Kvm.GET_VCPU_MMAP_SIZE, 0),
                readCpuid(kvm),
                readMsrList(kvm),
                maxVcpus != 0 ? maxVcpus : kvm.extension(Kvm.CAP_NR_VCPUS),
                kvm.extension(Kvm.CAP_NR_MEMSLOTS),
                kvm.extension(Kvm.CAP_SPLIT_IRQCHIP) != 0,
                kvm.extension(Kvm.CAP_USER_MEMORY2) != 0,
                kvm.extension(Kvm.CAP_SREGS2) != 0,
                (sync & (Kvm.SYNC_X86_REGS | Kvm.SYNC_X86_EVENTS)) == (Kvm.SYNC_X86_REGS | Kvm.SYNC_X86_EVENTS),
                kvm.extension(Kvm.CAP_X86_MSR_FILTER) != 0,
                Math.max(4096, kvm.extension(Kvm.CAP_XSAVE2)),
                kvm.extension(Kvm.CAP_COALESCED_MMIO) != 0,
                kvm.extension(Kvm.CAP_MANUAL_DIRTY_LOG_PROTECT2),
                kvm.extension(Kvm.CAP_DIRTY_LOG_RING),
                (kvm.extension(Kvm.CAP_PMU_CAPABILITY) & Kvm.PMU_CAP_DISABLE) != 0,
                kvm.extension(Kvm.CAP_ENFORCE_PV_FEATURE_CPUID) != 0,
                Files.isDirectory(INTEL),
                Files.isDirectory(PVM));
    }

    /**
     * The TSC deadline timer is a capability and not among the leaves, since it comes with the local APIC
     * (Documentation/virt/kvm/api.rst, KVM_GET_SUPPORTED_CPUID).
     */
    private static CpuidEntry withDeadlineTimer(KvmFile kvm, CpuidEntry entry) {
        CpuidPolicy.Feature timer = CpuidPolicy.feature("tsc_deadline_timer");
        if (entry.function() != timer.leaf() || kvm.extension(Kvm.CAP_TSC_DEADLINE_TIMER) == 0) return entry;
        return entry.with(entry.eax(), entry.ebx(), entry.ecx() | 1 << timer.bit(), entry.edx());
    }

    private static List<CpuidEntry> readCpuid(KvmFile kvm) throws ErrnoException {
        try (Arena arena = Arena.ofConfined()) {
            long table = arena.allocate(
                            KvmStructs.CPUID2.byteSize() + MAX_CPUID_ENTRIES * KvmStructs.CPUID_ENTRY2.byteSize(), 8)
                    .address();
            HostMemory.putInt(table, MAX_CPUID_ENTRIES);
            kvm.ioctl("KVM_GET_SUPPORTED_CPUID", Kvm.GET_SUPPORTED_CPUID, table);
            List<CpuidEntry> entries = new ArrayList<>();
            for (int i = 0; i < HostMemory.getInt(table); i++)
                entries.add(withDeadlineTimer(kvm, CpuidEntry.read(CpuidEntry.address(table, i))));
            return List.copyOf(entries);
        }
    }

    private static Set<Integer> readMsrList(KvmFile kvm) throws ErrnoException {
        try (Arena arena = Arena.ofConfined()) {
            long count = arena.allocate(KvmStructs.MSR_LIST.byteSize(), 4).address();
            int result = kvm.tryIoctl(Kvm.GET_MSR_INDEX_LIST, count); // with no room it tells how much it needs
            if (result != -E2BIG && result < 0)
                throw new ErrnoException("KVM_GET_MSR_INDEX_LIST", kvm.toString(), -result);
            int length = HostMemory.getInt(count);
            long list = arena.allocate(KvmStructs.MSR_LIST.byteSize() + 4L * length, 4)
                    .address();
            HostMemory.putInt(list, length);
            kvm.ioctl("KVM_GET_MSR_INDEX_LIST", Kvm.GET_MSR_INDEX_LIST, list);
            Set<Integer> indices = new TreeSet<>(Integer::compareUnsigned);
            for (int i = 0; i < HostMemory.getInt(list); i++)
                indices.add(HostMemory.getInt(list + KvmStructs.MSR_LIST.byteSize() + 4L * i));
            return java.util.Collections.unmodifiableSet(indices);
        }
    }
}
