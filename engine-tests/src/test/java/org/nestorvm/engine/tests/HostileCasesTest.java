package org.nestorvm.engine.tests;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.nestorvm.asm.Reg.EAX;
import static org.nestorvm.asm.Reg.ESP;

import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.nestorvm.asm.Asm;
import org.nestorvm.vmm.CpuState;
import org.nestorvm.vmm.Exit;

/** What random guests have shown, each by itself. */
class HostileCasesTest {
    private static final long AM = 1 << 18, AC = 1 << 18;

    /** #AC whose handler's stack is not aligned either: on hardware the processor never gets anywhere (CVE-2015-5307). The monitor does. */
    @EngineTest(only = "soft")
    void alignmentCheckThatMeetsItselfCanBeStopped(TestMachine vm) {
        vm.protectedMode().userMode();
        vm.descriptors.idt32(Expect.AC, Descriptors.gate(Layout.USER_CS32, Layout.USER_CODE + 0x800, Descriptors.INTERRUPT_GATE32, 0));
        vm.cpu.cr0 |= AM;
        vm.cpu.rflags |= AC;
        vm.cpu.gpr[CpuState.RSP] = Layout.USER_STACK - 1;
        vm.start(vm.program(Layout.USER_CODE).push(EAX).hlt());
        CompletableFuture.delayedExecutor(100, TimeUnit.MILLISECONDS).execute(vm.vcpu(0)::kick);
        assertEquals(new Exit.Interrupted(), vm.runUntilExit());
        assertEquals(Layout.USER_CODE, vm.cpu.rip, "the instruction has not been executed");
        assertEquals(Layout.USER_STACK - 1, vm.get(ESP));
    }

    /** Structures need the alignment of their parts, not of their size. */
    @EngineTest
    void alignmentCheckOfAStructure(TestMachine vm) {
        vm.protectedMode().userMode();
        vm.cpu.cr0 |= AM;
        vm.cpu.rflags |= AC;
        Asm a = vm.program(Layout.USER_CODE);
        vm.start(a.db(0x0f, 0xae, 0x05).dd((int) Layout.USER_DATA + 0x30).db(0xf4));       // fxsave, then hlt, which is privileged
        Expect.fault(vm, Expect.GP, 0, Layout.USER_CODE + 7);
    }

    /** A fault of the new task's stands at its first instruction, wherever the jump stood in the old one's code. */
    @EngineTest(notOnPvm = "its instruction emulator does not know the instruction")
    void faultInATaskSwitchBelongsToTheNewTask(TestMachine vm) {
        vm.protectedMode();
        TaskTables.task(vm, Layout.FREE_SELECTOR, TaskTables.SECOND, 0x3000, Layout.KERNEL_DS);
        vm.memory.putInt(TaskTables.SECOND + 84, 0x7f8);         // DS: a null descriptor in the table
        Asm a = vm.program();
        vm.start(a.nop().nop().nop().db(0xea).dd(0).dw(Layout.FREE_SELECTOR).hlt());
        Expect.fault(vm, Expect.TS, 0x7f8, 0x3000);
    }
}
