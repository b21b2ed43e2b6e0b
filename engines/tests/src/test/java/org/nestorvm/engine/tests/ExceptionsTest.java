package org.nestorvm.engine.tests;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.nestorvm.asm.Mem.abs;
import static org.nestorvm.asm.Mem.ptr;
import static org.nestorvm.asm.Reg.*;

import org.nestorvm.asm.Asm;
import org.nestorvm.asm.Label;

/**
 * Each exception with its vector, its error code, and the saved RIP: at the instruction for a fault, behind it for a
 * trap.
 */
class ExceptionsTest {
    private static final String SIXTEEN = "error codes in long mode count entries of 16 bytes as two";
    private static final long CR0_TS = 8, CR0_EM = 4, CR4_OSFXSR = 0x200, CR4_OSXMMEXCPT = 0x400, EFLAGS_AC = 1 << 18;

    @EngineTest
    void divideByZero(TestMachine vm) {
        vm.longMode();
        Asm a = vm.program().mov(EAX, 1).xor(EDX, EDX).xor(ECX, ECX);
        Label div = a.here();
        vm.start(a.div(ECX).hlt());
        Frame frame = Expect.fault(vm, Expect.DE, Expect.NONE, div);
        assertEquals(Layout.KERNEL_CS, frame.cs);
        assertEquals(Layout.STACK, frame.rsp);
        assertEquals(0, frame.rsp - vm.cpu.gpr[4] - 40);
    }

    @EngineTest
    void divideOverflows(TestMachine vm) {
        vm.longMode();
        Asm a = vm.program().mov(RAX, Long.MIN_VALUE).mov(RDX, -1).mov(RCX, -1);
        Label div = a.here();
        vm.start(a.idiv(RCX).hlt());
        Expect.fault(vm, Expect.DE, Expect.NONE, div);
        Expect.reg(vm, RAX, Long.MIN_VALUE);
    }

    @EngineTest(notOnPvm = "its instruction emulator does not know the instruction")
    void breakpointIsATrap(TestMachine vm) {
        vm.longMode();
        Asm a = vm.program().int3();
        Label behind = a.here();
        vm.start(a.hlt());
        Expect.fault(vm, Expect.BP, Expect.NONE, behind);
    }

    @EngineTest(notOnPvm = "its instruction emulator does not know the instruction")
    void intoTrapsOnOverflowOnly(TestMachine vm) {
        vm.protectedMode();
        Asm a = vm.program().xor(EAX, EAX).into().mov(AL, 0x7f).inc(AL).into();
        Label behind = a.here();
        vm.start(a.hlt());
        Expect.fault(vm, Expect.OF, Expect.NONE, behind);
    }

    @EngineTest(notOnPvm = "its instruction emulator does not know the instruction")
    void boundFaultsOutsideOfItsRange(TestMachine vm) {
        vm.protectedMode();
        vm.memory.putInt(Layout.DATA, -5);
        vm.memory.putInt(Layout.DATA + 4, 10);
        Asm a = vm.program()
                .mov(EAX, 10)
                .bound(EAX, abs(Layout.DATA))
                .mov(EAX, -5)
                .bound(EAX, abs(Layout.DATA))
                .mov(EAX, 11);
        Label bound = a.here();
        vm.start(a.bound(EAX, abs(Layout.DATA)).hlt());
        Expect.fault(vm, Expect.BR, Expect.NONE, bound);
    }

    @EngineTest
    void undefinedOpcode(TestMachine vm) {
        vm.longMode();
        vm.start(vm.program().ud2().hlt());
        Expect.fault(vm, Expect.UD, Expect.NONE, Layout.CODE);
    }

    @EngineTest(notOnPvm = "its instruction emulator does not know the instruction")
    void opcodesOf32BitCodeAreUndefinedIn64BitMode(TestMachine vm) {
        vm.longMode();
        for (int opcode : new int[] {
            0x06, 0x0e, 0x16, 0x1e, 0x27, 0x2f, 0x37, 0x3f, 0x60, 0x61, 0x62, 0x82, 0x9a, 0xc4, 0xce, 0xd4, 0xd5, 0xd6,
            0xea
        }) {
            vm.cpu.gpr[4] = Layout.STACK;
            vm.code(Layout.CODE, opcode, 0, 0, 0, 0, 0, 0);
            Expect.fault(vm, Expect.UD, Expect.NONE, Layout.CODE);
        }
    }

    @EngineTest
    void lockOnARegisterIsUndefined(TestMachine vm) {
        vm.longMode();
        vm.start(vm.program().lock().add(EAX, EBX).hlt());
        Expect.fault(vm, Expect.UD, Expect.NONE, Layout.CODE);
    }

    @EngineTest(notOnPvm = "its instruction emulator does not know the instruction")
    void fpuIsNotAvailableWhileTaskSwitchedIsSet(TestMachine vm) {
        vm.longMode();
        vm.cpu.cr0 |= CR0_TS;
        vm.start(vm.program().fld1().hlt());
        Expect.fault(vm, Expect.NM, Expect.NONE, Layout.CODE);
        vm.start(vm.program().clts().fld1().hlt());
        Expect.halt(vm);
    }

    @EngineTest(notOnPvm = "its instruction emulator does not know the instruction")
    void sseNeedsOsfxsrAndNoEmulation(TestMachine vm) {
        vm.longMode();
        vm.cpu.cr4 &= ~CR4_OSFXSR;
        vm.start(vm.program().addps(XMM0, XMM1).hlt());
        Expect.fault(vm, Expect.UD, Expect.NONE, Layout.CODE);
        vm.cpu.cr4 |= CR4_OSFXSR;
        vm.cpu.cr0 = vm.cpu.cr0 & ~2 | CR0_EM;
        vm.start(vm.program().addps(XMM0, XMM1).hlt());
        Expect.fault(vm, Expect.UD, Expect.NONE, Layout.CODE);
        vm.start(vm.program().fld1().hlt());
        Expect.fault(vm, Expect.NM, Expect.NONE, Layout.CODE);
    }

    @EngineTest
    void faultDuringDeliveryIsADoubleFault(TestMachine vm) {
        vm.longMode();
        vm.descriptors.idt64(
                Expect.UD, Layout.KERNEL_CS, Layout.HANDLERS, Descriptors.INTERRUPT_GATE64 & ~Descriptors.PRESENT, 0);
        vm.descriptors.idt64(
                Expect.NP, Layout.KERNEL_CS, Layout.HANDLERS, Descriptors.INTERRUPT_GATE64 & ~Descriptors.PRESENT, 0);
        vm.start(vm.program().ud2().hlt());
        Expect.fault(vm, Expect.DF, 0, Layout.CODE);
    }

    @EngineTest(notOnPvm = "its instruction emulator raises another exception", notOnTcg = SIXTEEN)
    void notPresentGateIsAFaultOfItsOwn(TestMachine vm) {
        vm.longMode();
        vm.descriptors.idt64(
                Expect.UD, Layout.KERNEL_CS, Layout.HANDLERS, Descriptors.INTERRUPT_GATE64 & ~Descriptors.PRESENT, 0);
        vm.start(vm.program().ud2().hlt());
        Expect.fault(
                vm,
                Expect.NP,
                Expect.UD << 3 | 3,
                Layout.CODE); // #UD is benign, so no double fault; the IDT bit, and EXT: met while delivering an
        // exception
    }

    @EngineTest
    void doubleFaultUsesItsOwnStackWhenTheOldOneIsBad(TestMachine vm) {
        vm.longMode();
        vm.descriptors.idt64(Expect.DF, Layout.KERNEL_CS, Layout.HANDLERS + Expect.DF, Descriptors.INTERRUPT_GATE64, 1);
        vm.set(RSP, 0x40000000L); // not mapped
        vm.start(vm.program().ud2().hlt());
        Expect.fault(vm, Expect.DF, 0, Layout.CODE);
        assertEquals(Layout.STACK_IST - 48, vm.cpu.gpr[4]);
    }

    @EngineTest
    void tripleFaultShutsDown(TestMachine vm) {
        vm.longMode();
        vm.cpu.idtrLimit = 0;
        vm.start(vm.program().ud2().hlt());
        assertEquals(new Event.Shutdown(), vm.run());
    }

    @EngineTest(notOnPvm = "its instruction emulator raises another exception")
    void tripleFaultShutsDownInRealMode(TestMachine vm) {
        vm.realMode();
        vm.cpu.idtrLimit = 3;
        vm.start(vm.program().interrupt(0x20).hlt());
        assertEquals(new Event.Shutdown(), vm.run());
    }

    @EngineTest(notOnPvm = "its instruction emulator does not know the instruction", notOnTcg = SIXTEEN)
    void softwareInterruptBeyondTheTable(TestMachine vm) {
        vm.longMode();
        vm.cpu.idtrLimit = 16 * 32 - 1;
        vm.start(vm.program().interrupt(0x80).hlt());
        Expect.fault(vm, Expect.GP, 0x80 << 3 | 2, Layout.CODE);
    }

    @EngineTest(notOnPvm = "its instruction emulator does not know the instruction", notOnTcg = SIXTEEN)
    void softwareInterruptThroughAGateOfPrivilegeLevel0(TestMachine vm) {
        vm.longMode();
        vm.userMode();
        vm.start(vm.program(Layout.USER_CODE).interrupt(0x80).hlt());
        Expect.fault(vm, Expect.GP, 0x80 << 3 | 2, Layout.USER_CODE);
        assertEquals(Layout.STACK0 - 48, vm.cpu.gpr[4]);
    }

    @EngineTest
    void loadOfANullStackSegment(TestMachine vm) {
        vm.protectedMode();
        Asm a = vm.program().xor(EAX, EAX);
        Label load = a.here();
        vm.start(a.mov(SS, EAX).hlt());
        Expect.fault(vm, Expect.GP, 0, load);
    }

    @EngineTest
    void segmentThatIsNotPresent(TestMachine vm) {
        vm.protectedMode();
        vm.descriptors.gdt(0x70, Descriptors.segment(0, 0xfffff, Descriptors.DATA & ~Descriptors.PRESENT, 0xc));
        Asm a = vm.program().mov(EAX, 0x70);
        Label ds = a.here();
        vm.start(a.mov(DS, EAX).hlt());
        Expect.fault(vm, Expect.NP, 0x70, ds);
        a = vm.program().mov(EAX, 0x70);
        Label ss = a.here();
        vm.start(a.mov(SS, EAX).hlt());
        Expect.fault(vm, Expect.SS, 0x70, ss);
    }

    @EngineTest
    void selectorBeyondTheTable(TestMachine vm) {
        vm.protectedMode();
        Asm a = vm.program().mov(EAX, 0xfff8);
        Label load = a.here();
        vm.start(a.mov(ES, EAX).hlt());
        Expect.fault(vm, Expect.GP, 0xfff8, load);
    }

    @EngineTest(notOnPvm = "its instruction emulator raises another exception")
    void invalidTaskStateSegment(TestMachine vm) {
        vm.protectedMode();
        vm.userMode();
        vm.memory.putInt(Layout.TSS + 8, Layout.USER_CS32); // stack 0 is not a data segment of level 0
        vm.start(vm.program(Layout.USER_CODE).ud2());
        Event e = vm.run(); // no stack for #TS either
        assertEquals(new Event.Shutdown(), e);
    }

    @EngineTest(notOnTcg = "#GP also through SS")
    void nonCanonicalAddresses(TestMachine vm) {
        vm.longMode();
        Asm a = vm.program().mov(RBX, 0x8000_0000_0000L);
        Label load = a.here();
        vm.start(a.mov(AL, ptr(RBX)).hlt());
        Expect.fault(vm, Expect.GP, 0, load);
        a = vm.program().mov(RBP, 0x8000_0000_0000L);
        Label stack = a.here();
        vm.start(a.mov(AL, ptr(RBP)).hlt());
        Expect.fault(vm, Expect.SS, 0, stack);
        a = vm.program().mov(RSP, 0x8000_0000_0008L);
        Label push = a.here();
        vm.descriptors.idt64(Expect.SS, Layout.KERNEL_CS, Layout.HANDLERS + Expect.SS, Descriptors.INTERRUPT_GATE64, 1);
        vm.start(a.push(RAX).hlt());
        Expect.fault(vm, Expect.SS, 0, push);
    }

    @EngineTest(
            notOnPvm = "its instruction emulator raises another exception",
            notOnTcg = "addresses wrap at the end of the space")
    void accessThatWrapsIntoTheNonCanonicalHole(TestMachine vm) {
        vm.longMode();
        Asm a = vm.program().mov(RBX, 0x7fff_ffff_fffdL);
        Label load = a.here();
        vm.start(a.mov(EAX, ptr(RBX)).hlt());
        Expect.fault(vm, Expect.GP, 0, load);
    }

    @EngineTest(
            notOnPvm = "its instruction emulator does not know the instruction",
            notOnTcg = "only WAIT and some instructions raise #MF")
    void x87ErrorComesWithTheNextInstruction(TestMachine vm) {
        vm.longMode();
        vm.memory.putInt(Layout.DATA, 0x37b); // zero divide unmasked
        Asm a = vm.program()
                .fninit()
                .fldcw(abs(Layout.DATA).m16())
                .fld1()
                .fldz()
                .fdivp(ST1, ST0)
                .mov(EAX, 5);
        Label next = a.here();
        vm.start(a.fld1().hlt());
        Expect.fault(vm, Expect.MF, Expect.NONE, next);
        Expect.reg(vm, EAX, 5);
    }

    @EngineTest(notOnPvm = "its instruction emulator does not know the instruction", notOnTcg = "no #XM")
    void sseErrorIsAFault(TestMachine vm) {
        vm.longMode();
        vm.memory.putInt(Layout.DATA, 0x1d80); // zero divide unmasked
        Asm a = vm.program()
                .ldmxcsr(abs(Layout.DATA))
                .mov(EAX, 1)
                .cvtsi2sd(XMM0, EAX)
                .pxor(XMM1, XMM1);
        Label div = a.here();
        vm.start(a.divsd(XMM0, XMM1).hlt());
        Expect.fault(vm, Expect.XM, Expect.NONE, div);
        vm.cpu.cr4 &= ~CR4_OSXMMEXCPT;
        vm.start(vm.program(0x1100).divsd(XMM0, XMM1).hlt());
        Expect.fault(vm, Expect.UD, Expect.NONE, 0x1100);
    }

    @EngineTest(notOnTcg = "no #AC")
    void alignmentIsCheckedAtPrivilegeLevel3(TestMachine vm) {
        vm.longMode();
        vm.cpu.cr0 |= 1 << 18;
        vm.userMode();
        vm.cpu.rflags |= EFLAGS_AC;
        Asm a = vm.program(Layout.USER_CODE).mov(EAX, abs(Layout.USER_DATA + 4)).mov(AL, abs(Layout.USER_DATA + 1));
        Label load = a.here();
        vm.start(a.mov(EAX, abs(Layout.USER_DATA + 1)).hlt());
        Expect.fault(vm, Expect.AC, 0, load);
    }

    @EngineTest
    void unalignedSseOperandIsAProtectionFault(TestMachine vm) {
        vm.longMode();
        Asm a = vm.program().movups(XMM0, abs(Layout.DATA + 4));
        Label load = a.here();
        vm.start(a.movaps(XMM0, abs(Layout.DATA + 4)).hlt());
        Expect.fault(vm, Expect.GP, 0, load);
    }

    @EngineTest
    void privilegedInstructionsFaultAtLevel3(TestMachine vm) {
        vm.longMode();
        vm.userMode();
        Asm[] each = {
            vm.program(Layout.USER_CODE).hlt(),
            vm.program(Layout.USER_CODE).cli(),
            vm.program(Layout.USER_CODE).sti(),
            vm.program(Layout.USER_CODE).mov(RAX, CR0),
            vm.program(Layout.USER_CODE).mov(CR3, RAX),
            vm.program(Layout.USER_CODE).rdmsr(),
            vm.program(Layout.USER_CODE).wrmsr(),
            vm.program(Layout.USER_CODE).invlpg(abs(0)),
            vm.program(Layout.USER_CODE).lgdt(abs(Layout.USER_DATA)),
            vm.program(Layout.USER_CODE).ltr(AX),
            vm.program(Layout.USER_CODE).clts(),
            vm.program(Layout.USER_CODE).wbinvd(),
            vm.program(Layout.USER_CODE).mov(DR7, RAX),
            vm.program(Layout.USER_CODE).swapgs(),
            vm.program(Layout.USER_CODE).sysretq(),
            vm.program(Layout.USER_CODE).in(AL, 0x10),
            vm.program(Layout.USER_CODE).out(DX, EAX),
            vm.program(Layout.USER_CODE).insb(),
            vm.program(Layout.USER_CODE).lmsw(AX)
        };
        for (Asm a : each) {
            vm.userMode();
            vm.start(a);
            Expect.fault(vm, Expect.GP, 0, Layout.USER_CODE);
        }
    }

    @EngineTest(notOnPvm = "its instruction emulator raises another exception", notOnTcg = "CR3 takes reserved bits")
    void reservedBitsOfControlRegisters(TestMachine vm) {
        vm.longMode();
        long[][] tries = {
            {0, 0x80010032L},
            {0, 0x1_80010033L},
            {0, 0xa0010033L & ~0x40000000L},
            {4, 0x620 & ~0x20},
            {4, 0x620 | 1L << 31},
            {3, 1L << 62}
        };
        for (long[] t : tries) {
            Asm a = vm.program().mov(RAX, t[1]);
            Label load = a.here();
            vm.cpu.gpr[4] = Layout.STACK;
            vm.start((t[0] == 0 ? a.mov(CR0, RAX) : t[0] == 4 ? a.mov(CR4, RAX) : a.mov(CR3, RAX)).hlt());
            Expect.fault(vm, Expect.GP, 0, load);
        }
    }

    @EngineTest(
            notOnPvm = "unknown registers are ignored on this host (ignore_msrs)",
            notOnTcg = "LSTAR takes any address")
    void unknownModelSpecificRegister(TestMachine vm) {
        vm.longMode();
        Asm a = vm.program().mov(ECX, 0x12345678);
        Label rdmsr = a.here();
        vm.start(a.rdmsr().hlt());
        Expect.fault(vm, Expect.GP, 0, rdmsr);
        a = vm.program().mov(ECX, 0xc0000082L).xor(EAX, EAX).mov(EDX, 0x8000);
        Label wrmsr = a.here();
        vm.start(a.wrmsr().hlt()); // LSTAR must be canonical
        Expect.fault(vm, Expect.GP, 0, wrmsr);
    }

    @EngineTest
    void instructionOfMoreThan15Bytes(TestMachine vm) {
        vm.longMode();
        vm.start(vm.program().fill(14, 0x66).nop().hlt());
        Expect.halt(vm);
        vm.start(vm.program(0x1100).fill(15, 0x66).nop().hlt());
        Expect.fault(vm, Expect.GP, 0, 0x1100);
    }

    @EngineTest
    void iretqResumesWhereTheFaultWas(TestMachine vm) {
        vm.longMode();
        Asm handler = new Asm(0x7000).bits(64).inc(EBX).add(ptr(RSP).m64(), 2).iretq();
        vm.load(handler);
        vm.descriptors.idt64(Expect.UD, Layout.KERNEL_CS, 0x7000, Descriptors.INTERRUPT_GATE64, 0);
        vm.set(RBX, 0).start(vm.program().ud2().ud2().inc(EBX).hlt());
        Expect.halt(vm);
        Expect.reg(vm, RBX, 3);
        Expect.reg(vm, RSP, Layout.STACK);
    }

    @EngineTest
    void exceptionAlignsTheStackIn64BitMode(TestMachine vm) {
        vm.longMode();
        vm.set(RSP, Layout.STACK - 5);
        vm.start(vm.program().ud2());
        Frame frame = Expect.fault(vm, Expect.UD, Expect.NONE, Layout.CODE);
        assertEquals(Layout.STACK - 5, frame.rsp);
        assertEquals(Layout.STACK - 16 - 40, vm.cpu.gpr[4]);
    }
}
