package org.nestorvm.engine.tests;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.nestorvm.asm.Reg.*;

import org.nestorvm.asm.Asm;
import org.nestorvm.asm.Label;
import org.nestorvm.asm.Reg;

/** String instructions over page borders, and faults in their middle: RCX, RSI and RDI tell what has been done. */
class StringsTest {
    private static final long VA = 0x1000_0000_0000L, PAGE_A = 0x700000, PAGE_B = 0x702000;
    private static final int WRITE = 2;

    private static byte[] pattern(int bytes) {
        byte[] p = new byte[bytes];
        for (int i = 0; i < bytes; i++) p[i] = (byte) (i * 7 + (i >> 8));
        return p;
    }

    @EngineTest
    void moveOverPagesThatLieApart(TestMachine vm) {
        PageTables t = vm.longMode();
        t.map(VA, PAGE_B, 3).map(VA + 0x1000, PAGE_A, 3);
        byte[] p = pattern(0x1800);
        vm.memory.write(0x800000, p, 0, p.length);
        vm.start(vm.program()
                .mov(ESI, 0x800000)
                .mov(RDI, VA + 0x123)
                .mov(ECX, 0x1800)
                .rep()
                .movsb()
                .hlt());
        Expect.halt(vm);
        byte[] got = new byte[0x1800];
        vm.memory.read(PAGE_B + 0x123, got, 0, 0x1000 - 0x123);
        vm.memory.read(PAGE_A, got, 0x1000 - 0x123, 0x800 + 0x123);
        assertArrayEquals(p, got);
        Expect.reg(vm, RDI, VA + 0x1923);
    }

    @EngineTest
    void faultInTheMiddleOfARepeatedStore(TestMachine vm) {
        PageTables t = vm.longMode();
        t.map(VA, PAGE_A, 3);
        Asm a = vm.program().mov(RDI, VA + 0xff0).mov(ECX, 100).mov(EAX, 0x5a5a5a5a);
        Label store = a.here();
        vm.start(a.rep().stosd().hlt());
        Expect.pageFault(vm, WRITE, VA + 0x1000, store);
        Expect.reg(vm, RCX, 96);
        Expect.reg(vm, RDI, VA + 0x1000);
        assertEquals(0x5a5a5a5a, vm.memory.getInt(PAGE_A + 0xffc));
        t.map(VA + 0x1000, PAGE_B, 3);
        vm.cpu.rip = store.address();
        vm.apply();
        Expect.halt(vm);
        Expect.reg(vm, RCX, 0);
        assertEquals(0x5a5a5a5a, vm.memory.getInt(PAGE_B + 4 * 95));
        assertEquals(0, vm.memory.getInt(PAGE_B + 4 * 96));
    }

    @EngineTest
    void faultOfTheSourceInTheMiddleOfARepeatedMove(TestMachine vm) {
        PageTables t = vm.longMode();
        t.map(VA, PAGE_A, 3);
        Asm a = vm.program().mov(RSI, VA + 0xffb).mov(EDI, Layout.DATA).mov(ECX, 20);
        Label move = a.here();
        vm.start(a.rep().movsb().hlt());
        Expect.pageFault(vm, 0, VA + 0x1000, move);
        Expect.reg(vm, RCX, 15);
        Expect.reg(vm, RSI, VA + 0x1000);
        Expect.reg(vm, RDI, Layout.DATA + 5);
    }

    @EngineTest
    void faultOfTheDestinationInTheMiddleOfABackwardMove(TestMachine vm) {
        PageTables t = vm.longMode();
        t.map(VA + 0x1000, PAGE_A, 3);
        Asm a = vm.program()
                .mov(RDI, VA + 0x1000 + 16)
                .mov(ESI, Layout.DATA + 0x100)
                .mov(ECX, 20)
                .std();
        Label move = a.here();
        vm.start(a.rep().movsq().hlt());
        Expect.pageFault(vm, WRITE, VA + 0xff8, move);
        Expect.reg(vm, RCX, 17);
        Expect.reg(vm, RDI, VA + 0xff8);
        Expect.reg(vm, RSI, Layout.DATA + 0x100 - 24);
    }

    @EngineTest
    void elementAcrossTwoPagesOfWhichOneIsMissing(TestMachine vm) {
        PageTables t = vm.longMode();
        t.map(VA, PAGE_A, 3);
        Asm a = vm.program().mov(RDI, VA + 0xfee).mov(ECX, 8).mov(RAX, -1);
        Label store = a.here();
        vm.start(a.rep().stosq().hlt());
        Expect.pageFault(vm, WRITE, VA + 0x1000, store);
        Expect.reg(vm, RCX, 6);
        Expect.reg(vm, RDI, VA + 0xffe);
    }

    @EngineTest
    void overlappingMoveRepeatsWhatItWrote(TestMachine vm) {
        vm.longMode();
        vm.memory.putInt(Layout.DATA, 0x04030201);
        vm.start(vm.program()
                .mov(ESI, Layout.DATA)
                .mov(EDI, Layout.DATA + 3)
                .mov(ECX, 9)
                .rep()
                .movsb()
                .hlt());
        Expect.halt(vm);
        assertEquals(0x01030201, vm.memory.getInt(Layout.DATA));
        assertEquals(0x02010302, vm.memory.getInt(Layout.DATA + 4));
        assertEquals(0x03020103, vm.memory.getInt(Layout.DATA + 8));
    }

    @EngineTest
    void compareAndScanStopWhereTheyShould(TestMachine vm) {
        vm.longMode();
        byte[] text = "needle in a haystack".getBytes();
        vm.memory.write(Layout.DATA + 0xff8, text, 0, text.length);
        vm.start(vm.program()
                .mov(EDI, Layout.DATA + 0xff8)
                .mov(ECX, 100)
                .mov(AL, 'h')
                .repne()
                .scasb()
                .mov(RBX, RDI)
                .mov(EDX, ECX)
                .mov(ESI, Layout.DATA + 0xff8)
                .mov(EDI, Layout.DATA + 0xff8)
                .mov(ECX, 20)
                .rep()
                .cmpsb()
                .setz(AL)
                .hlt());
        Expect.halt(vm);
        Expect.reg(vm, RBX, Layout.DATA + 0xff8 + 13);
        Expect.reg(vm, EDX, 87);
        Expect.reg(vm, AL, 1);
        Expect.reg(vm, RCX, 0);
    }

    @EngineTest
    void zeroCountTouchesNothing(TestMachine vm) {
        vm.longMode();
        vm.start(vm.program()
                .mov(RSI, VA)
                .mov(RDI, VA)
                .xor(ECX, ECX)
                .rep()
                .movsb()
                .rep()
                .stosq()
                .repne()
                .scasb()
                .hlt());
        Expect.halt(vm);
        Expect.reg(vm, RSI, VA);
    }

    @EngineTest
    void addressSizeLimitsTheRegisters(TestMachine vm) {
        vm.longMode();
        vm.set(RCX, 0x5_0000_0003L).set(RDI, 0x7_0000_0000L + Layout.DATA);
        vm.start(vm.program().mov(AL, 0x77).db(0x67).rep().stosb().hlt());
        Expect.halt(vm);
        assertEquals(0x777777, vm.memory.getInt(Layout.DATA));
        Expect.reg(vm, RCX, 0);
        Expect.reg(vm, RDI, Layout.DATA + 3);
    }

    @EngineTest
    void sixteenBitStringsWrap(TestMachine vm) {
        vm.realMode();
        for (Reg r : new Reg[] {RDI, RCX}) vm.set(r, r == RDI ? 0xfffe : 4);
        vm.memory.putInt(0, 0);
        vm.start(vm.program()
                .mov(AX, 0x2000)
                .mov(ES, AX)
                .mov(AL, 0x11)
                .rep()
                .stosb()
                .hlt());
        Expect.halt(vm);
        assertEquals(0x1111, vm.memory.getInt(0x20000) & 0xffff);
        assertEquals(0x11110000, vm.memory.getInt(0x2fffc) & 0xffff0000);
        Expect.reg(vm, DI, 2);
    }
}
