package org.nestorvm.engine.tests;

import static org.assertj.core.api.Assertions.assertThat;
import static org.nestorvm.asm.Reg.EAX;
import static org.nestorvm.asm.Reg.EBX;
import static org.nestorvm.asm.Reg.ECX;
import static org.nestorvm.asm.Reg.EDX;

import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Set;
import java.util.stream.IntStream;
import org.nestorvm.asm.Reg;
import org.nestorvm.vmm.CpuidPolicy;

/**
 * CPUID and the model-specific registers tell the same: a register of a feature that CPUID shows can be read, one of a
 * feature that it does not show gives #GP; and CPUID shows nothing that the policy does not offer. SDM vol. 4, table
 * 2-2; APM vol. 2, appendix A; Documentation/virt/kvm/x86/cpuid.rst.
 */
class FeatureRegistersTest {
    private static final Set<Integer> WITH_SUBLEAVES = Set.of(0x4, 0x7, 0xb, 0xd, 0x1f, 0x8000001d, 0x80000026);
    private static final Reg[] REGISTERS = {EAX, EBX, ECX, EDX};

    /** Name, leaf.subleaf, register, bits any of which shows the feature, registers that can be read. */
    private static final String FEATURES = """
            sep                 00000001.0 edx 11       174 175 176
            mtrr                00000001.0 edx 12       fe 200 250 2ff
            mca                 00000001.0 edx 14       179 17a
            pat                 00000001.0 edx 16       277
            ds                  00000001.0 edx 21       600
            acpi                00000001.0 edx 22       19a 19b 19c
            vmx                 00000001.0 ecx 5        480 48b
            debug-interface     00000001.0 ecx 11       c80
            pdcm                00000001.0 ecx 15       345
            tsc-deadline        00000001.0 ecx 24       6e0
            hwp                 00000006.0 eax 7        770
            aperfmperf          00000006.0 ecx 0        e7 e8
            epb                 00000006.0 ecx 3        1b0
            tsc-adjust          00000007.0 ebx 1        3b
            sgx                 00000007.0 ebx 2        8c
            mpx                 00000007.0 ebx 14       d90
            rdt                 00000007.0 ebx 12,15    c8d c90
            processor-trace     00000007.0 ebx 25       560 570
            waitpkg             00000007.0 ecx 5        e1
            cet                 00000007.0 ecx 7        6a0 6a2
            pks                 00000007.0 ecx 31       6e1
            branch-records      00000007.0 edx 19       14ce 1200
            arch-capabilities   00000007.0 edx 29       10a
            core-capabilities   00000007.0 edx 30       cf
            perfmon             0000000a.0 eax 0,1,2    c1 186 309 38d 38f 4c1
            xfd                 0000000d.1 eax 4        1c4 1c5
            xsaves              0000000d.1 eax 3        da0
            svm                 80000001.0 ecx 2        c0010114 c0010117 c0000104
            osvw                80000001.0 ecx 9        c0010140
            ibs                 80000001.0 ecx 10       c0011030
            lwp                 80000001.0 ecx 15       c0000105
            perfctr-core        80000001.0 ecx 23       c0010200 c001020b
            rdtscp              80000001.0 edx 27       c0000103
            long-mode           80000001.0 edx 29       c0000082 c0000102
            virt-ssbd           80000008.0 ebx 25       c001011f
            sev                 8000001f.0 eax 1        c0010130 c0010131
            perfmon-v2          80000022.0 eax 0        c0000301
            kvm-clock-old       40000001.0 eax 0        11 12
            kvm-clock           40000001.0 eax 3        4b564d00 4b564d01
            kvm-async-pf        40000001.0 eax 4        4b564d02
            kvm-steal-time      40000001.0 eax 5        4b564d03
            kvm-pv-eoi          40000001.0 eax 6        4b564d04
            kvm-poll-control    40000001.0 eax 12       4b564d05
            kvm-async-pf-int    40000001.0 eax 14       4b564d06 4b564d07
            kvm-migration       40000001.0 eax 17       4b564d08
            """;

    private record Feature(String name, int leaf, int subleaf, int register, int mask, int[] msrs) {
        static Feature of(String line) {
            String[] words = line.split(" +");
            int mask = 0;
            for (String bit : words[3].split(",")) mask |= 1 << Integer.parseInt(bit);
            int[] msrs = new int[words.length - 4];
            for (int i = 0; i < msrs.length; i++) msrs[i] = HexFormat.fromHexDigits(words[i + 4]);
            return new Feature(
                    words[0],
                    HexFormat.fromHexDigits(words[1].substring(0, 8)),
                    Integer.parseInt(words[1].substring(9)),
                    List.of("eax", "ebx", "ecx", "edx").indexOf(words[2]),
                    mask,
                    msrs);
        }
    }

    private static int[] cpuid(TestMachine vm, int leaf, int subleaf) {
        vm.start(vm.program()
                .mov(EAX, leaf & 0xffffffffL)
                .mov(ECX, subleaf)
                .cpuid()
                .hlt());
        Expect.halt(vm);
        int[] answer = new int[4];
        for (int i = 0; i < 4; i++) answer[i] = (int) vm.get(REGISTERS[i]);
        return answer;
    }

    /** Beyond the highest leaf an Intel processor answers with another leaf. */
    private static boolean isShown(TestMachine vm, Feature f) {
        if (Integer.compareUnsigned(f.leaf, cpuid(vm, f.leaf & 0xc0000000, 0)[0]) > 0) return false;
        return (cpuid(vm, f.leaf, f.subleaf)[f.register] & f.mask) != 0;
    }

    private static boolean isReadable(TestMachine vm, int msr) {
        vm.longMode();
        vm.start(vm.program().mov(ECX, msr & 0xffffffffL).rdmsr().hlt());
        return switch (vm.run()) {
            case Event.Halt halt -> true;
            case Event.Fault fault when fault.vector() == Expect.GP -> false;
            case Event other -> throw new AssertionError("RDMSR of " + Integer.toHexString(msr) + ": " + other);
        };
    }

    @EngineTest(apic = true)
    void registersAreThereWithTheirFeatures(TestMachine vm) {
        List<String> wrong = new ArrayList<>();
        for (Feature f : FEATURES.lines().map(Feature::of).toList()) {
            vm.longMode();
            boolean shown = isShown(vm, f);
            for (int msr : f.msrs) {
                if (isReadable(vm, msr) == shown) continue;
                wrong.add(f.name
                        + (shown ? " is shown, and " : " is not shown, and ")
                        + Integer.toHexString(msr)
                        + (shown ? " gives #GP" : " can be read"));
            }
        }
        assertThat(wrong).isEmpty();
    }

    /** Bits that follow what the guest does (OSXSAVE, OSPKE) are in the policy's table too. */
    @EngineTest(apic = true)
    void cpuidShowsNothingThatThePolicyDoesNotOffer(TestMachine vm) {
        vm.longMode();
        List<String> wrong = new ArrayList<>();
        for (int first : new int[] {0, 0x40000000, 0x80000000}) {
            int last = cpuid(vm, first, 0)[0];
            IntStream.rangeClosed(first, last).forEach(leaf -> {
                for (int subleaf = 0; subleaf < (WITH_SUBLEAVES.contains(leaf) ? 20 : 1); subleaf++)
                    wrong.addAll(notOffered(leaf, subleaf, cpuid(vm, leaf, subleaf)));
            });
        }
        assertThat(wrong).isEmpty();
    }

    private static List<String> notOffered(int leaf, int subleaf, int[] answer) {
        List<String> wrong = new ArrayList<>();
        for (int register = 0; register < 4; register++) {
            int beyond = answer[register] & ~CpuidPolicy.filter(leaf, subleaf, register, answer[register]);
            if (beyond != 0)
                wrong.add(String.format("leaf %08x.%d %s %08x", leaf, subleaf, REGISTERS[register], beyond));
        }
        return wrong;
    }

    /**
     * One thread a core and all cores in one package, in each leaf that says it: 0Bh, Intel's 4 and 1Fh, AMD's
     * 80000008h, 8000001Eh and 80000026h.
     */
    @EngineTest(apic = true, vcpus = 3)
    void topologyIsTheMachines(TestMachine vm) {
        vm.longMode();
        int[] basic = cpuid(vm, 1, 0);
        assertThat(basic[1] >>> 16 & 0xff).as("logical processors").isEqualTo(3);
        if (Integer.compareUnsigned(cpuid(vm, 0, 0)[0], 0x1f) >= 0)
            assertThat(cpuid(vm, 0x1f, 0)).containsOnly(0);
        if (cpuid(vm, 0xb, 0)[1] != 0) {
            assertThat(cpuid(vm, 0xb, 0)).as("threads").startsWith(0, 1, 1 << 8);
            assertThat(cpuid(vm, 0xb, 1)).as("cores").startsWith(2, 3, 2 << 8 | 1);
        }
        if (Integer.compareUnsigned(cpuid(vm, 0x80000000, 0)[0], 0x80000026) >= 0)
            assertThat(cpuid(vm, 0x80000026, 0)).containsOnly(0);
        int cores = cpuid(vm, 0x80000008, 0)[2];
        assertThat(cores & 0xff).as("AMD's cores less one; 0 on Intel's").isIn(0, 2);
    }
}
