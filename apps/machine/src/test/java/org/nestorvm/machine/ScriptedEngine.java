package org.nestorvm.machine;

import java.io.IOException;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.locks.LockSupport;
import org.nestorvm.vmm.CpuState;
import org.nestorvm.vmm.Engine;
import org.nestorvm.vmm.EngineOptions;
import org.nestorvm.vmm.EngineVcpu;
import org.nestorvm.vmm.EngineVm;
import org.nestorvm.vmm.Exit;
import org.nestorvm.vmm.GuestBus;
import org.nestorvm.vmm.VirtualMachine;

/** An engine whose guest is a piece of Java: each run of a virtual CPU is one call of it. */
final class ScriptedEngine implements Engine {
    /** What a virtual CPU does from one entry to the next exit. */
    interface Guest {
        Exit run(Vcpu cpu, GuestBus bus);
    }

    final List<String> messages = new CopyOnWriteArrayList<>();
    final List<Vcpu> vcpus = new CopyOnWriteArrayList<>();
    EngineOptions options;
    String failCreation;
    private final Guest guest;

    ScriptedEngine(Guest guest) {
        this.guest = guest;
    }

    @Override
    public String name() {
        return "scripted";
    }

    @Override
    public String unavailableBecause() {
        return null;
    }

    @Override
    public EngineVm create(VirtualMachine vm, EngineOptions given) throws IOException {
        if (failCreation != null) throw new IOException(failCreation);
        options = given;
        return new EngineVm() {
            @Override
            public EngineVcpu createVcpu(int index) {
                Vcpu vcpu = new Vcpu(index);
                vcpus.add(vcpu);
                return vcpu;
            }

            @Override
            public void signalMsi(long address, int data) {
                messages.add(Long.toHexString(address) + ":" + Integer.toHexString(data));
            }

            @Override
            public void externalInterruptChanged() {
                messages.add("INTR " + options.controller().interruptPending());
            }

            @Override
            public void invalidate(long gpa, long sizeBytes) {}

            @Override
            public void close() {}
        };
    }

    final class Vcpu implements EngineVcpu {
        final int index;
        final AtomicBoolean kicked = new AtomicBoolean();
        final CpuState state = new CpuState();
        CpuState written;

        Vcpu(int index) {
            this.index = index;
        }

        /** An endless loop in the guest: comes back when kicked. */
        Exit spin() {
            while (!kicked.compareAndSet(true, false)) LockSupport.parkNanos(100_000);
            return new Exit.Interrupted();
        }

        @Override
        public Exit run(GuestBus bus) {
            if (kicked.compareAndSet(true, false)) return new Exit.Interrupted();
            Exit exit = guest.run(this, bus);
            state.halted = exit instanceof Exit.HaltForever;
            return exit;
        }

        @Override
        public void kick() {
            kicked.set(true);
        }

        @Override
        public void inject(Event event) {}

        @Override
        public boolean interruptible() {
            return true;
        }

        @Override
        public void readState(CpuState into) {
            into.waitForSipi = state.waitForSipi;
            into.halted = state.halted;
            into.rflags = state.rflags;
        }

        @Override
        public void writeState(CpuState from) {
            written = from;
            state.waitForSipi = from.waitForSipi;
        }

        @Override
        public long instructionCount() {
            return 1000;
        }

        @Override
        public void close() {}
    }
}
