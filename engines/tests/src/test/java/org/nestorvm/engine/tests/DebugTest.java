package org.nestorvm.engine.tests;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.nestorvm.asm.Mem.abs;
import static org.nestorvm.asm.Mem.ptr;
import static org.nestorvm.asm.Reg.*;

import org.nestorvm.asm.Asm;
import org.nestorvm.asm.Label;

/** Single step, debug registers, and the instruction after STI and MOV SS (SDM vol. 3B, chapter 18). */
class DebugTest {
    private static final long TF = 0x100, RF = 0x10000, DR6_BS = 1 << 14;
    private static final String EMULATOR = "its instruction emulator does not step";

    @EngineTest(notOnPvm = EMULATOR)
    void singleStepTrapsBehindEachInstruction(TestMachine vm) {
        vm.longMode();
        Asm handler = new Asm(0x7000)
                .bits(64)
                .push(RAX)
                .mov(RAX, ptr(RSP, 8))
                .mov(ptr(RDI), RAX)
                .add(RDI, 8)
                .mov(RAX, DR6)
                .mov(ptr(RDI, 0x100), RAX)
                .pop(RAX)
                .iretq();
        vm.load(handler);
        vm.descriptors.idt64(Expect.DB, Layout.KERNEL_CS, 0x7000, Descriptors.INTERRUPT_GATE64, 0);
        Asm a = vm.program()
                .mov(EDI, Layout.DATA)
                .pushfq()
                .or(ptr(RSP).m32(), TF)
                .popfq();
        Label first = a.here();
        a.nop();
        Label second = a.here();
        a.mov(EAX, 5);
        Label third = a.here();
        a.pushfq().and(ptr(RSP).m32(), ~TF).popfq();
        vm.start(a.hlt());
        Expect.halt(vm);
        assertEquals(
                second.address(),
                vm.memory.getLong(Layout.DATA),
                "the instruction after POPF is the first to be stepped");
        assertEquals(third.address(), vm.memory.getLong(Layout.DATA + 8));
        assertEquals(first.address() + 1, second.address());
        assertEquals(DR6_BS, vm.memory.getLong(Layout.DATA + 0x108) & 0xffff & ~0xff0);
        assertEquals(Layout.DATA + 5 * 8, vm.get(RDI), "five traps: nop, mov, pushf, and, popf");
    }

    @EngineTest(notOnPvm = EMULATOR)
    void singleStepOfARepeatedInstructionStopsAfterEachIteration(TestMachine vm) {
        vm.longMode();
        vm.load(new Asm(0x7000).bits(64).inc(EBX).iretq());
        vm.descriptors.idt64(Expect.DB, Layout.KERNEL_CS, 0x7000, Descriptors.INTERRUPT_GATE64, 0);
        vm.set(RBX, 0);
        Asm a = vm.program()
                .mov(EDI, Layout.DATA)
                .mov(ECX, 5)
                .pushfq()
                .or(ptr(RSP).m32(), TF)
                .popfq()
                .rep()
                .stosb()
                .pushfq()
                .and(ptr(RSP).m32(), ~TF)
                .popfq();
        vm.start(a.hlt());
        Expect.halt(vm);
        Expect.reg(vm, EBX, 5 + 3);
    }

    @EngineTest(notOnPvm = EMULATOR, notOnTcg = "VMRUN does not arm the breakpoints of DR7")
    void breakpointOnAnInstructionIsAFaultAndResumeFlagPassesIt(TestMachine vm) {
        vm.longMode();
        Asm a = vm.program().mov(EAX, 1);
        Label there = a.here();
        a.inc(EAX).hlt();
        a.assemble();
        vm.cpu.dr[0] = there.address();
        vm.cpu.dr[7] = 0x401;
        vm.start(a);
        Expect.fault(vm, Expect.DB, Expect.NONE, there);
        assertEquals(1, vm.cpu.dr[6] & 0xf);
        Expect.reg(vm, EAX, 1);
        vm.load(new Asm(0x7000).bits(64).or(ptr(RSP, 16).m32(), RF).iretq()); // AMD sets it by itself
        vm.descriptors.idt64(Expect.DB, Layout.KERNEL_CS, 0x7000, Descriptors.INTERRUPT_GATE64, 0);
        vm.start(a);
        Expect.halt(vm);
        Expect.reg(vm, EAX, 2);
    }

    @EngineTest(notOnPvm = EMULATOR, notOnTcg = "VMRUN does not arm the breakpoints of DR7")
    void breakpointOnDataIsATrap(TestMachine vm) {
        vm.longMode();
        vm.cpu.dr[1] = Layout.DATA + 4;
        vm.cpu.dr[7] = 0x404 | 0xdL << 20; // write, 4 bytes
        Asm a = vm.program()
                .mov(abs(Layout.DATA).m32(), 1)
                .mov(EAX, abs(Layout.DATA + 4))
                .mov(abs(Layout.DATA + 6).m8(), 1);
        Label behind = a.here();
        vm.start(a.mov(EAX, 9).hlt());
        Expect.fault(vm, Expect.DB, Expect.NONE, behind);
        assertEquals(2, vm.cpu.dr[6] & 0xf);
        assertEquals(1, vm.memory.getInt(Layout.DATA + 4) >> 16);
    }

    @EngineTest(notOnPvm = EMULATOR, notOnTcg = "VMRUN does not arm the breakpoints of DR7")
    void breakpointOnReadsAndWrites(TestMachine vm) {
        vm.longMode();
        vm.cpu.dr[2] = Layout.DATA + 8;
        vm.cpu.dr[7] = 0x410 | 0xbL << 24; // read or write, 8 bytes
        Asm a = vm.program().mov(EAX, abs(Layout.DATA)).mov(EAX, abs(Layout.DATA + 12));
        Label behind = a.here();
        vm.start(a.mov(EAX, 9).hlt());
        Expect.fault(vm, Expect.DB, Expect.NONE, behind);
        assertEquals(4, vm.cpu.dr[6] & 0xf);
    }

    @EngineTest(notOnPvm = EMULATOR, notOnTcg = "DR7.GD guards nothing")
    void generalDetectGuardsTheDebugRegisters(TestMachine vm) {
        vm.longMode();
        vm.cpu.dr[7] = 0x2400;
        vm.start(vm.program().mov(RAX, DR0).hlt());
        Expect.fault(vm, Expect.DB, Expect.NONE, Layout.CODE);
        assertEquals(1 << 13, vm.cpu.dr[6] & 1 << 13);
        assertEquals(0, vm.cpu.dr[7] & 0x2000, "the handler may use them");
    }

    @EngineTest
    void debugRegistersReadBackWithTheirFixedBits(TestMachine vm) {
        vm.longMode();
        vm.start(vm.program()
                .mov(RAX, -1L >>> 32)
                .mov(DR3, RAX)
                .mov(RBX, DR3)
                .xor(EAX, EAX)
                .mov(DR6, RAX)
                .mov(DR7, RAX)
                .mov(RCX, DR6)
                .mov(RDX, DR7)
                .hlt());
        Expect.halt(vm);
        Expect.reg(vm, RBX, 0xffffffffL);
        assertEquals(0xfffe07f0L, vm.get(RCX) & ~0x10800L); // bit 11 and bit 16 depend on the model
        Expect.reg(vm, RDX, 0x400);
    }

    @EngineTest(notOnPvm = EMULATOR)
    void dr4IsDr6UnlessDebugExtensionsAreOn(TestMachine vm) {
        vm.longMode();
        vm.start(vm.program().db(0x0f, 0x21, 0xe0).mov(RBX, DR6).hlt()); // mov rax, dr4
        Expect.halt(vm);
        Expect.reg(vm, RAX, vm.get(RBX));
        vm.cpu.cr4 |= 8;
        vm.start(vm.program(0x1100).db(0x0f, 0x21, 0xe0).hlt());
        Expect.fault(vm, Expect.UD, Expect.NONE, 0x1100);
    }

    @EngineTest(notOnPvm = EMULATOR)
    void stepOverMovSsComesOneInstructionLater(TestMachine vm) {
        vm.protectedMode();
        vm.load(new Asm(0x7000)
                .bits(32)
                .push(EAX)
                .mov(EAX, ptr(ESP, 4))
                .mov(ptr(EDI), EAX)
                .add(EDI, 4)
                .pop(EAX)
                .iretd());
        vm.descriptors.idt32(Expect.DB, Descriptors.gate(Layout.KERNEL_CS32, 0x7000, Descriptors.INTERRUPT_GATE32, 0));
        Asm a = vm.program()
                .mov(EDI, Layout.DATA)
                .mov(EAX, Layout.KERNEL_DS)
                .pushfd()
                .or(ptr(ESP).m32(), TF)
                .popfd()
                .mov(SS, EAX)
                .nop();
        Label behind = a.here();
        vm.start(a.pushfd().and(ptr(ESP).m32(), ~TF).popfd().hlt());
        Expect.halt(vm);
        assertEquals(
                behind.address(), vm.memory.getInt(Layout.DATA), "no trap between MOV SS and the next instruction");
    }

    @EngineTest(notOnPvm = EMULATOR, notOnTcg = "INT1 is undefined")
    void int1IsADebugException(TestMachine vm) {
        vm.longMode();
        vm.start(vm.program().int1().hlt());
        Expect.fault(vm, Expect.DB, Expect.NONE, Layout.CODE + 1);
    }
}
