package org.nestorvm.engine.tests;

import static org.assertj.core.api.Assertions.assertThat;
import static org.nestorvm.asm.Reg.EAX;
import static org.nestorvm.asm.Reg.EBX;
import static org.nestorvm.asm.Reg.ECX;
import static org.nestorvm.asm.Reg.EDX;

import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import org.nestorvm.asm.Reg;
import org.nestorvm.vmm.CpuState;

/**
 * CPUID tells exactly what is there: an instruction of a feature that it shows is executed, one of a feature that it
 * does not show is undefined.
 */
class FeaturesTest {
    private static final long CR4_FSGSBASE = 1 << 16, CR4_PCIDE = 1 << 17, CR4_OSXSAVE = 1 << 18;

    /** @param code one instruction; memory operands are at RBX */
    private record Feature(String name, int leaf, int subleaf, Reg register, int bit, String code) {}

    private static final List<Feature> FEATURES = List.of(
            new Feature("SSE3 haddps", 1, 0, ECX, 0, "f20f7cc1"),
            new Feature("PCLMULQDQ", 1, 0, ECX, 1, "660f3a44c100"),
            new Feature("MONITOR", 1, 0, ECX, 3, "0f01c8"),
            new Feature("MWAIT", 1, 0, ECX, 3, "0f01c9"),
            new Feature("VMXON", 1, 0, ECX, 5, "f30fc733"),
            new Feature("GETSEC", 1, 0, ECX, 6, "0f37"),
            new Feature("SSSE3 pshufb", 1, 0, ECX, 9, "660f3800c1"),
            new Feature("FMA", 1, 0, ECX, 12, "c4e27198c2"),
            new Feature("CMPXCHG16B", 1, 0, ECX, 13, "480fc70b"),
            new Feature("SSE4.1 pminsb", 1, 0, ECX, 19, "660f3838c1"),
            new Feature("SSE4.2 crc32", 1, 0, ECX, 20, "f20f38f1c1"),
            new Feature("SSE4.2 pcmpistri", 1, 0, ECX, 20, "660f3a63c100"),
            new Feature("MOVBE", 1, 0, ECX, 22, "0f38f003"),
            new Feature("POPCNT", 1, 0, ECX, 23, "f30fb8c1"),
            new Feature("AES", 1, 0, ECX, 25, "660f38dcc1"),
            new Feature("XGETBV", 1, 0, ECX, 26, "0f01d0"),
            new Feature("XSAVE", 1, 0, ECX, 26, "0fae23"),
            new Feature("AVX vaddps", 1, 0, ECX, 28, "c5f058c2"),
            new Feature("F16C", 1, 0, ECX, 29, "c4e27913c1"),
            new Feature("RDRAND", 1, 0, ECX, 30, "0fc7f0"),
            new Feature("RDTSC", 1, 0, EDX, 4, "0f31"),
            new Feature("CMPXCHG8B", 1, 0, EDX, 8, "0fc70b"),
            new Feature("SYSENTER", 1, 0, EDX, 11, "0f34"),
            new Feature("CMOV", 1, 0, EDX, 15, "0f44c1"),
            new Feature("CLFLUSH", 1, 0, EDX, 19, "0fae3b"),
            new Feature("MMX", 1, 0, EDX, 23, "0ffcc1"),
            new Feature("FXSAVE", 1, 0, EDX, 24, "0fae03"),
            new Feature("SSE", 1, 0, EDX, 25, "0f58c1"),
            new Feature("SSE2", 1, 0, EDX, 26, "660f58c1"),
            new Feature("RDFSBASE", 7, 0, EBX, 0, "f30faec0"),
            new Feature("ENCLS", 7, 0, EBX, 2, "0f01cf"),
            new Feature("BMI1 andn", 7, 0, EBX, 3, "c4e270f2c2"),
            new Feature("AVX2 vpaddb", 7, 0, EBX, 5, "c5f5fcc2"),
            new Feature("BMI2 rorx", 7, 0, EBX, 8, "c4e37bf0c103"),
            new Feature("INVPCID", 7, 0, EBX, 10, "660f38820b"),
            new Feature("RTM xtest", 7, 0, EBX, 11, "0f01d6"),
            new Feature("RTM xbegin", 7, 0, EBX, 11, "c7f800000000"),
            new Feature("AVX-512 vaddps", 7, 0, EBX, 16, "62f1744858c2"),
            new Feature("RDSEED", 7, 0, EBX, 18, "0fc7f8"),
            new Feature("ADX adcx", 7, 0, EBX, 19, "660f38f6c1"),
            new Feature("ADX adox", 7, 0, EBX, 19, "f30f38f6c1"),
            new Feature("STAC", 7, 0, EBX, 20, "0f01cb"),
            new Feature("CLFLUSHOPT", 7, 0, EBX, 23, "660fae3b"),
            new Feature("CLWB", 7, 0, EBX, 24, "660fae33"),
            new Feature("SHA", 7, 0, EBX, 29, "0f38c8c1"),
            new Feature("RDPKRU", 7, 0, ECX, 4, "0f01ee"),
            new Feature("TPAUSE", 7, 0, ECX, 5, "660faef0"),
            new Feature("GFNI", 7, 0, ECX, 8, "660f38cfc1"),
            new Feature("RDPID", 7, 0, ECX, 22, "f30fc7f8"),
            new Feature("MOVDIRI", 7, 0, ECX, 27, "0f38f903"),
            new Feature("MOVDIR64B", 7, 0, ECX, 28, "660f38f803"),
            new Feature("ENQCMD", 7, 0, ECX, 29, "f20f38f803"),
            new Feature("SERIALIZE", 7, 0, EDX, 14, "0f01e8"),
            new Feature("XSAVEOPT", 0xd, 1, EAX, 0, "0fae33"),
            new Feature("XSAVEC", 0xd, 1, EAX, 1, "0fc723"),
            new Feature("XSAVES", 0xd, 1, EAX, 3, "0fc72b"),
            new Feature("XRSTORS", 0xd, 1, EAX, 3, "0fc71b"),
            new Feature("LAHF", 0x80000001, 0, ECX, 0, "9f"),
            new Feature("VMRUN", 0x80000001, 0, ECX, 2, "0f01d8"),
            new Feature("SSE4A extrq", 0x80000001, 0, ECX, 6, "660f78c00000"),
            new Feature("XOP", 0x80000001, 0, ECX, 11, "8fe9789bc1"),
            new Feature("FMA4", 0x80000001, 0, ECX, 16, "c4e37168c230"),
            new Feature("MONITORX", 0x80000001, 0, ECX, 29, "0f01fa"),
            new Feature("SYSCALL", 0x80000001, 0, EDX, 11, "0f05"),
            new Feature("RDTSCP", 0x80000001, 0, EDX, 27, "0f01f9"),
            new Feature("3DNow! pfadd", 0x80000001, 0, EDX, 31, "0f0fc19e"));

    private static boolean shown(TestMachine vm, Feature f) {
        vm.start(vm.program().mov(EAX, f.leaf).mov(ECX, f.subleaf).cpuid().hlt());
        Expect.halt(vm);
        return (vm.get(f.register) >>> f.bit & 1) != 0;
    }

    /** SYSCALL leads to a HLT. */
    private static void start(TestMachine vm) {
        vm.longMode();
        vm.cpu.cr4 |= CR4_FSGSBASE | CR4_PCIDE | CR4_OSXSAVE;
        vm.cpu.star = (long) Layout.KERNEL_CS << 32;
        vm.cpu.lstar = Layout.HANDLERS + 0xf0;
        vm.apply();
    }

    /** Other faults than #UD are the instruction's own affair. */
    private static boolean executed(TestMachine vm, Feature f) {
        byte[] code = HexFormat.of().parseHex(f.code);
        int[] bytes = new int[code.length + 1];
        for (int i = 0; i < code.length; i++) bytes[i] = code[i] & 0xff;
        bytes[code.length] = 0xf4;
        vm.cpu.gpr[CpuState.RAX] = vm.cpu.gpr[CpuState.RCX] = vm.cpu.gpr[CpuState.RDX] = 0;
        vm.cpu.gpr[CpuState.RBX] = Layout.DATA;
        vm.cpu.gpr[CpuState.RSP] = Layout.STACK;
        vm.code(Layout.CODE, bytes);
        return !(vm.run() instanceof Event.Fault fault && fault.vector() == Expect.UD);
    }

    @EngineTest(only = "soft", apic = true)
    void whatIsShownIsThereAndNothingElse(TestMachine vm) {
        List<String> wrong = new ArrayList<>();
        for (Feature f : FEATURES) {
            start(vm);
            boolean shown = shown(vm, f), executed = executed(vm, f);
            if (shown != executed)
                wrong.add(f.name + (shown ? " is shown and undefined" : " is not shown and executed"));
        }
        assertThat(wrong).isEmpty();
    }
}
