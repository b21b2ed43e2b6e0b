package org.nestorvm.vmm;

import java.util.HashMap;
import java.util.HashSet;
import java.util.Map;
import java.util.Set;

/**
 * Which processor features a guest is offered, whatever engine runs it. An engine shows a feature when it can provide
 * it <em>and</em> this table names it: so a guest sees the same kind of processor on both engines, and a feature that
 * brings state which nobody saves stays hidden. SDM vol. 2A, CPUID; APM vol. 3, appendix E;
 * Documentation/virt/kvm/x86/cpuid.rst for leaf 40000001h.
 *
 * <p>Left out on purpose: VMX, SVM, SMX and SGX (no nesting, no enclaves); performance counters, debug store, branch
 * records and processor trace (state of the host); MONITOR, thermal and power management; AMX (its state does not fit
 * the 4096 bytes of {@link CpuState#xsave}); SMM; asynchronous page faults (state that would have to be drained before
 * a machine can be saved).
 */
public final class CpuidPolicy {
    /** The four answers of CPUID, in the order of the table. */
    public static final int EAX = 0, EBX = 1, ECX = 2, EDX = 3;

    private static final String REGISTERS = "eax ebx ecx edx";
    /**
     * One line a register: leaf.subleaf, register, then bit:name; a line without bits is a register of which nothing is
     * shown. The names are those of Linux's /proc/cpuinfo where it has one.
     */
    private static final String OFFERED = """
            00000001.0 edx 0:fpu 1:vme 2:de 3:pse 4:tsc 5:msr 6:pae 7:mce 8:cx8 9:apic 11:sep 12:mtrr 13:pge 14:mca \
            15:cmov 16:pat 17:pse36 19:clflush 23:mmx 24:fxsr 25:sse 26:sse2 27:ss 28:ht
            00000001.0 ecx 0:sse3 1:pclmulqdq 9:ssse3 12:fma 13:cx16 17:pcid 19:sse4_1 20:sse4_2 21:x2apic 22:movbe \
            23:popcnt 24:tsc_deadline_timer 25:aes 26:xsave 27:osxsave 28:avx 29:f16c 30:rdrand 31:hypervisor
            00000006.0 eax 2:arat
            00000007.0 ebx 0:fsgsbase 1:tsc_adjust 3:bmi1 5:avx2 6:fdp_excptn_only 7:smep 8:bmi2 9:erms 10:invpcid \
            13:zero_fcs_fds 16:avx512f 17:avx512dq 18:rdseed 19:adx 20:smap 21:avx512ifma 23:clflushopt 24:clwb \
            28:avx512cd 29:sha_ni 30:avx512bw 31:avx512vl
            00000007.0 ecx 1:avx512vbmi 2:umip 3:pku 4:ospke 6:avx512_vbmi2 8:gfni 9:vaes 10:vpclmulqdq \
            11:avx512_vnni 12:avx512_bitalg 14:avx512_vpopcntdq 16:la57 22:rdpid 27:movdiri 28:movdir64b
            00000007.0 edx 4:fsrm 10:md_clear 14:serialize 26:spec_ctrl 27:intel_stibp 28:flush_l1d \
            29:arch_capabilities 31:spec_ctrl_ssbd
            00000007.1 eax 4:avx_vnni 5:avx512_bf16 10:fzrm 11:fsrs 12:fsrc
            0000000d.0 edx
            0000000d.0 eax 0:x87 1:sse 2:avx 5:opmask 6:zmm_hi256 7:hi16_zmm 9:pkru
            0000000d.1 eax 0:xsaveopt 1:xsavec 2:xgetbv1 3:xsaves
            0000000d.1 ecx
            0000000d.1 edx
            80000001.0 ecx 0:lahf_lm 4:cr8_legacy 5:abm 6:sse4a 7:misalignsse 8:3dnowprefetch 22:topoext
            80000001.0 edx 11:syscall 20:nx 22:mmxext 25:fxsr_opt 26:pdpe1gb 27:rdtscp 29:lm
            80000007.0 edx 8:constant_tsc
            80000008.0 ebx 0:clzero 2:xsaveerptr 9:wbnoinvd 12:ibpb 14:ibrs 15:stibp 24:ssbd 26:ssb_no
            80000021.0 eax 0:no_nested_data_bp 2:lfence_rdtsc 6:null_seg 8:autoibrs
            40000001.0 eax 0:clocksource 1:nop_io_delay 3:clocksource2 5:steal_time 6:pv_eoi 7:pv_unhalt \
            9:pv_tlb_flush 11:pv_send_ipi 12:poll_control 13:pv_sched_yield 24:clocksource_stable
            """;
    /**
     * Registers without feature bits, which a guest sees as they are: names, sizes, counts, and the topology, which
     * each engine makes itself. What neither table names answers zero: the leaves of power, monitor, performance,
     * resource and trace facilities, enclaves, AMX, SVM and memory encryption, Intel's 1Fh and AMD's 80000026h, which
     * would show the host's topology, and leaves that this program does not know.
     */
    private static final String PLAIN = """
            00000000 eax ebx ecx edx
            00000001 eax ebx
            00000002 eax ebx ecx edx
            00000004 eax ebx ecx edx
            0000000b eax ebx ecx edx
            0000000d eax ebx ecx edx
            00000015 eax ebx ecx edx
            00000016 eax ebx ecx edx
            40000000 eax ebx ecx edx
            80000000 eax ebx ecx edx
            80000001 eax ebx
            80000002 eax ebx ecx edx
            80000003 eax ebx ecx edx
            80000004 eax ebx ecx edx
            80000005 eax ebx ecx edx
            80000006 eax ebx ecx edx
            80000008 eax ecx
            80000019 eax ebx ecx edx
            8000001a eax ebx ecx edx
            8000001d eax ebx ecx edx
            8000001e eax ebx ecx edx
            """;

    private static final int STRUCTURED = 0x7, STATE_COMPONENTS = 0xd;

    private static final Map<Long, Integer> MASKS = new HashMap<>();
    private static final Map<String, Feature> FEATURES = new HashMap<>();
    /** Leaf and register, as in {@link #key} with subleaf 0. */
    private static final Set<Long> SHOWN_AS_IT_IS = new HashSet<>();

    static {
        OFFERED.lines().forEach(CpuidPolicy::readLine);
        for (String line : PLAIN.lines().toList()) {
            String[] words = line.split(" ");
            for (int i = 1; i < words.length; i++) {
                SHOWN_AS_IT_IS.add(key(Integer.parseUnsignedInt(words[0], 16), 0, REGISTERS.indexOf(words[i]) / 4));
            }
        }
    }

    /** Where CPUID shows a feature. */
    public record Feature(int leaf, int subleaf, int register, int bit) {}

    private CpuidPolicy() {}

    private static void readLine(String line) {
        String[] words = line.split(" +");
        int leaf = Integer.parseUnsignedInt(words[0].substring(0, 8), 16);
        int subleaf = Integer.parseInt(words[0].substring(9), 16);
        int register = REGISTERS.indexOf(words[1]) / 4;
        int mask = 0;
        for (int i = 2; i < words.length; i++) {
            int colon = words[i].indexOf(':');
            int bit = Integer.parseInt(words[i].substring(0, colon));
            mask |= 1 << bit;
            FEATURES.put(words[i].substring(colon + 1), new Feature(leaf, subleaf, register, bit));
        }
        MASKS.put(key(leaf, subleaf, register), mask);
    }

    private static long key(int leaf, int subleaf, int register) {
        return (long) leaf << 32 | (long) subleaf << 2 & 0xffffffffL | register;
    }

    /**
     * What of {@code provided} a guest may see.
     *
     * @param register {@link #EAX} to {@link #EDX}
     * @return the answer itself for registers that hold no features (sizes, names, counts)
     */
    public static int filter(int leaf, int subleaf, int register, int provided) {
        Integer mask = MASKS.get(key(leaf, subleaf, register));
        if (mask != null) return provided & mask;
        if (leaf == STRUCTURED) return subleaf == 0 && register == EAX ? provided : 0; // the number of subleaves
        if (leaf == STATE_COMPONENTS && subleaf > 1 && !offersComponent(subleaf)) return 0;
        return SHOWN_AS_IT_IS.contains(key(leaf, 0, register)) ? provided : 0;
    }

    /** Supervisor components (bits of IA32_XSS) are never offered. */
    private static boolean offersComponent(int number) {
        return number < 32 && (MASKS.get(key(STATE_COMPONENTS, 0, EAX)) >>> number & 1) != 0;
    }

    /** @return where the feature with this name shows, or null when it is not offered */
    public static Feature feature(String name) {
        return FEATURES.get(name);
    }
}
