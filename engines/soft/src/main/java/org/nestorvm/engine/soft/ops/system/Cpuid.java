package org.nestorvm.engine.soft.ops.system;

import org.nestorvm.engine.soft.chip.LocalApic;
import org.nestorvm.engine.soft.isa.Reg;
import org.nestorvm.engine.soft.mmu.GuestWalk;
import org.nestorvm.engine.soft.state.Cpu;

/**
 * CPUID: what this processor has, and nothing else. x86-64-v2 with AES and PCLMULQDQ. It does not speculate, so that it
 * says of every published side channel that it is not affected: guests then leave their mitigations off.
 */
final class Cpuid {
    /** Family 6, model 6Ah, stepping 6. */
    private static final int SIGNATURE = 0x000606a6;

    private static final int FEATURES_EDX =
            bits(0, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12, 13, 14, 15, 16, 17, 19, 23, 24, 25, 26);
    /** SSE3 PCLMULQDQ SSSE3 CX16 PCID SSE4.1 SSE4.2 x2APIC MOVBE POPCNT TSC-deadline AES XSAVE RDRAND hypervisor. */
    private static final int FEATURES_ECX = bits(0, 1, 9, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 30, 31);

    private static final int APIC = 1 << 9, X2APIC = 1 << 21, OSXSAVE = 1 << 27, TSC_DEADLINE = 1 << 24;
    /** FSGSBASE TSC_ADJUST SMEP ERMS INVPCID RDSEED SMAP. */
    private static final int EXTENDED_EBX = bits(0, 1, 7, 9, 10, 18, 20);

    private static final int UMIP = 1 << 2, RDPID = 1 << 22;
    /** IBRS and IBPB, STIBP, IA32_ARCH_CAPABILITIES. */
    private static final int EXTENDED_EDX = bits(26, 27, 29);
    /** SYSCALL NX PDPE1GB RDTSCP LM. */
    private static final int AMD_EDX = bits(11, 20, 26, 27, 29);

    private static final String BRAND = "Nestor soft processor, x86-64-v2";

    private Cpuid() {}

    private static int bits(int... numbers) {
        int v = 0;
        for (int n : numbers) v |= 1 << n;
        return v;
    }

    private static int word(String s, int at) {
        int v = 0;
        for (int n = 0; n < 4 && at + n < s.length(); n++) v |= s.charAt(at + n) << 8 * n;
        return v;
    }

    private static void set(Cpu c, int eax, int ebx, int ecx, int edx) {
        c.r[Reg.RAX] = eax & 0xffffffffL;
        c.r[Reg.RBX] = ebx & 0xffffffffL;
        c.r[Reg.RCX] = ecx & 0xffffffffL;
        c.r[Reg.RDX] = edx & 0xffffffffL;
    }

    static void exec(Cpu c) {
        int leaf = (int) c.r[Reg.RAX], sub = (int) c.r[Reg.RCX];
        if (leaf >>> 16 == 0x8000) extended(c, leaf);
        else if (leaf >>> 16 == 0x4000) hypervisor(c, leaf);
        else basic(c, Integer.compareUnsigned(leaf, 0x16) > 0 ? 0x16 : leaf, sub);
    }

    private static void basic(Cpu c, int leaf, int sub) {
        int id = c.vcpu.index(), cpus = c.vcpu.cpuCount();
        boolean apic = c.apic != null && (c.apic.base() & LocalApic.BASE_ENABLE) != 0;
        switch (leaf) {
            case 0 -> set(c, 0x16, word("GenuineIntel", 0), word("GenuineIntel", 8), word("GenuineIntel", 4));
            case 1 ->
                set(
                        c,
                        SIGNATURE,
                        id << 24 | cpus << 16 | 8 << 8,
                        (c.apic == null ? FEATURES_ECX & ~(X2APIC | TSC_DEADLINE) : FEATURES_ECX)
                                | ((c.cr4 & Cpu.CR4_OSXSAVE) != 0 ? OSXSAVE : 0),
                        FEATURES_EDX & ~(apic ? 0 : APIC) | (cpus > 1 ? 1 << 28 : 0));
            case 2 -> set(c, 0x00feff01, 0xf0, 0, 0);
            case 4 -> cache(c, sub);
            case 6 -> set(c, 4, 0, 0, 0); // the local APIC timer never stops
            case 7 -> {
                if (sub == 0) set(c, 0, EXTENDED_EBX, UMIP | RDPID, EXTENDED_EDX);
                else set(c, 0, 0, 0, 0);
            }
            case 0xb -> topology(c, sub, id, cpus);
            case 0xd -> {
                if (sub == 0) set(c, 3, 576, 576, 0);
                else set(c, sub == 1 ? 1 : 0, 0, 0, 0);
            }
            case 0x15 -> set(c, 1, 1, 1_000_000_000, 0); // the TSC counts nanoseconds
            case 0x16 -> set(c, 1000, 1000, 100, 0);
            default -> set(c, 0, 0, 0, 0);
        }
    }

    /** 32 KiB of data and of instructions, 1 MiB behind them: what programs want to hear when they tile loops. */
    private static void cache(Cpu c, int sub) {
        switch (sub) {
            case 0 -> set(c, 0x121, 7 << 22 | 63, 63, 0);
            case 1 -> set(c, 0x122, 7 << 22 | 63, 63, 0);
            case 2 -> set(c, 0x143, 15 << 22 | 63, 1023, 0);
            default -> set(c, 0, 0, 0, 0);
        }
    }

    /** One thread a core, all cores in one package. */
    private static void topology(Cpu c, int sub, int id, int cpus) {
        int width = 32 - Integer.numberOfLeadingZeros(cpus - 1);
        switch (sub) {
            case 0 -> set(c, 0, 1, 1 << 8, id);
            case 1 -> set(c, width, cpus, 2 << 8 | 1, id);
            default -> set(c, 0, 0, sub & 0xff, id);
        }
    }

    private static void hypervisor(Cpu c, int leaf) {
        switch (leaf) {
            case 0x40000000 -> set(c, 0x40000001, word("KVMKVMKVM", 0), word("KVMKVMKVM", 4), word("KVMKVMKVM", 8));
            case 0x40000001 ->
                set(c, bits(0, 1, 3, 24), 0, 0, 0); // CLOCKSOURCE NOP_IO_DELAY CLOCKSOURCE2 CLOCKSOURCE_STABLE
            default -> set(c, 0, 0, 0, 0);
        }
    }

    private static void extended(Cpu c, int leaf) {
        switch (leaf & 0xffff) {
            case 0 -> set(c, 0x80000008, 0, 0, 0);
            case 1 -> set(c, 0, 0, 1, AMD_EDX);
            case 2, 3, 4 -> {
                int at = ((leaf & 0xffff) - 2) * 16;
                set(c, word(BRAND, at), word(BRAND, at + 4), word(BRAND, at + 8), word(BRAND, at + 12));
            }
            case 6 -> set(c, 0, 0, 1024 << 16 | 8 << 12 | 64, 0);
            case 7 -> set(c, 0, 0, 0, 1 << 8); // invariant TSC
            case 8 -> set(c, 48 << 8 | GuestWalk.MAXPHYADDR, 0, 0, 0);
            default -> set(c, 0, 0, 0, 0);
        }
    }
}
