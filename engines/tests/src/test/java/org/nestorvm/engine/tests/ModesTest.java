package org.nestorvm.engine.tests;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.nestorvm.asm.Mem.abs;
import static org.nestorvm.asm.Mem.ptr;
import static org.nestorvm.asm.Reg.*;

import org.nestorvm.asm.Asm;
import org.nestorvm.asm.Label;
import org.nestorvm.vmm.CpuState;

/** Each mode of the processor, reached by a state and reached by the guest itself. */
class ModesTest {
    @EngineTest
    void outLeavesTheGuestWithPortAndValue(TestMachine vm) {
        vm.realMode()
                .code(
                        0x1000, 0xB0, 0x33, // mov al, 0x33
                        0xE6, 0x19, // out 0x19, al
                        0xF4); // hlt
        assertEquals(new Event.PortWrite(0x19, 1, 0x33), vm.run());
        assertEquals(new Event.Halt(0x1005), vm.run());
    }

    @EngineTest
    void realModeAddsSixteenTimesTheSelector(TestMachine vm) {
        vm.realMode();
        vm.memory.putInt(0x21234, 0xcafe1234);
        vm.start(vm.program().mov(AX, 0x2000).mov(DS, AX).mov(EBX, abs(0x1234)).hlt());
        Expect.halt(vm);
        Expect.reg(vm, EBX, 0xcafe1234L);
        assertEquals(0x20000, vm.cpu.base[CpuState.DS]);
    }

    @EngineTest
    void realModeInterruptsGoThroughTheTable(TestMachine vm) {
        vm.realMode();
        vm.memory.putInt(4 * 0x21, 0x3000_0000 | 0x10);
        Asm handler = new Asm(0x30010).mov(AL, 7).iretw();
        vm.load(handler);
        vm.start(vm.program().interrupt(0x21).out(0x42, AL).hlt());
        assertEquals(new Event.PortWrite(0x42, 1, 7), vm.run());
        Expect.halt(vm);
        Expect.reg(vm, RSP, 0xfff0);
    }

    @EngineTest
    void realModeStackWrapsInItsSegment(TestMachine vm) {
        vm.realMode().set(RSP, 2);
        vm.start(vm.program().mov(AX, 0x1234).push(AX).push(AX).hlt());
        Expect.halt(vm);
        assertEquals(0x1234, vm.memory.getInt(0xfffe) & 0xffff);
        Expect.reg(vm, SP, 0xfffe);
    }

    @EngineTest
    void protectedModeHasFourGigabytes(TestMachine vm) {
        vm.protectedMode();
        vm.start(vm.program()
                .mov(EAX, 0x12345678)
                .mov(abs(0xc00000), EAX)
                .mov(EBX, abs(0xc00001))
                .push(EBX)
                .hlt());
        Expect.halt(vm);
        Expect.reg(vm, EBX, 0x123456);
        assertEquals(0x123456, vm.memory.getInt(Layout.STACK - 4));
    }

    @EngineTest
    void sixteenBitSegmentInProtectedMode(TestMachine vm) {
        vm.protectedMode();
        Asm a = vm.program();
        Label narrow = a.label();
        a.ljmpd(Layout.KERNEL_CS16, narrow)
                .bits(16)
                .bind(narrow)
                .mov(AX, Layout.KERNEL_DS16)
                .mov(SS, AX)
                .mov(ESP, 0x12340100)
                .push(0x77)
                .mov(EAX, 0xffffffffL)
                .inc(AX)
                .hlt();
        vm.start(a);
        Expect.halt(vm);
        Expect.reg(vm, RAX, 0xffff0000L);
        Expect.reg(vm, RSP, 0x123400fe); // a 16-bit stack pointer leaves the upper half alone
        assertEquals(0x77, vm.memory.getInt(0xfe) & 0xffff);
    }

    @EngineTest
    void longModeHasSixteenRegistersOf64Bits(TestMachine vm) {
        vm.longMode();
        vm.start(vm.program()
                .mov(R15, 0x123456789abcdefL)
                .mov(RAX, -1)
                .mov(EAX, EAX)
                .lea(R9, ptr(R15, RAX, 8, 5))
                .hlt());
        Expect.halt(vm);
        Expect.reg(vm, RAX, 0xffffffffL);
        Expect.reg(vm, R9, 0x123456789abcdefL + 8 * 0xffffffffL + 5);
    }

    @EngineTest
    void compatibilityModeIs32BitCodeInLongMode(TestMachine vm) {
        vm.longMode();
        vm.compatibilityMode();
        Asm a = vm.program();
        a.db(0x40)
                .mov(EBX, ESP)
                .push(EBX)
                .mov(EDX, 0xfffffff0L)
                .add(EDX, 0x20)
                .hlt(); // 40h: INC EAX here, a REX prefix in 64-bit mode
        vm.set(RAX, 41).start(a);
        Expect.halt(vm);
        Expect.reg(vm, EAX, 42);
        Expect.reg(vm, EDX, 0x10);
        assertEquals(Layout.STACK, vm.memory.getInt(Layout.STACK - 4));
    }

    @EngineTest
    void farJumpsGoBetweenLongAndCompatibilityMode(TestMachine vm) {
        vm.longMode();
        Asm a = vm.program();
        Label pointer = a.label(), narrow = a.label(), wide = a.label();
        a.mov(RAX, 0x1_0000_0001L).ljmpd(ptr(pointer)).bind(pointer).dd(narrow).dw(Layout.KERNEL_CS32);
        a.bits(32)
                .bind(narrow)
                .db(0x48)
                .ljmpd(Layout.KERNEL_CS, wide)
                .bits(64)
                .bind(wide)
                .db(0x48)
                .dec(EAX)
                .hlt(); // 48h: DEC EAX, then REX.W
        vm.start(a);
        Expect.halt(vm);
        Expect.reg(vm, RAX, -1L);
    }

    @EngineTest
    void guestGoesFromRealModeToLongModeByItself(TestMachine vm) {
        vm.longMode(); // tables in memory
        long cr3 = vm.cpu.cr3;
        vm.cpu.cr0 = 0x10;
        vm.cpu.cr3 = vm.cpu.cr4 = vm.cpu.efer = 0;
        vm.realMode();
        Asm a = vm.program();
        Label gdt = a.label(), idt = a.label(), protectedMode = a.label(), wide = a.label();
        a.lgdtd(abs(0x1800))
                .lidtd(abs(0x1810))
                .mov(EAX, CR0)
                .or(EAX, 1)
                .mov(CR0, EAX)
                .ljmpd(Layout.KERNEL_CS32, protectedMode);
        a.bits(32)
                .bind(protectedMode)
                .mov(EAX, Layout.KERNEL_DS)
                .mov(DS, EAX)
                .mov(ES, EAX)
                .mov(SS, EAX)
                .mov(ESP, Layout.STACK);
        a.mov(EAX, CR4).or(EAX, 0x20).mov(CR4, EAX).mov(EAX, cr3).mov(CR3, EAX);
        a.mov(ECX, 0xc0000080L).rdmsr().or(EAX, 0x100).wrmsr();
        a.mov(EAX, CR0).or(EAX, 0x80000000L).mov(CR0, EAX).ljmpd(Layout.KERNEL_CS, wide);
        a.bits(64)
                .bind(wide)
                .mov(RAX, 0x5555555555555555L)
                .push(RAX)
                .mov(ECX, 0xc0000080L)
                .rdmsr()
                .hlt();
        a.org(0x1800)
                .dw(Layout.GDT_BYTES - 1)
                .dd(Layout.GDT)
                .org(0x1810)
                .dw(0xfff)
                .dd(Layout.IDT);
        vm.start(a);
        Expect.halt(vm);
        Expect.reg(vm, EAX, 0x500); // LME and LMA
        assertEquals(0x5555555555555555L, vm.memory.getLong(Layout.STACK - 8));
    }

    @EngineTest(notOnPvm = "its instruction emulator does not know the instruction")
    void virtual8086ModeRunsAndFaultsOnSensitiveInstructions(TestMachine vm) {
        vm.protectedMode();
        vm.memory.putInt(Layout.TSS + 8, Layout.KERNEL_DS);
        Asm task = new Asm(0x30100).mov(AX, DS).add(AX, 1);
        Label cli = task.here();
        task.cli();
        vm.load(task);
        // IRET with VM set in the flags pops the segments of the task
        Asm a = vm.program()
                .push(0)
                .push(0)
                .push(0x2222)
                .push(0)
                .push(0x2000)
                .push(0x800)
                .push(0x20002)
                .push(0x3000)
                .push(0x100)
                .iretd();
        vm.start(a);
        Frame frame = Expect.fault(vm, Expect.GP, 0, cli.address() - 0x30000);
        assertEquals(0x3000, frame.cs);
        assertEquals(0x20002, frame.rflags & 0x20002);
        assertEquals(0x2000, frame.ss);
        assertEquals(0x800, frame.rsp);
        Expect.reg(vm, AX, 0x2223);
        assertEquals(0, vm.cpu.selector[CpuState.DS]); // the handler starts with null data segments
    }

    @EngineTest
    void resetStateIsTheManuals(TestMachine vm) {
        CpuState reset = new CpuState();
        assertEquals(0xfff0, vm.cpu.rip);
        assertEquals(0xffff0000L, vm.cpu.base[CpuState.CS]);
        assertEquals(0xf000, vm.cpu.selector[CpuState.CS]);
        assertEquals(2, vm.cpu.rflags);
        assertEquals(reset.cr0, vm.cpu.cr0);
        assertEquals(0, vm.cpu.efer);
    }
}
