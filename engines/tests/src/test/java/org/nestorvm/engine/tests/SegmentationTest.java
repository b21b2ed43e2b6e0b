package org.nestorvm.engine.tests;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.nestorvm.asm.Mem.abs;
import static org.nestorvm.asm.Mem.ptr;
import static org.nestorvm.asm.Reg.*;
import static org.nestorvm.engine.tests.Descriptors.*;

import org.nestorvm.asm.Asm;
import org.nestorvm.asm.Label;
import org.nestorvm.vmm.CpuState;

/** Segments, gates and tasks (SDM vol. 3A, chapters 5 to 8). */
class SegmentationTest {
    private static final int FREE = Layout.FREE_SELECTOR;
    private static final long ZF = 0x40;
    private static final String CHECKS = "it checks neither limits nor rights of segments",
            NULL_FS = "FS and GS keep the RPL of a null selector";

    @EngineTest(notOnTcg = CHECKS)
    void accessBeyondTheLimit(TestMachine vm) {
        vm.protectedMode();
        vm.descriptors.gdt(FREE, segment(Layout.DATA, 0xff, DATA, D));
        Asm a = vm.program()
                .mov(EAX, FREE)
                .mov(FS, EAX)
                .mov(EAX, abs(0xfc).in(FS))
                .mov(AL, abs(0xff).in(FS));
        Label load = a.here();
        vm.start(a.mov(EAX, abs(0xfd).in(FS)).hlt());
        Expect.fault(vm, Expect.GP, 0, load);
    }

    @EngineTest(notOnPvm = "its instruction emulator raises another exception", notOnTcg = CHECKS)
    void stackBeyondItsLimit(TestMachine vm) {
        vm.protectedMode();
        vm.descriptors.gdt(FREE, segment(0, 0xfff, DATA, D));
        vm.descriptors.idt32(Expect.SS, gate(TaskTables.HANDLER_TASK, 0, TASK_GATE, 0));
        TaskTables.handlerTask(vm, Expect.SS);
        Asm a = vm.program().mov(EAX, FREE).mov(SS, EAX).mov(ESP, 0x1002);
        Label push = a.here();
        vm.start(a.push(EAX).hlt());
        assertEquals(Layout.HANDLERS + Expect.SS + 1, haltedAt(vm));
        assertEquals(push.address(), vm.memory.getInt(Layout.TSS + 32) & 0xffffffffL);
        assertEquals(0, vm.memory.getInt(vm.cpu.gpr[4]), "error code on the new task's stack");
    }

    private static long haltedAt(TestMachine vm) {
        vm.run();
        return vm.cpu.rip;
    }

    @EngineTest(notOnTcg = CHECKS)
    void expandDownSegmentEndsBelow(TestMachine vm) {
        vm.protectedMode();
        vm.descriptors.gdt(FREE, segment(0, 0xfff, DATA_DOWN, D));
        Asm a = vm.program()
                .mov(EAX, FREE)
                .mov(FS, EAX)
                .mov(EAX, abs(0x1000).in(FS))
                .mov(AL, abs(0x800000).in(FS));
        Label load = a.here();
        vm.start(a.mov(AL, abs(0xfff).in(FS)).hlt());
        Expect.fault(vm, Expect.GP, 0, load);
    }

    @EngineTest(notOnTcg = CHECKS)
    void nullSelectorMayBeLoadedButNotUsed(TestMachine vm) {
        vm.protectedMode();
        Asm a = vm.program().xor(EAX, EAX).mov(FS, EAX);
        Label load = a.here();
        vm.start(a.mov(AL, abs(0x1000).in(FS)).hlt());
        Expect.fault(vm, Expect.GP, 0, load);
    }

    @EngineTest(notOnTcg = CHECKS)
    void writeToReadOnlyDataAndToCode(TestMachine vm) {
        vm.protectedMode();
        vm.descriptors
                .gdt(FREE, segment(0, 0xfffff, DATA_RO, D | G))
                .gdt(FREE + 8, segment(0, 0xfffff, CODE_XO, D | G));
        Asm a = vm.program()
                .mov(EAX, FREE)
                .mov(FS, EAX)
                .mov(EAX, abs(Layout.DATA).in(FS));
        Label store = a.here();
        vm.start(a.mov(abs(Layout.DATA).in(FS), EAX).hlt());
        Expect.fault(vm, Expect.GP, 0, store);
        a = vm.program();
        Label code = a.here();
        vm.start(a.mov(abs(Layout.DATA).in(CS), EAX).hlt());
        Expect.fault(vm, Expect.GP, 0, code);
        a = vm.program().mov(EAX, FREE + 8);
        Label executeOnly = a.here();
        vm.start(a.mov(FS, EAX).hlt());
        Expect.fault(vm, Expect.GP, FREE + 8, executeOnly);
    }

    @EngineTest
    void loadSetsTheAccessedBit(TestMachine vm) {
        vm.protectedMode();
        vm.descriptors.gdt(FREE, segment(0, 0xfffff, DATA & ~1, D | G));
        vm.start(vm.program().mov(EAX, FREE).mov(GS, EAX).hlt());
        Expect.halt(vm);
        assertEquals(DATA, (int) (vm.memory.getLong(Layout.GDT + FREE) >>> 40) & 0xff);
    }

    @EngineTest
    void localDescriptorTable(TestMachine vm) {
        vm.protectedMode();
        vm.descriptors.ldt(8, segment(Layout.DATA, 0xfff, DATA, D));
        vm.memory.putInt(Layout.DATA + 16, 0x1d7);
        vm.start(vm.program()
                .mov(EAX, Layout.LDT_SELECTOR)
                .lldt(AX)
                .mov(EAX, 8 | 4)
                .mov(FS, EAX)
                .mov(ECX, abs(16).in(FS))
                .sldt(EDX)
                .hlt());
        Expect.halt(vm);
        Expect.reg(vm, ECX, 0x1d7);
        Expect.reg(vm, EDX, Layout.LDT_SELECTOR);
    }

    @EngineTest
    void dataSegmentsNeedThePrivilege(TestMachine vm) {
        vm.protectedMode();
        vm.userMode();
        Asm a = vm.program(Layout.USER_CODE).mov(EAX, Layout.KERNEL_DS | 3);
        Label load = a.here();
        vm.start(a.mov(DS, EAX).hlt());
        Expect.fault(vm, Expect.GP, Layout.KERNEL_DS, load);
    }

    @EngineTest(notOnPvm = "its instruction emulator does not know the instruction")
    void callGateChangesPrivilegeAndStackAndCopiesParameters(TestMachine vm) {
        vm.protectedMode();
        Asm inner = new Asm(0x3000)
                .bits(32)
                .mov(EAX, ptr(ESP, 8))
                .mov(EBX, ptr(ESP, 12))
                .mov(ECX, SS)
                .retfd(8);
        vm.load(inner);
        vm.descriptors.gdt(FREE, gate(Layout.KERNEL_CS32, 0x3000, CALL_GATE32 | DPL3, 2));
        vm.userMode();
        Asm a = vm.program(Layout.USER_CODE)
                .push(0x1111)
                .push(0x2222)
                .lcalld(FREE | 3, 0)
                .mov(EDX, ESP);
        Label end = a.here();
        vm.start(a.hlt());
        Frame frame = Expect.fault(vm, Expect.GP, 0, end);
        Expect.reg(vm, EAX, 0x2222);
        Expect.reg(vm, EBX, 0x1111);
        Expect.reg(vm, CX, Layout.KERNEL_DS);
        Expect.reg(vm, EDX, Layout.USER_STACK);
        assertEquals(Layout.USER_CS32, frame.cs);
        assertEquals(Layout.USER_DS, frame.ss);
    }

    @EngineTest(notOnPvm = "its instruction emulator does not know the instruction")
    void callGateIn64BitMode(TestMachine vm) {
        vm.longMode();
        Asm inner = new Asm(0x3000)
                .bits(64)
                .mov(RAX, ptr(RSP))
                .mov(RBX, ptr(RSP, 16))
                .mov(ECX, CS)
                .retfq();
        vm.load(inner);
        vm.descriptors.gdt16(FREE, gate(Layout.KERNEL_CS, 0x3000, CALL_GATE64 | DPL3, 0), 0);
        vm.userMode();
        Asm a = vm.program(Layout.USER_CODE);
        Label pointer = a.label();
        a.lcalld(ptr(pointer));
        Label back = a.here();
        a.mov(RDX, RSP);
        Label end = a.here();
        vm.start(a.hlt().bind(pointer).dd(0).dw(FREE | 3));
        Expect.fault(vm, Expect.GP, 0, end);
        Expect.reg(vm, RAX, back.address());
        Expect.reg(vm, RBX, Layout.USER_STACK);
        Expect.reg(vm, CX, Layout.KERNEL_CS);
        Expect.reg(vm, RDX, Layout.USER_STACK);
    }

    @EngineTest
    void conformingCodeRunsWithTheCallersPrivilege(TestMachine vm) {
        vm.protectedMode();
        vm.descriptors.gdt(FREE, segment(0, 0xfffff, CODE_CONFORMING, D | G));
        Asm inner = new Asm(Layout.USER_CODE + 0x1000).bits(32).mov(EAX, CS).retfd();
        vm.load(inner);
        vm.userMode();
        Asm a = vm.program(Layout.USER_CODE).lcalld(FREE, inner.origin());
        Label end = a.here();
        vm.start(a.hlt());
        Expect.fault(vm, Expect.GP, 0, end);
        Expect.reg(vm, AX, FREE | 3);
    }

    @EngineTest
    void farCallToInnerPrivilegeNeedsAGate(TestMachine vm) {
        vm.protectedMode();
        vm.userMode();
        Asm a = vm.program(Layout.USER_CODE);
        Label call = a.here();
        vm.start(a.lcalld(Layout.KERNEL_CS32, 0x3000).hlt());
        Expect.fault(vm, Expect.GP, Layout.KERNEL_CS32, call);
    }

    @EngineTest(notOnPvm = "its instruction emulator does not know the instruction")
    void farReturnToOuterPrivilegeClearsDataSegmentsThatItMayNotHave(TestMachine vm) {
        vm.protectedMode();
        Asm user = new Asm(Layout.USER_CODE).bits(32).mov(EAX, DS).mov(EBX, ESP);
        Label end = user.here();
        vm.load(user.hlt());
        vm.start(vm.program()
                .push(Layout.USER_DS)
                .push(Layout.USER_STACK)
                .push(Layout.USER_CS32)
                .push(Layout.USER_CODE)
                .retfd());
        Frame frame = Expect.fault(vm, Expect.GP, 0, end);
        Expect.reg(vm, AX, 0);
        Expect.reg(vm, EBX, Layout.USER_STACK);
        assertEquals(Layout.USER_CS32, frame.cs);
    }

    @EngineTest(notOnPvm = "its instruction emulator does not know the instruction")
    void iretToOuterPrivilegeAndBackByInterrupt(TestMachine vm) {
        vm.longMode();
        vm.descriptors.idt64(0x80, Layout.KERNEL_CS, Layout.HANDLERS + 0x80, INTERRUPT_GATE64 | DPL3, 0);
        Asm user = new Asm(Layout.USER_CODE).bits(64).mov(EAX, CS).mov(RBX, RSP).interrupt(0x80);
        Label behind = user.here();
        vm.load(user.hlt());
        vm.start(vm.program()
                .push(Layout.USER_DS)
                .push(Layout.USER_STACK)
                .push(0x202)
                .push(Layout.USER_CS)
                .push(Layout.USER_CODE)
                .iretq());
        Frame frame = Expect.fault(vm, 0x80, Expect.NONE, behind);
        Expect.reg(vm, AX, Layout.USER_CS);
        Expect.reg(vm, RBX, Layout.USER_STACK);
        assertEquals(Layout.USER_CS, frame.cs);
        assertEquals(Layout.USER_DS, frame.ss);
        assertEquals(Layout.STACK0 - 40, vm.cpu.gpr[4]);
        assertEquals(0x202, frame.rflags & 0x3202);
        assertEquals(0, vm.cpu.rflags & 0x200, "an interrupt gate clears IF");
        assertEquals(0, vm.cpu.selector[CpuState.SS], "a change of privilege in long mode loads null");
    }

    @EngineTest
    void iretToCompatibilityMode(TestMachine vm) {
        vm.longMode();
        Asm user = new Asm(Layout.USER_CODE).bits(32).db(0x40).mov(EBX, CS);
        Label end = user.here();
        vm.load(user.hlt());
        vm.set(RAX, 1)
                .start(vm.program()
                        .push(Layout.USER_DS)
                        .push(Layout.USER_STACK)
                        .push(2)
                        .push(Layout.USER_CS32)
                        .push(Layout.USER_CODE)
                        .iretq());
        Frame frame = Expect.fault(vm, Expect.GP, 0, end);
        Expect.reg(vm, EAX, 2);
        assertEquals(Layout.USER_CS32, frame.cs);
        assertEquals(Layout.USER_STACK, frame.rsp);
    }

    @EngineTest(notOnPvm = "its instruction emulator does not know the instruction")
    void trapGateLeavesInterruptsEnabled(TestMachine vm) {
        vm.protectedMode();
        vm.descriptors.idt32(0x40, gate(Layout.KERNEL_CS32, Layout.HANDLERS + 0x40, TRAP_GATE32, 0));
        vm.start(vm.program().sti().interrupt(0x40).hlt());
        Expect.fault(vm, 0x40, Expect.NONE, Layout.CODE + 3);
        assertEquals(0x200, vm.cpu.rflags & 0x200);
    }

    @EngineTest(notOnPvm = "its instruction emulator does not know the instruction")
    void sixteenBitGatePushesWords(TestMachine vm) {
        vm.protectedMode();
        Asm handler = new Asm(0x3000).bits(32).mov(EAX, ESP).mov(EBX, ptr(ESP)).iretw();
        vm.load(handler);
        vm.descriptors.idt32(0x40, gate(Layout.KERNEL_CS32, 0x3000, INTERRUPT_GATE16, 0));
        vm.start(vm.program().interrupt(0x40).hlt());
        Expect.halt(vm);
        Expect.reg(vm, EAX, Layout.STACK - 6);
        Expect.reg(vm, EBX, (long) Layout.KERNEL_CS32 << 16 | Layout.CODE + 2);
        Expect.reg(vm, ESP, Layout.STACK);
    }

    @EngineTest(notOnPvm = "its instruction emulator does not know the instruction")
    void taskSwitchByFarJumpSavesAndLoadsEverything(TestMachine vm) {
        vm.protectedMode();
        Asm second = new Asm(0x3000).bits(32).add(EAX, 1).mov(EBX, ESP).str(ECX).hlt();
        vm.load(second);
        TaskTables.task(vm, FREE, TaskTables.SECOND, 0x3000, Layout.KERNEL_DS);
        vm.memory.putInt(TaskTables.SECOND + 40, 0x41); // EAX
        vm.set(RDX, 0x99);
        Asm a = vm.program().mov(EAX, 0x77).ljmpd(FREE, 0);
        Label behind = a.here();
        vm.start(a.hlt());
        Expect.halt(vm);
        Expect.reg(vm, EAX, 0x42);
        Expect.reg(vm, EBX, Layout.STACK_IST);
        Expect.reg(vm, CX, FREE);
        assertEquals(behind.address(), vm.memory.getInt(Layout.TSS + 32));
        assertEquals(0x77, vm.memory.getInt(Layout.TSS + 40));
        assertEquals(0x99, vm.memory.getInt(Layout.TSS + 48));
        assertEquals(8, vm.cpu.cr0 & 8, "TS");
        assertEquals(TSS32 | 2, (int) (vm.memory.getLong(Layout.GDT + FREE) >>> 40) & 0xff, "the new task is busy");
        assertEquals(
                TSS32, (int) (vm.memory.getLong(Layout.GDT + Layout.TSS_SELECTOR) >>> 40) & 0xff, "the old one is not");
    }

    @EngineTest(notOnPvm = "its instruction emulator does not know the instruction")
    void taskSwitchByCallReturnsByIret(TestMachine vm) {
        vm.protectedMode();
        Asm second = new Asm(0x3000)
                .bits(32)
                .mov(EAX, 5)
                .pushfd()
                .pop(EBX)
                .mov(abs(Layout.DATA), EBX)
                .iretd();
        vm.load(second);
        TaskTables.task(vm, FREE, TaskTables.SECOND, 0x3000, Layout.KERNEL_DS);
        vm.descriptors.gdt(FREE + 8, gate(FREE, 0, TASK_GATE, 0));
        vm.start(vm.program().mov(EAX, 3).lcalld(FREE + 8, 0).hlt());
        Expect.halt(vm);
        Expect.reg(vm, EAX, 3);
        assertEquals(0x4000, vm.memory.getInt(Layout.DATA) & 0x4000, "NT");
        assertEquals(5, vm.memory.getInt(TaskTables.SECOND + 40));
        assertEquals(Layout.TSS_SELECTOR, vm.cpu.selector[CpuState.TR]);
    }

    @EngineTest(notOnPvm = "its instruction emulator does not know the instruction")
    void taskSwitchToABusyTask(TestMachine vm) {
        vm.protectedMode();
        TaskTables.task(vm, FREE, TaskTables.SECOND, 0x3000, Layout.KERNEL_DS);
        vm.descriptors.gdt(FREE, segment(TaskTables.SECOND, 0x67, TSS32 | 2, 0));
        Asm a = vm.program();
        Label jump = a.here();
        vm.start(a.ljmpd(FREE, 0).hlt());
        Expect.fault(vm, Expect.GP, FREE, jump);
    }

    @EngineTest(notOnPvm = "its instruction emulator does not know the instruction")
    void taskStateSegmentThatIsTooShort(TestMachine vm) {
        vm.protectedMode();
        vm.descriptors.gdt(FREE, segment(TaskTables.SECOND, 0x66, TSS32, 0));
        Asm a = vm.program();
        Label jump = a.here();
        vm.start(a.ljmpd(FREE, 0).hlt());
        Expect.fault(vm, Expect.TS, FREE, jump);
    }

    @EngineTest(
            notOnPvm = "its instruction emulator does not know the instruction",
            notOnTcg = "a task switch does not leave the guest; a fault of nested paging in its delivery repeats it")
    void innerStackThatIsNoStackIsAnInvalidTaskState(TestMachine vm) {
        vm.protectedMode();
        vm.descriptors.idt32(Expect.TS, gate(TaskTables.HANDLER_TASK, 0, TASK_GATE, 0));
        TaskTables.handlerTask(vm, Expect.TS);
        vm.memory.putInt(Layout.TSS + 8, FREE + 0x40);
        vm.descriptors.gdt(FREE, gate(Layout.KERNEL_CS32, 0x3000, CALL_GATE32 | DPL3, 0));
        vm.descriptors.gdt(FREE + 0x40, segment(0, 0xfffff, DATA_RO, D | G));
        vm.userMode();
        Asm a = vm.program(Layout.USER_CODE);
        Label call = a.here();
        vm.start(a.lcalld(FREE | 3, 0).hlt());
        assertEquals(Layout.HANDLERS + Expect.TS + 1, haltedAt(vm));
        assertEquals(FREE + 0x40, vm.memory.getInt(vm.cpu.gpr[4]));
        assertEquals(call.address(), vm.memory.getInt(Layout.TSS + 32));
    }

    @EngineTest(notOnPvm = "its instruction emulator does not know the instruction")
    void selectorInstructionsTellWhatMayBeDone(TestMachine vm) {
        vm.protectedMode();
        vm.descriptors.gdt(FREE, segment(0x123000, 0x12345, DATA_RO, G));
        Asm a = vm.program()
                .mov(EBX, FREE)
                .lar(EAX, EBX)
                .lsl(ECX, EBX)
                .verr(BX)
                .sete(DL)
                .verw(BX)
                .sete(DH)
                .mov(EBX, 0xfff8)
                .lar(ESI, EBX)
                .setne(BL);
        vm.start(a.hlt());
        Expect.halt(vm);
        assertEquals(0x809100, vm.get(EAX) & ~0xf0000L, "bits 19 to 16 are undefined");
        Expect.reg(vm, ECX, 0x12345fff);
        Expect.reg(vm, DL, 1);
        assertEquals(0, vm.get(EDX) >> 8 & 0xff);
        Expect.reg(vm, BL, 1);
    }

    @EngineTest(notOnPvm = "its instruction emulator does not know the instruction")
    void arplRaisesTheRequestedPrivilege(TestMachine vm) {
        vm.protectedMode();
        vm.start(vm.program()
                .mov(EAX, 0x70)
                .mov(EBX, 3)
                .arpl(AX, BX)
                .pushfd()
                .pop(ECX)
                .hlt());
        Expect.halt(vm);
        Expect.reg(vm, AX, 0x73);
        assertEquals(ZF, vm.get(RCX) & ZF);
    }

    @EngineTest(notOnTcg = "a prefix for DS adds its base in 64-bit mode")
    void in64BitModeOnlyFsAndGsHaveBases(TestMachine vm) {
        vm.longMode();
        Segments.set(vm.cpu, CpuState.DS, Layout.KERNEL_DS, 0x1000, 0xff, 0x4093);
        vm.memory.putInt(Layout.DATA, 55);
        vm.memory.putInt(Layout.DATA + 0x100, 66);
        Asm a = vm.program()
                .mov(EAX, abs(Layout.DATA).in(DS))
                .mov(ECX, 0xc0000100L)
                .mov(EAX, (int) Layout.DATA)
                .xor(EDX, EDX)
                .wrmsr()
                .mov(EBX, ptr(RDX, 0x100).in(FS));
        a.mov(ECX, 0xc0000101L)
                .mov(EAX, 0x1000)
                .wrmsr()
                .mov(ECX, 0xc0000102L)
                .mov(EAX, (int) Layout.DATA)
                .wrmsr()
                .swapgs()
                .mov(ESI, ptr(RDX, 0x100).in(GS));
        a.mov(ECX, 0xc0000102L).rdmsr().mov(EDI, abs(Layout.DATA).in(DS));
        vm.start(a.hlt());
        Expect.halt(vm);
        Expect.reg(vm, EBX, 66);
        Expect.reg(vm, ESI, 66);
        Expect.reg(vm, EAX, 0x1000);
        Expect.reg(vm, EDI, 55);
    }

    @EngineTest
    void loadOfFsIn64BitModeClearsTheUpperBase(TestMachine vm) {
        vm.longMode();
        vm.cpu.base[CpuState.FS] = 0x1234_0000_0000L;
        vm.start(vm.program().mov(EAX, Layout.KERNEL_DS).mov(FS, EAX).hlt());
        Expect.halt(vm);
        assertEquals(0, vm.cpu.base[CpuState.FS]);
    }

    @EngineTest
    void ltrMarksTheTaskBusyAndRefusesABusyOne(TestMachine vm) {
        vm.longMode();
        vm.descriptors.gdt16(FREE, segment(Layout.TSS, 0x67, TSS64, 0), 0);
        Asm a = vm.program().mov(EAX, FREE).ltr(AX);
        Label again = a.here();
        vm.start(a.ltr(AX).hlt());
        Expect.fault(vm, Expect.GP, FREE, again);
        assertEquals(TSS64 | 2, (int) (vm.memory.getLong(Layout.GDT + FREE) >>> 40) & 0xff);
        assertEquals(FREE, vm.cpu.selector[CpuState.TR]);
    }

    @EngineTest
    void lgdtAndLidtIn64BitModeTakeTenBytes(TestMachine vm) {
        vm.longMode();
        vm.memory.putInt(Layout.DATA, 0x5678_0123);
        vm.memory.putLong(Layout.DATA + 2, 0xffff_8000_1234_5678L);
        vm.start(vm.program().lgdt(abs(Layout.DATA)).sgdt(abs(Layout.DATA + 16)).hlt());
        Expect.halt(vm);
        assertEquals(0xffff_8000_1234_5678L, vm.memory.getLong(Layout.DATA + 18));
        assertEquals(0x0123, vm.memory.getInt(Layout.DATA + 16) & 0xffff);
        assertEquals(0x0123, vm.cpu.gdtrLimit);
    }

    /** Selectors that are null with an RPL; FS and GS have bases that no descriptor gave them. */
    private static void nullSegments(TestMachine vm) {
        vm.longMode();
        int[] segments = {CpuState.ES, CpuState.DS, CpuState.FS, CpuState.GS};
        for (int segment : segments) Segments.set(vm.cpu, segment, 3, 0, 0, 0x10000);
        vm.cpu.base[CpuState.FS] = 0x1234_0000_0000L;
        vm.cpu.base[CpuState.GS] = 0x5678_0000_0000L;
        vm.apply();
    }

    private static void keepsBases(TestMachine vm, Asm program) {
        Asm user = new Asm(Layout.USER_CODE)
                .bits(64)
                .mov(EAX, FS)
                .mov(EBX, GS)
                .mov(ECX, DS)
                .mov(EDX, ES);
        Label end = user.here();
        vm.load(user.hlt());
        vm.start(program);
        Expect.fault(vm, Expect.GP, 0, end);
        assertEquals(0x1234_0000_0000L, vm.cpu.base[CpuState.FS]);
        assertEquals(0x5678_0000_0000L, vm.cpu.base[CpuState.GS]);
        Expect.reg(vm, EAX, 0);
        Expect.reg(vm, EBX, 0);
        Expect.reg(vm, ECX, 0);
        Expect.reg(vm, EDX, 0);
    }

    private static Asm iret(TestMachine vm) {
        Asm a = vm.program().push(Layout.USER_DS).push(Layout.USER_STACK).push(2);
        return a.push(Layout.USER_CS).push(Layout.USER_CODE).iretq();
    }

    private static Asm ret(TestMachine vm) {
        Asm a = vm.program().push(Layout.USER_DS).push(Layout.USER_STACK);
        return a.push(Layout.USER_CS).push(Layout.USER_CODE).retfq();
    }

    @EngineTest(notOnPvm = "user code runs with selectors of its own", notOnTcg = NULL_FS)
    void iretWithNullSegmentsKeepsTheBasesOfFsAndGs(TestMachine vm) {
        nullSegments(vm);
        keepsBases(vm, iret(vm));
    }

    @EngineTest(notOnPvm = "user code runs with selectors of its own", notOnTcg = NULL_FS)
    void farReturnWithNullSegmentsKeepsTheBasesOfFsAndGs(TestMachine vm) {
        nullSegments(vm);
        keepsBases(vm, ret(vm));
    }

    /** Segments of privilege level 0, and a null selector whose descriptor cache is still that of real mode. */
    @EngineTest(only = "soft")
    void segmentsThatAReturnTakesAwayKeepTheirBases(TestMachine vm) {
        for (boolean far : new boolean[] {false, true}) {
            nullSegments(vm);
            Segments.set(vm.cpu, CpuState.FS, Layout.KERNEL_DS, 0x1234_0000_0000L, 0xffffffff, 0xc093);
            Segments.set(vm.cpu, CpuState.GS, 0, 0x5678_0000_0000L, 0xffff, 0xf3);
            keepsBases(vm, far ? ret(vm) : iret(vm));
            assertEquals(0x10000, vm.cpu.access[CpuState.FS] & 0x10000);
            assertEquals(0x10000, vm.cpu.access[CpuState.GS] & 0x10000);
        }
    }

    /** SDM vol. 2A, 2.2.1.2: REX.R counts for no segment register. */
    @EngineTest
    void moveToAndFromSegmentRegisterIgnoresRexR(TestMachine vm) {
        vm.longMode();
        Asm a = vm.program().mov(EAX, Layout.KERNEL_DS).xor(EBX, EBX).db(0x44, 0x8e, 0xc0); // mov es, eax
        a.mov(R8D, Layout.USER_DS).db(0x45, 0x8e, 0xe0); // mov fs, r8d
        a.db(0x44, 0x8c, 0xc3).db(0x4d, 0x8c, 0xe1); // mov ebx, es; mov r9, fs
        vm.start(a.db(0x44, 0x8c, 0x24, 0x25).dd(Layout.DATA).hlt()); // mov [data], fs
        Expect.halt(vm);
        Expect.reg(vm, EBX, Layout.KERNEL_DS);
        Expect.reg(vm, R9, Layout.USER_DS);
        assertEquals(Layout.USER_DS, vm.memory.getInt(Layout.DATA));
        vm.start(vm.program(0x1100).db(0x44, 0x8e, 0xc8).hlt()); // mov cs, eax
        Expect.fault(vm, Expect.UD, Expect.NONE, 0x1100);
        vm.start(vm.program(0x1200).db(0x44, 0x8c, 0xf0).hlt()); // no such register
        Expect.fault(vm, Expect.UD, Expect.NONE, 0x1200);
    }
}
