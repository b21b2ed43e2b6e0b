package org.nestorvm.engine.tests;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.nestorvm.asm.Reg.*;

import org.nestorvm.asm.Asm;
import org.nestorvm.asm.Label;
import org.nestorvm.vmm.CpuState;

/** SYSCALL, SYSRET, SYSENTER and SYSEXIT. */
class SystemCallsTest {
    private static final long KERNEL = 0x3000;

    private static void systemCallRegisters(TestMachine vm) {
        vm.cpu.star = (long) (Layout.USER_CS32 & ~3) << 48 | (long) Layout.KERNEL_CS << 32;
        vm.cpu.lstar = KERNEL;
        vm.cpu.cstar = KERNEL + 0x800;
        vm.cpu.sfmask = 0x200 | 0x1;
        vm.cpu.sysenterCs = Layout.KERNEL_CS;
        vm.cpu.sysenterEip = KERNEL;
        vm.cpu.sysenterEsp = Layout.STACK0;
    }

    @EngineTest(notOnPvm = "system calls of user code are its own affair")
    void syscallSavesRipAndFlagsAndMasksThem(TestMachine vm) {
        vm.longMode();
        systemCallRegisters(vm);
        vm.load(new Asm(KERNEL)
                .bits(64)
                .mov(EAX, CS)
                .mov(EBX, SS)
                .pushfq()
                .pop(RDX)
                .hlt());
        vm.userMode();
        vm.cpu.rflags |= 0x200;
        Asm a = vm.program(Layout.USER_CODE).mov(RSP, Layout.STACK).stc().syscall();
        Label behind = a.here();
        vm.start(a.hlt());
        Expect.halt(vm);
        Expect.reg(vm, AX, Layout.KERNEL_CS);
        Expect.reg(vm, BX, Layout.KERNEL_DS);
        Expect.reg(vm, RCX, behind.address());
        Expect.reg(vm, RSP, Layout.STACK);
        assertEquals(0x201, vm.get(R11) & 0x201);
        assertEquals(0, vm.get(RDX) & 0x201);
    }

    @EngineTest(notOnPvm = "user code runs with selectors and flags of its own")
    void sysretqGoesBackTo64BitCode(TestMachine vm) {
        vm.longMode();
        systemCallRegisters(vm);
        Asm user = new Asm(Layout.USER_CODE)
                .bits(64)
                .mov(EAX, CS)
                .mov(EBX, SS)
                .pushfq()
                .pop(RDX);
        Label end = user.here();
        vm.load(user.hlt());
        vm.start(vm.program()
                .mov(RSP, Layout.USER_STACK)
                .mov(RCX, Layout.USER_CODE)
                .mov(R11, 0x203)
                .sysretq());
        Frame frame = Expect.fault(vm, Expect.GP, 0, end);
        Expect.reg(vm, AX, Layout.USER_CS);
        Expect.reg(vm, BX, Layout.USER_DS);
        assertEquals(0x203, vm.get(RDX) & 0xffff);
        assertEquals(Layout.USER_CS, frame.cs);
    }

    @EngineTest(notOnPvm = "user code runs with selectors and flags of its own")
    void sysretdGoesBackToCompatibilityMode(TestMachine vm) {
        vm.longMode();
        systemCallRegisters(vm);
        Asm user = new Asm(Layout.USER_CODE).bits(32).db(0x40).mov(EBX, CS);
        Label end = user.here();
        vm.load(user.hlt());
        vm.start(vm.program()
                .mov(RSP, Layout.USER_STACK)
                .mov(EAX, 6)
                .mov(RCX, 0xffff_ffff_0000_0000L | Layout.USER_CODE)
                .mov(R11, 2)
                .sysretd());
        Expect.fault(vm, Expect.GP, 0, end);
        Expect.reg(vm, EAX, 7);
        Expect.reg(vm, BX, Layout.USER_CS32);
    }

    @EngineTest
    void syscallIsUndefinedUnlessEnabled(TestMachine vm) {
        vm.longMode();
        vm.cpu.efer &= ~1L;
        vm.start(vm.program().syscall().hlt());
        Expect.fault(vm, Expect.UD, Expect.NONE, Layout.CODE);
    }

    @EngineTest(
            notOnPvm = "system calls of user code are its own affair",
            notOnAmd = "the fault comes at the target, with the user's privilege")
    void sysretToANonCanonicalAddressFaultsInTheKernel(TestMachine vm) {
        vm.longMode();
        systemCallRegisters(vm);
        Asm a = vm.program().mov(RCX, 0x8000_0000_0000L).mov(R11, 2);
        Label sysret = a.here();
        vm.start(a.sysretq());
        Frame frame = Expect.fault(vm, Expect.GP, 0, sysret);
        assertEquals(Layout.KERNEL_CS, frame.cs);
    }

    @EngineTest
    void sysenterAndSysexitIn32BitMode(TestMachine vm) {
        vm.protectedMode();
        systemCallRegisters(vm);
        vm.cpu.sysenterCs = Layout.KERNEL_CS;
        vm.load(new Asm(KERNEL)
                .bits(32)
                .mov(EAX, CS)
                .mov(EBX, ESP)
                .mov(EDX, Layout.USER_CODE + 0x100)
                .mov(ECX, Layout.USER_STACK - 16)
                .sysexit());
        Asm back = new Asm(Layout.USER_CODE + 0x100).bits(32).mov(ESI, CS).mov(EDI, ESP);
        Label end = back.here();
        vm.load(back.hlt());
        vm.userMode();
        vm.start(vm.program(Layout.USER_CODE).sysenter());
        Frame frame = Expect.fault(vm, Expect.GP, 0, end);
        Expect.reg(vm, AX, Layout.KERNEL_CS);
        Expect.reg(vm, EBX, Layout.STACK0);
        Expect.reg(vm, SI, Layout.USER_CS32);
        Expect.reg(vm, EDI, Layout.USER_STACK - 16);
        assertEquals(Layout.USER_DS, frame.ss);
    }

    @EngineTest(
            notOnPvm = "system calls of user code are its own affair",
            notOnAmd = "SYSENTER is undefined in long mode")
    void sysenterAndSysexitIn64BitMode(TestMachine vm) {
        vm.longMode();
        systemCallRegisters(vm);
        vm.load(new Asm(KERNEL)
                .bits(64)
                .mov(EAX, CS)
                .mov(RBX, RSP)
                .mov(RDX, Layout.USER_CODE + 0x100)
                .mov(RCX, Layout.USER_STACK - 16)
                .sysexitq());
        Asm back = new Asm(Layout.USER_CODE + 0x100).bits(64).mov(ESI, CS).mov(RDI, RSP);
        Label end = back.here();
        vm.load(back.hlt());
        vm.userMode();
        vm.start(vm.program(Layout.USER_CODE).sysenter());
        Frame frame = Expect.fault(vm, Expect.GP, 0, end);
        Expect.reg(vm, AX, Layout.KERNEL_CS);
        Expect.reg(vm, RBX, Layout.STACK0);
        Expect.reg(vm, SI, Layout.USER_CS);
        Expect.reg(vm, RDI, Layout.USER_STACK - 16);
        assertEquals(Layout.USER_DS_AFTER_CS, frame.ss);
    }

    @EngineTest(
            notOnPvm = "its instruction emulator does not know the instruction",
            notOnAmd = "SYSENTER is undefined in long mode")
    void sysenterWithoutACodeSegment(TestMachine vm) {
        vm.longMode();
        vm.cpu.sysenterCs = 0;
        vm.start(vm.program().sysenter().hlt());
        Expect.fault(vm, Expect.GP, 0, Layout.CODE);
    }

    @EngineTest(notOnPvm = "system calls of user code are its own affair")
    void manySystemCalls(TestMachine vm) {
        vm.longMode();
        systemCallRegisters(vm);
        vm.load(new Asm(KERNEL).bits(64).inc(EBX).sysretq());
        vm.userMode();
        vm.set(RBX, 0);
        Asm a = vm.program(Layout.USER_CODE).mov(ESI, 1000);
        Label loop = a.here();
        a.syscall().dec(ESI).jnz(loop);
        Label end = a.here();
        vm.start(a.hlt());
        Expect.fault(vm, Expect.GP, 0, end);
        Expect.reg(vm, EBX, 1000);
        assertEquals(Layout.USER_CS, vm.frame().cs);
        assertEquals(0, vm.cpu.selector[CpuState.CS] & 3);
    }
}
