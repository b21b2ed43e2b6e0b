package org.nestorvm.engine.tests;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.nestorvm.asm.Mem.abs;
import static org.nestorvm.asm.Reg.*;

import org.nestorvm.asm.Asm;
import org.nestorvm.asm.Label;

/** What CPUID tells is there, and is. */
class IdentificationTest {
    private static final String XSETBV =
            "XSETBV does not leave the guest (QEMU 7.2), so that KVM does not know XCR0 and takes it back at "
                    + "the next entry";

    /** Registers EAX, EBX, ECX, EDX of a leaf. */
    static long[] cpuid(TestMachine vm, long leaf, long subleaf) {
        vm.start(vm.program().mov(EAX, leaf).mov(ECX, subleaf).cpuid().hlt());
        Expect.halt(vm);
        return new long[] {vm.get(EAX), vm.get(EBX), vm.get(ECX), vm.get(EDX)};
    }

    @EngineTest
    void leavesAreConsistent(TestMachine vm) {
        vm.longMode();
        assertTrue(cpuid(vm, 0, 0)[0] >= 0xd);
        assertTrue(cpuid(vm, 0x80000000L, 0)[0] >= 0x80000008L);
        long[] beyond = cpuid(vm, 0x80000008L, 0);
        int physical = (int) beyond[0] & 0xff, linear = (int) beyond[0] >> 8 & 0xff;
        assertTrue(physical >= 36 && physical <= 52, "physical bits " + physical);
        assertTrue(linear == 48 || linear == 57, "linear bits " + linear);
    }

    @EngineTest(apic = true, notOnPvm = "CMPXCHG16B is hidden, since its instruction emulator does not know it")
    void baselineOfVersion2IsThere(TestMachine vm) {
        vm.longMode();
        long[] one = cpuid(vm, 1, 0);
        long edx = 1 | 1 << 3 | 1 << 4 | 1 << 5 | 1 << 6 | 1 << 8 | 1 << 9 | 1 << 13 | 1 << 15 | 1 << 23 | 1 << 24
                | 1 << 25 | 1 << 26;
        assertEquals(edx, one[3] & edx, "FPU PSE TSC MSR PAE CX8 APIC PGE CMOV MMX FXSR SSE SSE2");
        long ecx = 1 | 1 << 9 | 1 << 13 | 1 << 19 | 1 << 20 | 1 << 23;
        assertEquals(ecx, one[2] & ecx, "SSE3 SSSE3 CX16 SSE4.1 SSE4.2 POPCNT");
        assertEquals(1L << 31, one[2] & 1L << 31, "a hypervisor is here");
        long[] extended = cpuid(vm, 0x80000001L, 0);
        long extendedEdx = 1 << 11 | 1 << 20 | 1 << 29;
        assertEquals(extendedEdx, extended[3] & extendedEdx, "SYSCALL NX LM");
        assertEquals(1, extended[2] & 1, "LAHF");
    }

    @EngineTest
    void osxsaveFollowsCr4(TestMachine vm) {
        vm.longMode();
        assertEquals(0, cpuid(vm, 1, 0)[2] & 1 << 27);
        if ((cpuid(vm, 1, 0)[2] & 1 << 26) == 0) return;
        vm.cpu.cr4 |= 1 << 18;
        vm.apply();
        assertEquals(1 << 27, cpuid(vm, 1, 0)[2] & 1 << 27);
    }

    @EngineTest
    void hypervisorLeavesSayKvm(TestMachine vm) {
        vm.longMode();
        long[] leaf = cpuid(vm, 0x40000000L, 0);
        assertEquals(0x4b4d564bL, leaf[1]);
        assertEquals(0x564b4d56L, leaf[2]);
        assertEquals(0x4dL, leaf[3]);
        assertTrue((cpuid(vm, 0x40000001L, 0)[0] & 1 << 3) != 0, "kvm-clock");
    }

    @EngineTest
    void timeStampCounterRuns(TestMachine vm) {
        vm.longMode();
        Asm a = vm.program().rdtsc().shl(RDX, 32).or(RAX, RDX).mov(RSI, RAX).mov(ECX, 10000);
        Label loop = a.here();
        vm.start(a.dec(ECX).jnz(loop).rdtsc().shl(RDX, 32).or(RAX, RDX).hlt());
        Expect.halt(vm);
        assertTrue(Long.compareUnsigned(vm.get(RAX), vm.get(RSI)) > 0);
    }

    @EngineTest(notOnPvm = "its instruction emulator does not know the instruction")
    void rdtscpTellsTheProcessor(TestMachine vm) {
        vm.longMode();
        vm.cpu.tscAux = 0x1234;
        vm.start(vm.program().rdtscp().hlt());
        Expect.halt(vm);
        Expect.reg(vm, ECX, 0x1234);
    }

    @EngineTest(only = "soft")
    void rdpidTellsTheProcessor(TestMachine vm) {
        vm.longMode();
        vm.cpu.tscAux = 0x12345678;
        vm.start(vm.program().mov(RAX, -1L).db(0xf3, 0x0f, 0xc7, 0xf8).hlt());
        Expect.halt(vm);
        Expect.reg(vm, RAX, 0x12345678);
    }

    @EngineTest(notOnPvm = "TSD is not in force for user code")
    void timeStampMayBeForbiddenToUsers(TestMachine vm) {
        vm.longMode();
        vm.cpu.cr4 |= 4;
        vm.userMode();
        vm.start(vm.program(Layout.USER_CODE).rdtsc());
        Expect.fault(vm, Expect.GP, 0, Layout.USER_CODE);
    }

    @EngineTest(notOnPvm = "its instruction emulator does not know the instruction")
    void randomNumbersDiffer(TestMachine vm) {
        vm.longMode();
        if ((cpuid(vm, 1, 0)[2] & 1 << 30) == 0) return;
        vm.start(vm.program().rdrand(RAX).setb(CL).rdrand(RBX).setb(CH).hlt());
        Expect.halt(vm);
        Expect.reg(vm, CX, 0x101);
        assertTrue(vm.get(RAX) != vm.get(RBX));
    }

    @EngineTest(notOnPvm = "its instruction emulator does not know the instruction", notOnTcg = XSETBV)
    void xsaveStoresWhatXcr0Says(TestMachine vm) {
        vm.longMode();
        if ((cpuid(vm, 1, 0)[2] & 1 << 26) == 0) return;
        vm.cpu.cr4 |= 1 << 18;
        vm.apply();
        Asm a = vm.program()
                .xor(ECX, ECX)
                .xor(EDX, EDX)
                .mov(EAX, 3)
                .xsetbv()
                .xgetbv()
                .mov(EBX, EAX)
                .pcmpeqd(XMM3, XMM3)
                .mov(EAX, -1)
                .mov(EDX, EAX)
                .xsave(abs(0x800000))
                .pxor(XMM3, XMM3)
                .xrstor(abs(0x800000));
        vm.start(a.movq(RSI, XMM3).mov(EAX, 2));
        vm.start(a.xor(EDX, EDX).xor(ECX, ECX).xsetbv().hlt());
        Expect.fault(vm, Expect.GP, 0, a.origin() + a.assemble().length - 4); // SSE without x87
        Expect.reg(vm, EBX, 3);
        assertEquals(2, vm.memory.getLong(0x800000 + 512) & 2, "XSTATE_BV");
        assertEquals(-1, vm.memory.getLong(0x800000 + 160 + 48), "XMM3 as saved");
        Expect.reg(vm, RSI, -1);
    }

    @EngineTest(notOnPvm = "its instruction emulator does not know the instruction", notOnTcg = XSETBV)
    void xcr0OutlivesAnExit(TestMachine vm) {
        vm.longMode();
        if ((cpuid(vm, 1, 0)[2] & 1 << 26) == 0) return;
        vm.cpu.cr4 |= 1 << 18;
        vm.apply();
        vm.start(vm.program()
                .xor(ECX, ECX)
                .xor(EDX, EDX)
                .mov(EAX, 3)
                .xsetbv()
                .out(0x19, AL)
                .xgetbv()
                .hlt());
        assertEquals(new Event.PortWrite(0x19, 1, 3), vm.run());
        Expect.halt(vm);
        Expect.reg(vm, EAX, 3);
        assertEquals(3, vm.cpu.xcr0);
    }

    @EngineTest
    void kvmClockPagesAreWritten(TestMachine vm) {
        vm.longMode();
        Asm a = vm.program()
                .mov(ECX, 0x4b564d01L)
                .mov(EAX, Layout.DATA | 1)
                .xor(EDX, EDX)
                .wrmsr()
                .mov(ECX, 0x4b564d00L)
                .mov(EAX, Layout.DATA + 0x100)
                .wrmsr();
        vm.start(a.nop().mov(EAX, abs(Layout.DATA)).hlt());
        Expect.halt(vm);
        int version = vm.memory.getInt(Layout.DATA), multiplier = vm.memory.getInt(Layout.DATA + 24);
        assertTrue(version != 0 && (version & 1) == 0, "version " + version);
        assertTrue(multiplier != 0);
        assertEquals(0, vm.memory.getInt(Layout.DATA + 0x100) & 1);
        assertTrue(
                vm.memory.getInt(Layout.DATA + 0x104) != 0 || vm.clock.wallClockAtZeroNs() < 1_000_000_000L,
                "seconds of the wall clock");
    }

    @EngineTest
    void kvmClockOutsideOfMemoryDoesNotEndTheMonitor(TestMachine vm) {
        vm.longMode();
        for (long gpa : new long[] {Layout.RAM_BYTES, Layout.MMIO, 0x7fff_ffff_f000L, Layout.RAM_BYTES - 16}) {
            vm.cpu.gpr[4] = Layout.STACK;
            Asm a = vm.program()
                    .mov(ECX, 0x4b564d01L)
                    .mov(EAX, gpa & 0xffffffffL | 1)
                    .mov(EDX, gpa >>> 32)
                    .wrmsr()
                    .mov(ECX, 0x4b564d00L)
                    .mov(EAX, gpa & 0xffffffffL)
                    .wrmsr()
                    .hlt();
            vm.start(a);
            Event e = vm.run();
            assertTrue(e instanceof Event.Halt || e instanceof Event.Fault, e.toString());
        }
    }
}
