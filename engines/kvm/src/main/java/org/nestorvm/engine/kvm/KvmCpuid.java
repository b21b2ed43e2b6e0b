package org.nestorvm.engine.kvm;

import static org.nestorvm.vmm.CpuidPolicy.EAX;
import static org.nestorvm.vmm.CpuidPolicy.EBX;
import static org.nestorvm.vmm.CpuidPolicy.ECX;
import static org.nestorvm.vmm.CpuidPolicy.EDX;

import java.util.ArrayList;
import java.util.List;
import org.nestorvm.vmm.CpuidPolicy;

/**
 * The CPUID leaves of one virtual processor: what KVM supports, filtered by the policy, with the machine's own
 * topology. Every virtual processor is a core of its own, in one package; its APIC id is its index.
 */
final class KvmCpuid {
    private static final int BASIC = 0x1,
            CACHES = 0x4,
            STATE_COMPONENTS = 0xd,
            TOPOLOGY = 0xb,
            AMD_SIZES = 0x80000008,
            AMD_CACHES = 0x8000001d,
            AMD_TOPOLOGY = 0x8000001e;
    private static final int ECX_CX16 = 1 << 13,
            ECX_X2APIC = 1 << 21,
            ECX_TSC_DEADLINE = 1 << 24,
            ECX_OSXSAVE = 1 << 27,
            ECX_HYPERVISOR = 1 << 31;
    private static final int EDX_APIC = 1 << 9, EDX_HTT = 1 << 28;
    /** The x87 and SSE area with the header behind it. */
    private static final int LEGACY_STATE_BYTES = 576;

    private static final int LEVEL_SMT = 1, LEVEL_CORE = 2;

    private final int vcpus;
    private final boolean localApic;
    private final boolean emulates;

    /**
     * @param emulates KVM has no hardware behind it and runs into its instruction emulator wherever the guest writes to
     *     a page that holds page tables. The emulator lacks CMPXCHG16B, and Linux's allocator uses it as soon as it is
     *     offered.
     */
    KvmCpuid(int vcpus, boolean localApic, boolean emulates) {
        this.vcpus = vcpus;
        this.localApic = localApic;
        this.emulates = emulates;
    }

    /**
     * Without the leaves that answer zero: so does KVM for one that is missing, and it searches the list a hundred
     * times. @param apicId 0 to {@code vcpus - 1}
     */
    List<CpuidEntry> forVcpu(List<CpuidEntry> supported, int apicId) {
        List<CpuidEntry> entries = new ArrayList<>(supported.size() + 2);
        for (CpuidEntry entry : supported) {
            CpuidEntry offered = topology(filter(entry), apicId);
            if (entry.function() != TOPOLOGY && !offered.isZero()) entries.add(offered);
        }
        if (supported.stream().anyMatch(e -> e.function() == TOPOLOGY)) addLevels(entries, apicId);
        entries.replaceAll(e -> e.function() == STATE_COMPONENTS && e.index() == 0
                ? e.with(e.eax(), e.ebx(), stateBytes(entries), e.edx())
                : e);
        return entries;
    }

    /**
     * The size of an XSAVE area with every user component that is offered: EBX is a component's place, EAX its size.
     * KVM computes the size of the enabled ones itself.
     */
    private static int stateBytes(List<CpuidEntry> entries) {
        int bytes = LEGACY_STATE_BYTES;
        for (CpuidEntry e : entries)
            if (e.function() == STATE_COMPONENTS && e.index() > 1) bytes = Math.max(bytes, e.ebx() + e.eax());
        return bytes;
    }

    private CpuidEntry filter(CpuidEntry e) {
        int ecx = CpuidPolicy.filter(e.function(), e.index(), ECX, e.ecx());
        if (e.function() == BASIC && emulates) ecx &= ~ECX_CX16;
        return e.with(
                CpuidPolicy.filter(e.function(), e.index(), EAX, e.eax()),
                CpuidPolicy.filter(e.function(), e.index(), EBX, e.ebx()),
                ecx,
                CpuidPolicy.filter(e.function(), e.index(), EDX, e.edx()));
    }

    private CpuidEntry topology(CpuidEntry e, int apicId) {
        return switch (e.function()) {
            case BASIC -> basic(e, apicId);
            case CACHES, AMD_CACHES -> e.with(cacheSharing(e), e.ebx(), e.ecx(), e.edx());
            case AMD_SIZES -> e.with(e.eax(), e.ebx(), vcpus - 1, e.edx());
            case AMD_TOPOLOGY -> e.with(apicId, apicId, 0, 0);
            default -> e;
        };
    }

    /** APIC id 31:24, logical processors 23:16; OSXSAVE is the kernel's to set, with CR4. */
    private CpuidEntry basic(CpuidEntry e, int apicId) {
        int ebx = e.ebx() & 0xffff | Math.min(vcpus, 255) << 16 | apicId << 24;
        int ecx = e.ecx() & ~ECX_OSXSAVE | ECX_HYPERVISOR;
        int edx = vcpus > 1 ? e.edx() | EDX_HTT : e.edx() & ~EDX_HTT;
        if (!localApic) {
            ecx &= ~(ECX_X2APIC | ECX_TSC_DEADLINE);
            edx &= ~EDX_APIC;
        }
        return e.with(e.eax(), ebx, ecx, edx);
    }

    /**
     * Leaf 4 EAX: level 7:5, sharers less one 25:14, cores in the package less one 31:26 (0 on AMD). The last level is
     * shared by all, the others by nobody.
     */
    private int cacheSharing(CpuidEntry e) {
        if ((e.eax() & 0x1f) == 0) return 0;
        int level = e.eax() >>> 5 & 7;
        int sharers = level >= 3 ? (1 << apicIdBits()) - 1 : 0;
        int cores = e.function() == CACHES ? Math.min(63, (1 << apicIdBits()) - 1) : 0;
        return e.eax() & 0x3fff | sharers << 14 | cores << 26;
    }

    private void addLevels(List<CpuidEntry> entries, int apicId) {
        entries.add(new CpuidEntry(TOPOLOGY, 0, true, 0, 1, LEVEL_SMT << 8, apicId));
        entries.add(new CpuidEntry(TOPOLOGY, 1, true, apicIdBits(), vcpus, LEVEL_CORE << 8 | 1, apicId));
        entries.add(new CpuidEntry(TOPOLOGY, 2, true, 0, 0, 2, apicId));
    }

    private int apicIdBits() {
        return 32 - Integer.numberOfLeadingZeros(vcpus - 1);
    }
}
