package org.nestorvm.engine.tests;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.nestorvm.asm.Reg.EBX;
import static org.nestorvm.asm.Reg.RDI;
import static org.nestorvm.asm.Reg.RDX;
import static org.nestorvm.asm.Reg.RSP;

import org.nestorvm.asm.Asm;
import org.nestorvm.asm.Mem;
import org.nestorvm.memory.sys.Errno;
import org.nestorvm.memory.sys.FaultPoints;
import org.nestorvm.vmm.CpuState;
import org.nestorvm.vmm.EngineVcpu;
import org.nestorvm.vmm.Exit;

/**
 * The host has no memory for the pages that the delivery of an event needs, and a stop request comes meanwhile: the
 * event is delivered when the guest goes on.
 */
class ShortageTest {
    private static final int VECTOR = 0x33, TF = 0x100, SVR = 0xf0;
    private static final long HANDLER = 0x7000, STACK = 0x900000, APIC = 0xfee00000L;

    /**
     * The guest waits for its event at the first HLT, with all resident that it needs up to there, and none of its
     * stack.
     */
    private static void waits(TestMachine vm, Asm program) {
        vm.longMode().map(APIC, APIC, PageTables.P | PageTables.W | PageTables.PCD);
        vm.cpu.gpr[CpuState.RSP] = STACK;
        vm.cpu.gpr[CpuState.RBX] = 0;
        for (int vector : new int[] {Expect.DB, Expect.NMI, VECTOR})
            vm.descriptors.idt64(vector, Layout.KERNEL_CS, HANDLER, Descriptors.INTERRUPT_GATE64, 0);
        vm.load(new Asm(HANDLER)
                .bits(64)
                .inc(EBX)
                .mov(RDX, Mem.ptr(RSP))
                .and(Mem.ptr(RSP, 16).m32(), ~TF)
                .iretq());
        vm.start(program);
        vm.runUntilExit();
    }

    /** Runs into the shortage, is stopped there, and goes on when there is memory again. */
    private static void stopInTheShortage(TestMachine vm) throws InterruptedException {
        try (FaultPoints.Plan plan = FaultPoints.failAll("madvise", Errno.ENOMEM)) {
            Thread stop = Thread.ofPlatform().daemon().start(() -> {
                while (!Thread.interrupted()) {
                    if (plan.reached() > 0)
                        vm.vcpu(0).kick(); // again and again: each also shortens the engine's wait for memory
                    Thread.yield();
                }
            });
            Exit exit = vm.runUntilExit();
            stop.interrupt();
            stop.join();
            assertEquals(new Exit.Interrupted(), exit);
        }
        Expect.reg(vm, EBX, 0);
        Exit exit = vm.runUntilExit();
        if (exit instanceof Exit.Interrupted) exit = vm.runUntilExit(); // the last one came late
        assertEquals(new Exit.HaltForever(), exit);
    }

    @EngineTest(only = "soft")
    void injectedInterruptIsNotLost(TestMachine vm) throws Exception {
        waits(vm, new Asm(Layout.CODE).bits(64).sti().hlt().cli().hlt());
        vm.vcpu(0).inject(new EngineVcpu.Event(EngineVcpu.Event.Type.EXTERNAL_INTERRUPT, VECTOR, -1));
        stopInTheShortage(vm);
        Expect.reg(vm, EBX, 1);
    }

    @EngineTest(only = "soft")
    void nonMaskableInterruptIsNotLost(TestMachine vm) throws Exception {
        waits(vm, new Asm(Layout.CODE).bits(64).sti().hlt().cli().hlt());
        vm.vcpu(0).inject(new EngineVcpu.Event(EngineVcpu.Event.Type.NMI, 2, -1));
        stopInTheShortage(vm);
        Expect.reg(vm, EBX, 1);
    }

    /** In the local APIC its bit has moved from IRR to ISR by then. */
    @EngineTest(only = "soft", apic = true)
    void messageToTheLocalApicIsNotLost(TestMachine vm) throws Exception {
        waits(
                vm,
                new Asm(Layout.CODE)
                        .bits(64)
                        .mov(RDI, APIC)
                        .mov(Mem.ptr(RDI, SVR).m32(), 0x1ff)
                        .cli()
                        .hlt()
                        .sti()
                        .nop()
                        .cli()
                        .hlt());
        vm.vm().engine().signalMsi(APIC, VECTOR);
        vm.cpu.halted = false;
        vm.apply();
        stopInTheShortage(vm);
        Expect.reg(vm, EBX, 1);
    }

    /** The trap of a single step belongs to an instruction that is over and will not be executed again. */
    @EngineTest(only = "soft")
    void singleStepIsNotLost(TestMachine vm) throws Exception {
        waits(vm, new Asm(Layout.CODE).bits(64).nop().cli().hlt());
        vm.cpu.rip = Layout.CODE;
        vm.cpu.halted = false;
        vm.cpu.rflags |= TF;
        vm.apply();
        stopInTheShortage(vm);
        Expect.reg(vm, RDX, Layout.CODE + 1);
        Expect.reg(vm, EBX, 1);
    }
}
