package org.nestorvm.engine.tests;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.nestorvm.asm.Reg.*;

import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.nestorvm.asm.Asm;
import org.nestorvm.asm.Label;
import org.nestorvm.devices.PortDevice;
import org.nestorvm.vmm.EngineVcpu;
import org.nestorvm.vmm.Exit;

/** External interrupts without an APIC, HLT, kicks and counting. */
class InterruptsTest {
    private static final EngineVcpu.Event VECTOR_33 =
            new EngineVcpu.Event(EngineVcpu.Event.Type.EXTERNAL_INTERRUPT, 0x33, -1);

    @EngineTest
    void haltWithInterruptsEnabledWaitsForOne(TestMachine vm) {
        vm.longMode();
        vm.load(new Asm(0x7000).bits(64).inc(EBX).iretq());
        vm.descriptors.idt64(0x33, Layout.KERNEL_CS, 0x7000, Descriptors.INTERRUPT_GATE64, 0);
        vm.set(RBX, 0);
        vm.start(vm.program().sti().hlt().inc(EBX).cli().hlt());
        assertEquals(new Exit.Halt(), vm.runUntilExit());
        assertTrue(vm.vcpu(0).interruptible());
        vm.vcpu(0).inject(VECTOR_33);
        assertEquals(new Exit.HaltForever(), vm.runUntilExit());
        Expect.reg(vm, EBX, 2);
        assertFalse(vm.vcpu(0).interruptible());
    }

    @EngineTest
    void haltWithInterruptsDisabledIsForever(TestMachine vm) {
        vm.longMode();
        vm.start(vm.program().cli().hlt());
        assertEquals(new Exit.HaltForever(), vm.runUntilExit());
    }

    @EngineTest
    void injectedExceptionPushesItsErrorCode(TestMachine vm) {
        vm.longMode();
        vm.start(vm.program().nop().hlt());
        vm.vcpu(0).writeState(vm.cpu);
        vm.vcpu(0).inject(new EngineVcpu.Event(EngineVcpu.Event.Type.EXCEPTION, Expect.GP, 0x1234));
        vm.runUntilExit();
        Expect.fault(vm, Expect.GP, 0x1234, Layout.CODE);
    }

    @EngineTest
    void injectedNonMaskableInterruptNeedsNoFlag(TestMachine vm) {
        vm.longMode();
        vm.start(vm.program().cli().hlt());
        vm.vcpu(0).writeState(vm.cpu);
        vm.vcpu(0).inject(new EngineVcpu.Event(EngineVcpu.Event.Type.NMI, 2, -1));
        vm.runUntilExit();
        Expect.fault(vm, Expect.NMI, Expect.NONE, Layout.CODE);
    }

    /** Message to the local APIC of processor 0: delivery mode NMI. */
    private static final long APIC = 0xfee00000L;

    private static final int MODE_NMI = 0x400;

    /** A device whose every byte is the number of NMIs that it raises. */
    private static PortDevice raisesNmis(TestMachine vm) {
        return new PortDevice() {
            @Override
            public int read(int offset, int size) {
                return 0;
            }

            @Override
            public void write(int offset, int size, int value) {
                for (int n = 0; n < value; n++) vm.vm().engine().signalMsi(APIC, MODE_NMI);
            }
        };
    }

    /** The handler at 7000h counts in EBX; its first call makes the device raise more of them. */
    private static void handlesNmis(TestMachine vm, int more, int... end) {
        vm.longMode();
        vm.chip(0x80, 1, raisesNmis(vm));
        Asm a = new Asm(0x7000).bits(64).inc(EBX).cmp(EBX, 1);
        Label again = a.label();
        vm.load(a.jne(again)
                .mov(AL, more)
                .out(0x80, AL)
                .nop()
                .nop()
                .mov(EDX, EBX)
                .bind(again)
                .db(end));
        vm.descriptors.idt64(Expect.NMI, Layout.KERNEL_CS, 0x7000, Descriptors.INTERRUPT_GATE64, 0);
        vm.set(RBX, 0);
    }

    @EngineTest(apic = true, notOnPvm = "an NMI that waits is taken late")
    void nonMaskableInterruptWaitsForTheEndOfTheOneBefore(TestMachine vm) {
        handlesNmis(vm, 1, 0x48, 0xcf); // iretq
        vm.start(vm.program().cli().mov(AL, 1).out(0x80, AL).mov(ECX, EBX).hlt());
        Expect.halt(vm);
        Expect.reg(vm, EDX, 1);
        Expect.reg(vm, ECX, 2);
    }

    @EngineTest(apic = true, notOnPvm = "an NMI that waits is taken late")
    void oneNonMaskableInterruptIsHeldBackAndOthersAreLost(TestMachine vm) {
        handlesNmis(vm, 3, 0x48, 0xcf);
        vm.start(vm.program().cli().mov(AL, 1).out(0x80, AL).nop().nop().nop().hlt());
        Expect.halt(vm);
        Expect.reg(vm, EDX, 1);
        Expect.reg(vm, EBX, 2);
    }

    /** SDM vol. 3A, 6.7.1: the next IRET unblocks, and be it one that faults. */
    @EngineTest(only = "soft", apic = true)
    void nonMaskableInterruptsAreOpenAfterAnIretThatFaults(TestMachine vm) {
        handlesNmis(vm, 1, 0x48, 0xc7, 0x44, 0x24, 0x08, 0, 0, 0, 0, 0x48, 0xcf); // mov qword [rsp+8], 0; iretq
        vm.load(new Asm(0x7800).bits(64).mov(ECX, EBX).hlt());
        vm.descriptors.idt64(Expect.GP, Layout.KERNEL_CS, 0x7800, Descriptors.INTERRUPT_GATE64, 0);
        vm.descriptors.idt64(Expect.NMI, Layout.KERNEL_CS, 0x7000, Descriptors.INTERRUPT_GATE64, 1);
        vm.start(vm.program().cli().mov(AL, 1).out(0x80, AL).hlt());
        Expect.halt(vm);
        Expect.reg(vm, EBX, 2);
    }

    @EngineTest(only = "soft", apic = true)
    void haltWithANonMaskableInterruptBlockedIsForever(TestMachine vm) {
        handlesNmis(vm, 1, 0xf4);
        vm.start(vm.program().cli().mov(AL, 1).out(0x80, AL).hlt());
        assertEquals(new Exit.HaltForever(), vm.runUntilExit());
        Expect.reg(vm, EBX, 1);
    }

    @EngineTest
    void kickLeavesASpinningGuest(TestMachine vm) throws Exception {
        vm.longMode();
        Asm a = vm.program().inc(RAX).out(0x80, AL);
        Label loop = a.here();
        a.inc(RAX).jmp(loop);
        for (int i = 0; i < 5; i++) {
            vm.start(a);
            CompletableFuture<Exit> exit = vm.runAside();
            vm.awaitAccess();
            vm.vcpu(0).kick();
            assertEquals(new Exit.Interrupted(), exit.get(5, TimeUnit.SECONDS));
        }
        assertTrue(vm.get(RAX) > 0);
    }

    @EngineTest
    void kickBeforeTheRunIsNotLost(TestMachine vm) {
        vm.longMode();
        Asm a = vm.program();
        Label loop = a.here();
        vm.start(a.jmp(loop));
        vm.vcpu(0).kick();
        assertEquals(new Exit.Interrupted(), vm.runUntilExit());
    }

    @EngineTest
    void kickLeavesALongStringInstructionAndItGoesOn(TestMachine vm) throws Exception {
        vm.longMode();
        vm.start(vm.program()
                .mov(RSI, Layout.MMIO)
                .mov(EDI, Layout.USER_DATA)
                .mov(ECX, 1 << 20)
                .rep()
                .lodsb()
                .hlt());
        CompletableFuture<Exit> exit = vm.runAside();
        vm.awaitAccess();
        vm.vcpu(0).kick();
        exit.get(5, TimeUnit.SECONDS);
        long rest = vm.get(RCX);
        assertEquals(1 << 20, rest + vm.get(RSI) - Layout.MMIO, "what is done and what is left is all");
    }

    @EngineTest(only = "soft")
    void instructionsAreCounted(TestMachine vm) {
        vm.longMode();
        long before = vm.vcpu(0).engine().instructionCount();
        Asm a = vm.program().mov(ECX, 1000);
        Label loop = a.here();
        vm.start(a.dec(ECX).jnz(loop).hlt());
        Expect.halt(vm);
        assertEquals(1 + 2000 + 1, vm.vcpu(0).engine().instructionCount() - before);
    }

    @EngineTest(only = "soft", instructionClock = true)
    void instructionClockMakesRunsAlike(TestMachine vm) {
        vm.longMode();
        Asm a = vm.program().rdtsc().mov(EBX, EAX).mov(ECX, 12345);
        Label loop = a.here();
        vm.start(a.add(RSI, RCX).dec(ECX).jnz(loop).rdtsc().sub(EAX, EBX).hlt());
        Expect.halt(vm);
        long first = vm.get(RAX), count = vm.vcpu(0).engine().instructionCount();
        vm.start(a);
        Expect.halt(vm);
        assertEquals(first, vm.get(RAX));
        assertEquals(count, vm.vcpu(0).engine().instructionCount() - count);
    }

    @EngineTest
    void stopRequestOfAGuestWithoutEnd(TestMachine vm) throws Exception {
        vm.protectedMode();
        Asm a = vm.program().sti().out(0x80, AL);
        Label loop = a.here();
        vm.start(a.push(EAX).pop(EBX).jmp(loop));
        CompletableFuture<Exit> exit = vm.runAside();
        vm.awaitAccess();
        vm.vcpu(0).kick();
        assertInstanceOf(Exit.Interrupted.class, exit.get(5, TimeUnit.SECONDS));
    }
}
