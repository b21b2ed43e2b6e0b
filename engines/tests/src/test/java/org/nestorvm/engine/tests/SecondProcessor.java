package org.nestorvm.engine.tests;

import java.util.concurrent.CompletableFuture;
import org.nestorvm.asm.Reg;
import org.nestorvm.vmm.CpuState;
import org.nestorvm.vmm.Exit;
import org.nestorvm.vmm.GuestBus;

/**
 * Starts the second virtual CPU of a {@link TestMachine} in the mode and at the program of the first one, with a stack
 * and with general registers of its own.
 */
final class SecondProcessor {
    private final TestMachine vm;
    private final CpuState state = new CpuState();

    SecondProcessor(TestMachine vm) {
        this.vm = vm;
        vm.vcpu(1).readState(state);
        copy(vm.cpu, state);
        state.gpr[CpuState.RSP] = Layout.STACK0;
    }

    SecondProcessor set(Reg r, long value) {
        state.gpr[r.number] = value;
        return this;
    }

    SecondProcessor at(long rip) {
        state.rip = rip;
        return this;
    }

    CompletableFuture<Exit> run() {
        vm.vcpu(1).writeState(state);
        return CompletableFuture.supplyAsync(
                () -> vm.vcpu(1).run(GuestBus.EMPTY),
                command -> Thread.ofPlatform().daemon().start(command));
    }

    private static void copy(CpuState from, CpuState to) {
        System.arraycopy(from.selector, 0, to.selector, 0, 8);
        System.arraycopy(from.base, 0, to.base, 0, 8);
        System.arraycopy(from.limit, 0, to.limit, 0, 8);
        System.arraycopy(from.access, 0, to.access, 0, 8);
        to.gdtrBase = from.gdtrBase;
        to.gdtrLimit = from.gdtrLimit;
        to.idtrBase = from.idtrBase;
        to.idtrLimit = from.idtrLimit;
        to.cr0 = from.cr0;
        to.cr3 = from.cr3;
        to.cr4 = from.cr4;
        to.efer = from.efer;
        to.rip = from.rip;
        to.rflags = from.rflags;
        to.halted = to.waitForSipi = false;
    }
}
