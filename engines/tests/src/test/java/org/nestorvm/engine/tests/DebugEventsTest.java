package org.nestorvm.engine.tests;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.nestorvm.asm.Mem.abs;
import static org.nestorvm.asm.Mem.ptr;
import static org.nestorvm.asm.Reg.*;
import static org.nestorvm.engine.tests.DebugRecord.at;
import static org.nestorvm.engine.tests.DebugRecord.stepping;
import static org.nestorvm.engine.tests.DebugRecord.steppingEnds;

import org.nestorvm.asm.Asm;
import org.nestorvm.asm.Label;
import org.nestorvm.vmm.CpuState;

/**
 * What becomes of debug traps beside other events (SDM vol. 3A, 6.8.3 and table 6-2; vol. 3B, 17.3). Tests of what
 * vendors or KVM's instruction emulator do otherwise run on the soft engine only.
 */
class DebugEventsTest {
    private static final String EMULATOR = "its instruction emulator does not step";
    private static final long HANDLER = 0x7800, KERNEL = 0x3000, WATCHED = Layout.USER_DATA + 0x100;
    private static final int VECTOR = 0x80;
    /** Breakpoint 0 on reads and writes of two bytes; on an instruction; general detect. */
    private static final long DR7_READS = 0x401 | 0x7 << 16, DR7_CODE = 0x401, DR7_GD = 0x2000;

    /** A program of privilege level 3. */
    private static Asm user(TestMachine vm) {
        vm.userMode();
        return vm.program(Layout.USER_CODE);
    }

    /** The first two bytes at {@link #WATCHED} are a selector for SS, and reading them is a trap. */
    private static void watch(TestMachine vm, int selector) {
        vm.memory.putInt(WATCHED, selector);
        vm.cpu.dr[0] = WATCHED;
        vm.cpu.dr[7] = DR7_READS;
        vm.apply();
    }

    private static void handler(TestMachine vm, int vector, Asm handler) {
        vm.load(handler);
        int gate = Descriptors.INTERRUPT_GATE64 | Descriptors.DPL3;
        vm.descriptors.idt64(vector, Layout.KERNEL_CS, handler.origin(), gate, 0);
    }

    private static Asm handler() {
        return new Asm(HANDLER).bits(64);
    }

    private static void ends(TestMachine vm, Label hlt) {
        Expect.fault(vm, Expect.GP, 0, hlt);
    }

    @EngineTest(notOnPvm = EMULATOR, notOnTcg = "INT1 is undefined")
    void int1WhileSteppingIsOneException(TestMachine vm) {
        vm.longMode();
        DebugRecord record = DebugRecord.of(vm);
        Asm a = stepping(user(vm)).int1();
        Label behind = a.here();
        a.nop();
        Label end = steppingEnds(a).here();
        vm.start(a.hlt());
        ends(vm, end);
        record.assertCallsAndSteps(end, at(behind, ""), at(Label.of(behind.address() + 1), "BS"));
    }

    @EngineTest(notOnPvm = EMULATOR)
    void softwareInterruptLeavesNoStepBehind(TestMachine vm) {
        vm.longMode();
        handler(vm, VECTOR, handler().inc(EBX).iretq());
        vm.descriptors.idt64(Expect.BP, Layout.KERNEL_CS, HANDLER, Descriptors.INTERRUPT_GATE64 | Descriptors.DPL3, 0);
        DebugRecord record = DebugRecord.of(vm);
        Asm a = stepping(user(vm).xor(EBX, EBX)).interrupt(VECTOR).nop();
        Label first = a.here();
        a.int3().nop();
        Label second = a.here();
        Label end = a.popfq().here();
        vm.memory.putLong(Layout.USER_STACK - 8, 2);
        vm.set(RSP, Layout.USER_STACK - 8).start(a.hlt());
        ends(vm, end);
        Expect.reg(vm, EBX, 2);
        record.assertCalls(at(first, "BS"), at(second, "BS"), at(end, "BS"));
    }

    @EngineTest(notOnPvm = EMULATOR)
    void intoIsSteppedOnlyWhenItDoesNotTrap(TestMachine vm) {
        vm.protectedMode();
        vm.load(new Asm(0x7000)
                .bits(32)
                .mov(EAX, ptr(ESP))
                .mov(ptr(EDI), EAX)
                .add(EDI, 4)
                .iretd());
        vm.descriptors.idt32(Expect.DB, Descriptors.gate(Layout.KERNEL_CS32, 0x7000, Descriptors.INTERRUPT_GATE32, 0));
        vm.load(new Asm(HANDLER).bits(32).and(ptr(ESP, 8).m32(), ~0x900).iretd());
        vm.descriptors.idt32(Expect.OF, Descriptors.gate(Layout.KERNEL_CS32, HANDLER, Descriptors.INTERRUPT_GATE32, 0));
        Asm a = vm.program()
                .mov(EDI, Layout.DATA)
                .pushfd()
                .or(ptr(ESP).m32(), 0x100)
                .popfd()
                .into();
        Label first = a.here();
        Label second = a.pushfd().here();
        Label third = a.or(ptr(ESP).m32(), 0x800).here();
        Label fourth = a.popfd().here();
        vm.start(a.into().hlt());
        Expect.halt(vm);
        int n = 0;
        for (Label step : new Label[] {first, second, third, fourth}) {
            assertEquals(step.address(), vm.memory.getInt(Layout.DATA + 4 * n++));
        }
        Expect.reg(vm, EDI, Layout.DATA + 16);
    }

    @EngineTest(notOnPvm = EMULATOR)
    void stepOverAFaultComesWhenTheInstructionHasCompleted(TestMachine vm) {
        vm.longMode();
        handler(vm, Expect.UD, handler().add(ptr(RSP).m64(), 2).iretq());
        DebugRecord record = DebugRecord.of(vm);
        Asm a = stepping(user(vm)).ud2().nop();
        Label nop = a.here();
        Label end = steppingEnds(a).here();
        vm.start(a.hlt());
        ends(vm, end);
        record.assertCallsAndSteps(end, at(nop, "BS"));
    }

    private static void systemCalls(TestMachine vm, long mask) {
        vm.cpu.star = (long) (Layout.USER_CS32 & ~3) << 48 | (long) Layout.KERNEL_CS << 32;
        vm.cpu.lstar = KERNEL;
        vm.cpu.sfmask = mask;
        vm.cpu.sysenterCs = Layout.KERNEL_CS;
        vm.cpu.sysenterEip = KERNEL;
        vm.cpu.sysenterEsp = Layout.STACK0;
    }

    /** The frame of #DB would be below the user's stack pointer: give the handler a stack of its own. */
    private static void ownStack(TestMachine vm) {
        vm.descriptors.idt64(Expect.DB, Layout.KERNEL_CS, 0x7000, Descriptors.INTERRUPT_GATE64, 1);
    }

    @EngineTest(notOnPvm = EMULATOR)
    void syscallIsSteppedByTheFlagsThatItLoads(TestMachine vm) {
        vm.longMode();
        systemCalls(vm, DebugRecord.TF);
        vm.load(new Asm(KERNEL).bits(64).hlt());
        DebugRecord record = DebugRecord.of(vm);
        ownStack(vm);
        vm.start(stepping(user(vm)).syscall());
        Expect.halt(vm);
        record.assertCalls();
        systemCalls(vm, 0);
        vm.longMode();
        record = DebugRecord.of(vm);
        ownStack(vm);
        Label entry = Label.of(KERNEL), second = Label.of(KERNEL + 1);
        Asm kernel = new Asm(KERNEL).bits(64).nop().mov(RSP, Layout.STACK);
        Label third = kernel.here();
        Label end = steppingEnds(kernel).here();
        vm.load(kernel.hlt());
        vm.start(stepping(user(vm)).syscall());
        Expect.halt(vm);
        record.assertCallsAndSteps(end, at(entry, "BS"), at(second, "BS"), at(third, "BS"));
    }

    @EngineTest(notOnPvm = EMULATOR)
    void sysretThatSetsTheTrapFlagTrapsBeforeTheFirstInstruction(TestMachine vm) {
        vm.longMode();
        systemCalls(vm, 0);
        DebugRecord record = DebugRecord.of(vm);
        Asm user = new Asm(Layout.USER_CODE).bits(64);
        Label first = user.here();
        Label second = user.nop().here();
        Label end = steppingEnds(user).here();
        vm.load(user.hlt());
        vm.start(vm.program()
                .mov(RSP, Layout.USER_STACK)
                .mov(RCX, Layout.USER_CODE)
                .mov(R11, 0x102)
                .sysretq());
        ends(vm, end);
        record.assertCallsAndSteps(end, at(first, "BS"), at(second, "BS"));
    }

    @EngineTest(notOnPvm = EMULATOR, notOnAmd = "SYSENTER is undefined in long mode")
    void sysenterKeepsTheTrapFlag(TestMachine vm) {
        vm.longMode();
        systemCalls(vm, 0);
        DebugRecord record = DebugRecord.of(vm);
        ownStack(vm);
        Label entry = Label.of(KERNEL);
        Asm kernel = new Asm(KERNEL).bits(64).pushfq();
        Label second = kernel.here();
        Label third = kernel.and(ptr(RSP).m32(), ~DebugRecord.TF).here();
        Label end = kernel.popfq().here();
        vm.load(kernel.hlt());
        vm.start(stepping(user(vm)).sysenter());
        Expect.halt(vm);
        record.assertCalls(at(entry, "BS"), at(second, "BS"), at(third, "BS"), at(end, "BS"));
    }

    @EngineTest(notOnPvm = EMULATOR)
    void haltIsEndedByItsOwnStep(TestMachine vm) {
        vm.longMode();
        DebugRecord record = DebugRecord.of(vm);
        Asm a = stepping(vm.program()).hlt();
        Label behind = a.here();
        Label and = a.pushfq().here();
        Label popf = a.and(ptr(RSP).m32(), ~DebugRecord.TF).here();
        Label end = a.popfq().here();
        vm.start(a.hlt());
        Expect.halt(vm);
        record.assertCalls(at(behind, "BS"), at(and, "BS"), at(popf, "BS"), at(end, "BS"));
    }

    // ---- MOV SS ----

    @EngineTest(only = "soft")
    void movSsSuppressesItsStep(TestMachine vm) {
        vm.longMode();
        DebugRecord record = DebugRecord.of(vm);
        Asm a = stepping(user(vm).mov(EAX, SS)).mov(SS, EAX).int1();
        Label int1 = a.here();
        Label end = steppingEnds(a).here();
        vm.start(a.hlt());
        ends(vm, end);
        record.assertCallsAndSteps(end, at(int1, ""));
    }

    @EngineTest(only = "soft")
    void movSsAndGeneralDetect(TestMachine vm) {
        vm.longMode();
        DebugRecord record = DebugRecord.of(vm);
        vm.cpu.dr[7] |= DR7_GD;
        Asm a = stepping(vm.program().mov(EAX, SS)).mov(SS, EAX);
        Label move = a.here();
        Label next = a.mov(RBX, DR0).here();
        Label end = steppingEnds(a).here();
        vm.start(a.hlt());
        Expect.halt(vm);
        record.assertCallsAndSteps(end, at(move, "BD RF"), at(next, "BS"));
        assertEquals(0, vm.cpu.dr[7] & DR7_GD);
    }

    @EngineTest(only = "soft")
    void onlyTheFirstOfSeveralMovSsHasAShadow(TestMachine vm) {
        vm.longMode();
        DebugRecord record = DebugRecord.of(vm);
        Asm a = stepping(vm.program().mov(EAX, SS)).mov(SS, EAX).mov(SS, EAX);
        Label second = a.here();
        a.popfq();
        Label end = a.here();
        vm.memory.putLong(Layout.STACK - 8, 2);
        vm.set(RSP, Layout.STACK - 8).start(a.hlt());
        Expect.halt(vm);
        record.assertCalls(at(second, "BS"), at(end, "BS"));
    }

    @EngineTest(only = "soft")
    void loadOfAFarPointerToSsHasNoShadow(TestMachine vm) {
        vm.longMode();
        DebugRecord record = DebugRecord.of(vm);
        vm.memory.putInt(Layout.DATA, (int) Layout.STACK - 64);
        vm.memory.putInt(Layout.DATA + 4, Layout.KERNEL_DS);
        vm.memory.putLong(Layout.STACK - 64, 2);
        Asm a = stepping(vm.program()).lss(ESP, abs(Layout.DATA));
        Label lss = a.here();
        Label end = a.popfq().here();
        vm.start(a.hlt());
        Expect.halt(vm);
        record.assertCalls(at(lss, "BS"), at(end, "BS"));
    }

    @EngineTest(only = "soft")
    void watchedMovSsTrapsOneInstructionLater(TestMachine vm) {
        vm.longMode();
        DebugRecord record = DebugRecord.of(vm);
        Asm a = user(vm);
        watch(vm, Layout.USER_DS);
        a.mov(SS, abs(WATCHED).m16()).nop();
        Label nop = a.here();
        stepping(a).mov(SS, abs(WATCHED).m16()).nop();
        Label both = a.here();
        Label end = a.popfq().here();
        vm.memory.putLong(Layout.USER_STACK - 8, 2);
        vm.set(RSP, Layout.USER_STACK - 8).start(a.hlt());
        ends(vm, end);
        record.assertCalls(at(nop, "B0"), at(both, "BS B0"), at(end, "BS"));
    }

    @EngineTest(only = "soft")
    void int1TakesTheWatchpointOfMovSsWithIt(TestMachine vm) {
        vm.longMode();
        DebugRecord record = DebugRecord.of(vm);
        Asm a = user(vm);
        watch(vm, Layout.USER_DS);
        a.mov(SS, abs(WATCHED).m16()).int1();
        Label end = a.here();
        vm.start(a.hlt());
        ends(vm, end);
        record.assertCalls(at(end, "B0"));
    }

    @EngineTest(only = "soft")
    void watchpointOfMovSsFollowsASoftwareInterrupt(TestMachine vm) {
        vm.longMode();
        handler(vm, VECTOR, handler().inc(EBX).iretq());
        DebugRecord record = DebugRecord.of(vm);
        Asm a = user(vm);
        watch(vm, Layout.USER_DS);
        stepping(a.xor(EBX, EBX)).mov(SS, abs(WATCHED).m16()).interrupt(VECTOR).popfq();
        Label end = a.here();
        vm.memory.putLong(Layout.USER_STACK - 8, 2);
        vm.set(RSP, Layout.USER_STACK - 8).start(a.hlt());
        ends(vm, end);
        Expect.reg(vm, EBX, 1);
        record.assertCalls(at(Label.of(HANDLER), "B0"), at(end, "BS"));
    }

    @EngineTest(only = "soft")
    void watchpointOfMovSsFollowsASystemCall(TestMachine vm) {
        vm.longMode();
        systemCalls(vm, DebugRecord.TF);
        vm.load(new Asm(KERNEL).bits(64).hlt());
        DebugRecord record = DebugRecord.of(vm);
        ownStack(vm);
        Asm a = user(vm);
        watch(vm, Layout.USER_DS);
        vm.start(stepping(a).mov(SS, abs(WATCHED).m16()).syscall());
        Expect.halt(vm);
        record.assertCalls(at(Label.of(KERNEL), "B0"));
    }

    @EngineTest(only = "soft")
    void watchpointOfMovSsIsLostWithAFault(TestMachine vm) {
        vm.longMode();
        DebugRecord record = DebugRecord.of(vm);
        Asm a = user(vm);
        watch(vm, Layout.USER_DS);
        Label end = a.mov(SS, abs(WATCHED).m16()).here();
        vm.start(a.hlt());
        ends(vm, end);
        record.assertCalls();
    }

    @EngineTest(only = "soft")
    void watchpointHitByAnInstructionThatFaultsDoesNotCount(TestMachine vm) {
        vm.longMode();
        DebugRecord record = DebugRecord.of(vm);
        Asm a = user(vm);
        watch(vm, 0);
        a.mov(RSI, WATCHED).mov(RDI, 0x600000);
        Label movs = a.here();
        vm.start(a.movsb().hlt());
        Expect.pageFault(vm, 7, 0x600000, movs);
        record.assertCalls();
    }

    // ---- the resume flag ----

    @EngineTest(only = "soft")
    void breakpointArmedByMovToDr7HitsTheNextInstruction(TestMachine vm) {
        vm.longMode();
        DebugRecord record = DebugRecord.resuming(vm);
        handler(vm, Expect.UD, handler().add(ptr(RSP).m64(), 2).iretq());
        Asm a = vm.program();
        Label target = a.label();
        a.lea(RAX, ptr(target))
                .mov(DR0, RAX)
                .mov(EAX, DR7_CODE)
                .ud2()
                .nop()
                .mov(DR7, RAX)
                .bind(target)
                .inc(EBX);
        vm.set(RBX, 0).start(a.hlt());
        Expect.halt(vm);
        record.assertCalls(at(target, "B0"));
        Expect.reg(vm, EBX, 1);
    }

    @EngineTest(only = "soft")
    void resumeFlagPassesOneInstructionAndIsGone(TestMachine vm) {
        vm.longMode();
        DebugRecord record = DebugRecord.resuming(vm);
        handler(vm, VECTOR, handler().mov(RDX, ptr(RSP, 16)).iretq());
        Asm a = vm.program().mov(ECX, 2);
        Label loop = a.here();
        a.dec(ECX).jnz(loop);
        a.push(Layout.KERNEL_DS).push(Layout.STACK).push(0x10002).push(Layout.KERNEL_CS);
        Label resumed = a.label();
        a.lea(RAX, ptr(resumed)).push(RAX).iretq().bind(resumed).nop().interrupt(VECTOR);
        a.assemble();
        vm.cpu.dr[0] = loop.address();
        vm.cpu.dr[7] = DR7_CODE;
        vm.start(a.hlt());
        Expect.halt(vm);
        record.assertCalls(at(loop, "B0"), at(loop, "B0"));
        assertEquals(0, vm.get(RDX) & DebugRecord.RF);
        assertEquals(0, vm.cpu.rflags & DebugRecord.RF);
    }

    @EngineTest(only = "soft")
    void returnThatSetsTheResumeFlagKeepsItWhileStepping(TestMachine vm) {
        vm.longMode();
        DebugRecord record = DebugRecord.of(vm);
        Label target = Label.of(KERNEL);
        vm.load(new Asm(KERNEL).bits(64).nop().hlt());
        Asm a = stepping(vm.program())
                .push(Layout.KERNEL_DS)
                .push(Layout.STACK)
                .push(0x10002)
                .push(Layout.KERNEL_CS);
        a.push(KERNEL).iretq();
        vm.cpu.dr[0] = KERNEL;
        vm.cpu.dr[7] = DR7_CODE;
        vm.start(a);
        Expect.halt(vm);
        assertEquals(at(target, "BS RF"), record.call(5), "the step of IRET itself; the breakpoint after it is passed");
    }

    @EngineTest(only = "soft")
    void breakpointOnARepeatedInstructionHitsOnce(TestMachine vm) {
        vm.longMode();
        DebugRecord record = DebugRecord.resuming(vm);
        Asm a = vm.program().mov(EDI, Layout.DATA).mov(ECX, 3);
        Label rep = a.here();
        a.rep().stosb();
        Label behind = a.here();
        a.assemble();
        vm.cpu.dr[0] = rep.address();
        vm.cpu.dr[1] = Layout.DATA + 1;
        vm.cpu.dr[2] = Layout.DATA + 2;
        vm.cpu.dr[7] = 0x415 | 1 << 20 | 1 << 24;
        vm.start(a.hlt());
        Expect.halt(vm);
        record.assertCalls(at(rep, "B0"), at(rep, "B1 RF"), at(behind, "B2"));
    }

    /** The trap comes before the first instruction of the gate's target, and of the interrupt's handler. */
    @EngineTest(only = "soft")
    void breakpointOnTheStackOfAGate(TestMachine vm) {
        for (boolean gate : new boolean[] {false, true}) {
            vm.protectedMode();
            int call = Descriptors.CALL_GATE32 | Descriptors.DPL3;
            int interrupt = Descriptors.INTERRUPT_GATE32 | Descriptors.DPL3;
            vm.descriptors.gdt(Layout.FREE_SELECTOR, Descriptors.gate(Layout.KERNEL_CS32, KERNEL, call, 0));
            vm.descriptors.idt32(VECTOR, Descriptors.gate(Layout.KERNEL_CS32, KERNEL, interrupt, 0));
            vm.load(new Asm(KERNEL).bits(32).hlt());
            Asm a = user(vm);
            vm.cpu.dr[1] = Layout.STACK0 - 8;
            vm.cpu.dr[7] = 0x404 | 0xd << 20; // the old stack pointer, 4 bytes
            vm.cpu.dr[6] = 0xffff0ff0L;
            vm.start(gate ? a.lcalld(Layout.FREE_SELECTOR | 3, 0) : a.interrupt(VECTOR));
            Expect.fault(vm, Expect.DB, Expect.NONE, KERNEL);
            assertEquals(2, vm.cpu.dr[6] & 0xe00f);
        }
    }

    // ---- ports and tasks ----

    /** KVM does not look at breakpoints when an access leaves the guest. */
    @EngineTest(only = "soft")
    void breakpointOnAPortIsATrap(TestMachine vm) {
        vm.longMode();
        vm.cpu.cr4 |= 8;
        DebugRecord record = DebugRecord.of(vm);
        vm.cpu.dr[3] = 0x61;
        vm.cpu.dr[7] = 0x440 | 2L << 28;
        Asm a = vm.program().out(0x60, AL).out(0x60, AX);
        Label word = a.here();
        Label in = a.in(AL, 0x61).here();
        vm.start(a.out(0x62, AL).hlt());
        for (int n = 0; n < 4; n++) vm.run();
        Expect.halt(vm);
        record.assertCalls(at(word, "B3"), at(in, "B3"));
    }

    @EngineTest(only = "soft")
    void taskWithItsTrapFlagTrapsBeforeItsFirstInstruction(TestMachine vm) {
        vm.protectedMode();
        vm.load(new Asm(0x3000).bits(32).hlt());
        TaskTables.task(vm, Layout.FREE_SELECTOR, TaskTables.SECOND, 0x3000, Layout.KERNEL_DS);
        vm.memory.putInt(TaskTables.SECOND + 100, 0x68 << 16 | 1);
        vm.cpu.dr[7] = 0x7ff;
        vm.start(vm.program().ljmpd(Layout.FREE_SELECTOR, 0).hlt());
        Expect.fault(vm, Expect.DB, Expect.NONE, 0x3000);
        assertEquals(0x8000, vm.cpu.dr[6] & 0xe00f);
        assertEquals(0x6aa, vm.cpu.dr[7], "the local breakpoints belong to the old task");
        assertEquals(Layout.FREE_SELECTOR, vm.cpu.selector[CpuState.TR]);
    }
}
