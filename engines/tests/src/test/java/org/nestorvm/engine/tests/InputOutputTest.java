package org.nestorvm.engine.tests;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.nestorvm.asm.Mem.abs;
import static org.nestorvm.asm.Mem.ptr;
import static org.nestorvm.asm.Reg.*;

import org.nestorvm.asm.Asm;
import org.nestorvm.asm.Label;

/** Ports, memory-mapped registers, and addresses where nothing is. */
class InputOutputTest {
    private static final long MMIO = Layout.MMIO, HOLE = 0xa000_0000L;

    @EngineTest
    void portsOfEachWidth(TestMachine vm) {
        vm.longMode();
        vm.answer(0x11223344);
        vm.start(vm.program()
                .mov(RAX, -1)
                .in(AL, 0x60)
                .mov(RBX, RAX)
                .mov(RAX, -1)
                .mov(DX, 0x1234)
                .in(AX, DX)
                .mov(RCX, RAX)
                .mov(RAX, -1)
                .in(EAX, DX)
                .out(0x80, AL)
                .out(DX, AX)
                .out(DX, EAX)
                .hlt());
        assertEquals(new Event.PortRead(0x60, 1), vm.run());
        assertEquals(new Event.PortRead(0x1234, 2), vm.run());
        assertEquals(new Event.PortRead(0x1234, 4), vm.run());
        assertEquals(new Event.PortWrite(0x80, 1, 0x44), vm.run());
        assertEquals(new Event.PortWrite(0x1234, 2, 0x3344), vm.run());
        assertEquals(new Event.PortWrite(0x1234, 4, 0x11223344), vm.run());
        Expect.halt(vm);
        Expect.reg(vm, RBX, 0xffffffffffffff44L);
        Expect.reg(vm, RCX, 0xffffffffffff3344L);
        Expect.reg(vm, RAX, 0x11223344L);
    }

    @EngineTest
    void stringOutputAndInput(TestMachine vm) {
        vm.longMode();
        vm.memory.write(Layout.DATA, "port".getBytes(), 0, 4);
        vm.answer(0x5a);
        vm.start(vm.program()
                .mov(ESI, Layout.DATA)
                .mov(ECX, 4)
                .mov(DX, 0xe9)
                .rep()
                .outsb()
                .mov(EDI, Layout.DATA + 16)
                .mov(ECX, 3)
                .rep()
                .insb()
                .hlt());
        for (char c : "port".toCharArray()) assertEquals(new Event.PortWrite(0xe9, 1, c), vm.run());
        for (int i = 0; i < 3; i++) assertEquals(new Event.PortRead(0xe9, 1), vm.run());
        Expect.halt(vm);
        Expect.reg(vm, RSI, Layout.DATA + 4);
        Expect.reg(vm, RDI, Layout.DATA + 19);
        Expect.reg(vm, RCX, 0);
        assertEquals(0x5a5a5a, vm.memory.getInt(Layout.DATA + 16));
    }

    @EngineTest
    void permissionMapOpensSinglePorts(TestMachine vm) {
        vm.longMode();
        vm.memory.putInt(Layout.TSS + 100, 0x68 << 16);
        vm.cpu.limit[7] = 0x68 + 0x20;
        for (int i = 0; i < 0x21; i++) vm.memory.write(Layout.TSS + 0x68 + i, new byte[] {-1}, 0, 1);
        vm.memory.write(Layout.TSS + 0x68 + (0x40 >> 3), new byte[] {(byte) ~0x0f}, 0, 1); // 40h to 43h
        vm.userMode();
        Asm a = vm.program(Layout.USER_CODE)
                .mov(AL, 1)
                .out(0x40, AL)
                .out(0x43, AL)
                .out(0x42, AX);
        Label refused = a.here();
        vm.start(a.out(0x43, AX).hlt());
        assertEquals(new Event.PortWrite(0x40, 1, 1), vm.run());
        assertEquals(new Event.PortWrite(0x43, 1, 1), vm.run());
        assertEquals(new Event.PortWrite(0x42, 2, (int) vm.get(AX)), vm.run());
        Expect.fault(vm, Expect.GP, 0, refused);
        vm.userMode();
        a = vm.program(Layout.USER_CODE + 0x100).mov(DX, 0x108);
        Label beyond = a.here();
        vm.start(a.in(AL, DX));
        Expect.fault(vm, Expect.GP, 0, beyond);
    }

    @EngineTest(notOnPvm = "user code runs with selectors and flags of its own")
    void ioPrivilegeLevelOpensAllPorts(TestMachine vm) {
        vm.longMode();
        vm.userMode();
        vm.cpu.rflags |= 0x3000;
        Asm a = vm.program(Layout.USER_CODE).mov(AL, 7).out(0x70, AL).cli().sti();
        Label end = a.here();
        vm.start(a.hlt());
        assertEquals(new Event.PortWrite(0x70, 1, 7), vm.run());
        Expect.fault(vm, Expect.GP, 0, end);
    }

    @EngineTest
    void mmioOfEachWidth(TestMachine vm) {
        vm.longMode();
        vm.answer(0x8877665544332211L);
        Asm a = vm.program()
                .mov(RBX, MMIO)
                .mov(RAX, -1)
                .mov(AL, ptr(RBX))
                .mov(RCX, -1)
                .mov(CX, ptr(RBX, 2))
                .mov(EDX, ptr(RBX, 4))
                .mov(RSI, ptr(RBX, 8));
        a.mov(ptr(RBX, 16), AL).mov(ptr(RBX, 18), CX).mov(ptr(RBX, 20), EDX).mov(ptr(RBX, 24), RSI);
        vm.start(a.hlt());
        assertEquals(new Event.MmioRead(MMIO, 1), vm.run());
        assertEquals(new Event.MmioRead(MMIO + 2, 2), vm.run());
        assertEquals(new Event.MmioRead(MMIO + 4, 4), vm.run());
        assertEquals(new Event.MmioRead(MMIO + 8, 8), vm.run());
        assertEquals(new Event.MmioWrite(MMIO + 16, 1, 0x11), vm.run());
        assertEquals(new Event.MmioWrite(MMIO + 18, 2, 0x2211), vm.run());
        assertEquals(new Event.MmioWrite(MMIO + 20, 4, 0x44332211), vm.run());
        assertEquals(new Event.MmioWrite(MMIO + 24, 8, 0x8877665544332211L), vm.run());
        Expect.halt(vm);
        Expect.reg(vm, RAX, 0xffffffffffffff11L);
        Expect.reg(vm, RCX, 0xffffffffffff2211L);
        Expect.reg(vm, RDX, 0x44332211);
    }

    @EngineTest
    void mmioByReadModifyWrite(TestMachine vm) {
        vm.longMode();
        vm.answer(0x10);
        vm.start(vm.program()
                .mov(RBX, MMIO)
                .add(ptr(RBX).m32(), 5)
                .mov(EAX, 3)
                .xchg(ptr(RBX, 8), EAX)
                .lock()
                .or(ptr(RBX, 4).m8(), 1)
                .hlt());
        assertEquals(new Event.MmioRead(MMIO, 4), vm.run());
        assertEquals(new Event.MmioWrite(MMIO, 4, 0x15), vm.run());
        assertEquals(new Event.MmioRead(MMIO + 8, 4), vm.run());
        assertEquals(new Event.MmioWrite(MMIO + 8, 4, 3), vm.run());
        assertEquals(new Event.MmioRead(MMIO + 4, 1), vm.run());
        assertEquals(new Event.MmioWrite(MMIO + 4, 1, 0x11), vm.run());
        Expect.halt(vm);
        Expect.reg(vm, EAX, 0x10);
    }

    @EngineTest
    void mmioByStackAndTestInstructions(TestMachine vm) {
        vm.longMode();
        vm.answer(0x80);
        vm.start(vm.program()
                .mov(RBX, MMIO)
                .push(ptr(RBX).m64())
                .pop(ptr(RBX, 8).m64())
                .test(ptr(RBX).m8(), 0x80)
                .setnz(AL)
                .cmp(ptr(RBX, 4).m32(), 0x80)
                .sete(CL)
                .movzx(EDX, ptr(RBX).m8())
                .hlt());
        assertEquals(new Event.MmioRead(MMIO, 8), vm.run());
        assertEquals(new Event.MmioWrite(MMIO + 8, 8, 0x80), vm.run());
        assertEquals(new Event.MmioRead(MMIO, 1), vm.run());
        assertEquals(new Event.MmioRead(MMIO + 4, 4), vm.run());
        assertEquals(new Event.MmioRead(MMIO, 1), vm.run());
        Expect.halt(vm);
        Expect.reg(vm, AL, 1);
        Expect.reg(vm, CL, 1);
        Expect.reg(vm, EDX, 0x80);
    }

    @EngineTest
    void repeatedMoveToMmioWritesEachElement(TestMachine vm) {
        vm.longMode();
        for (int i = 0; i < 4; i++) vm.memory.putInt(Layout.DATA + 4 * i, 100 + i);
        vm.start(vm.program()
                .mov(ESI, Layout.DATA)
                .mov(RDI, MMIO + 0x100)
                .mov(ECX, 4)
                .rep()
                .movsd()
                .hlt());
        for (int i = 0; i < 4; i++) assertEquals(new Event.MmioWrite(MMIO + 0x100 + 4 * i, 4, 100 + i), vm.run());
        Expect.halt(vm);
        Expect.reg(vm, RCX, 0);
        Expect.reg(vm, RDI, MMIO + 0x110);
    }

    @EngineTest
    void repeatedMoveFromMmio(TestMachine vm) {
        vm.longMode();
        vm.answer(0x0102030405060708L);
        vm.start(vm.program()
                .mov(RSI, MMIO)
                .mov(EDI, Layout.DATA)
                .mov(ECX, 2)
                .rep()
                .movsq()
                .hlt());
        assertEquals(new Event.MmioRead(MMIO, 8), vm.run());
        assertEquals(new Event.MmioRead(MMIO + 8, 8), vm.run());
        Expect.halt(vm);
        assertEquals(0x0102030405060708L, vm.memory.getLong(Layout.DATA + 8));
    }

    @EngineTest(notOnPvm = "its instruction emulator does not know the instruction")
    void vectorMoveToMmioComesInPiecesOfAtMostEightBytes(TestMachine vm) {
        vm.longMode();
        vm.memory.putLong(Layout.DATA, 0x1111222233334444L);
        vm.memory.putLong(Layout.DATA + 8, 0x5555666677778888L);
        vm.start(vm.program()
                .mov(RBX, MMIO)
                .movups(XMM1, abs(Layout.DATA))
                .movups(ptr(RBX), XMM1)
                .hlt());
        assertEquals(new Event.MmioWrite(MMIO, 8, 0x1111222233334444L), vm.run());
        assertEquals(new Event.MmioWrite(MMIO + 8, 8, 0x5555666677778888L), vm.run());
        Expect.halt(vm);
    }

    @EngineTest
    void holeReadsAllOnesAndSwallowsWrites(TestMachine vm) {
        PageTables t = vm.longMode();
        t.map(HOLE, HOLE, 1 << 21, 21, PageTables.P | PageTables.W);
        vm.start(vm.program()
                .mov(RBX, HOLE)
                .mov(ptr(RBX), RBX)
                .mov(RAX, ptr(RBX))
                .movzx(ECX, ptr(RBX, 9).m8())
                .add(ptr(RBX, 16).m32(), 1)
                .hlt());
        Event e = vm.run();
        while (!(e instanceof Event.Halt)) { // an engine may ask the bus, which answers the same
            assertFalse(
                    e instanceof Event.Other || e instanceof Event.Fault || e instanceof Event.Shutdown, e.toString());
            e = vm.run();
        }
        Expect.reg(vm, RAX, -1);
        Expect.reg(vm, ECX, 0xff);
    }

    @EngineTest
    void accessAcrossTheEndOfMemoryGetsWhatIsThereAndOnes(TestMachine vm) {
        PageTables t = vm.longMode();
        long end = Layout.RAM_BYTES;
        t.map(end, end, 1 << 21, 21, PageTables.P | PageTables.W);
        vm.memory.putInt(end - 4, 0x44332211);
        vm.start(vm.program()
                .mov(EBX, end - 2)
                .mov(EAX, ptr(RBX))
                .mov(ptr(RBX).m32(), 0x0d0c0b0a)
                .hlt());
        Event e = vm.run();
        while (!(e instanceof Event.Halt)) {
            assertFalse(
                    e instanceof Event.Other || e instanceof Event.Fault || e instanceof Event.Shutdown, e.toString());
            e = vm.run();
        }
        Expect.reg(vm, EAX, 0xffff4433L);
        assertEquals(0x0b0a2211, vm.memory.getInt(end - 4));
    }

    @EngineTest
    void codeInMmioDoesNotEndTheMonitor(TestMachine vm) {
        vm.longMode();
        vm.start(vm.program().mov(EAX, MMIO).jmp(RAX));
        for (Event e = vm.run();
                !(e instanceof Event.Other
                        || e instanceof Event.Fault
                        || e instanceof Event.Shutdown
                        || e instanceof Event.Halt); ) e = vm.run();
    }
}
