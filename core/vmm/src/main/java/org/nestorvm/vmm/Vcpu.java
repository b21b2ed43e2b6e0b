package org.nestorvm.vmm;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.util.Objects;
import java.util.concurrent.TimeUnit;

/**
 * A virtual CPU and its state, moved by compare-and-set only: whoever moves it away from STOPPED has the processor to
 * itself until it moves it back. Nobody waits for it: a second user is told that it is busy, at once.
 *
 * <pre>
 *   STOPPED --run, readState, writeState, inject--> RUNNING --done--> STOPPED
 *   STOPPED --terminate--> TERMINATED        RUNNING --terminate--> REQTERM --done--> TERMINATED
 * </pre>
 */
public final class Vcpu {
    /** The states of vmm(4)'s vcpus, in its order. */
    public enum State {
        STOPPED,
        RUNNING,
        REQTERM,
        TERMINATED
    }

    private static final VarHandle STATE;

    static {
        try {
            STATE = MethodHandles.lookup().findVarHandle(Vcpu.class, "state", State.class);
        } catch (ReflectiveOperationException e) {
            throw new ExceptionInInitializerError(e);
        }
    }

    private final VirtualMachine vm;
    private final int index;
    private final EngineVcpu engine;
    private volatile State state = State.STOPPED;
    /** Who has moved it away from STOPPED; null when nobody has. */
    private volatile Thread user;

    Vcpu(VirtualMachine vm, int index, EngineVcpu engine) {
        this.vm = vm;
        this.index = index;
        this.engine = engine;
    }

    public int index() {
        return index;
    }

    public State state() {
        return state;
    }

    /**
     * Runs the guest until something needs the monitor. Each exit is returned once. A reference to the machine is held
     * meanwhile, so its memory stays mapped.
     *
     * <p>An exception, from the bus or out of the engine, leaves the virtual CPU STOPPED: it can be run again.
     * {@link Exit.InternalError} leaves it TERMINATED.
     *
     * @throws VcpuBusyException at once when somebody else runs or reads it
     * @throws VmTerminatedException when it cannot run any more
     */
    public Exit run(GuestBus bus) {
        Objects.requireNonNull(bus, "bus");
        claim();
        boolean broken = false;
        try {
            Exit exit = engine.run(bus);
            broken = exit instanceof Exit.InternalError;
            return exit;
        } finally {
            giveBack(broken);
        }
    }

    /** Makes a running {@link #run}, or else the next one, return {@link Exit.Interrupted} soon. From any thread. */
    public void kick() {
        if (!vm.tryReference()) return;
        try {
            engine.kick();
        } finally {
            vm.release();
        }
    }

    /** The registers, whole: nothing runs while they are read. @throws VcpuBusyException unless it is stopped */
    public void readState(CpuState into) {
        Objects.requireNonNull(into, "into");
        claim();
        try {
            engine.readState(into);
        } finally {
            giveBack(false);
        }
    }

    /** @throws VcpuBusyException unless it is stopped */
    public void writeState(CpuState from) {
        Objects.requireNonNull(from, "from");
        claim();
        try {
            engine.writeState(from);
        } finally {
            giveBack(false);
        }
    }

    /** Queues an event for the next entry. @throws VcpuBusyException unless it is stopped */
    public void inject(EngineVcpu.Event event) {
        Objects.requireNonNull(event, "event");
        claim();
        try {
            engine.inject(event);
        } finally {
            giveBack(false);
        }
    }

    /** The guest would take an external interrupt at the next entry. @throws VcpuBusyException unless it is stopped */
    public boolean interruptible() {
        claim();
        try {
            return engine.interruptible();
        } finally {
            giveBack(false);
        }
    }

    /** The engine's side, for tools that know what they do: its rules about threads are theirs to keep. */
    public EngineVcpu engine() {
        return engine;
    }

    @Override
    public String toString() {
        return "virtual CPU " + index + " of " + vm + ": " + state;
    }

    private void claim() {
        if (!vm.tryReference()) throw new VmTerminatedException(vm + " has been terminated");
        State seen = (State) STATE.compareAndExchange(this, State.STOPPED, State.RUNNING);
        if (seen == State.STOPPED) {
            user = Thread.currentThread();
            return;
        }
        vm.release();
        if (seen == State.TERMINATED)
            throw new VmTerminatedException("virtual CPU " + index + " of " + vm + " has been terminated");
        throw new VcpuBusyException(vm.name(), index, seen);
    }

    private void giveBack(boolean broken) {
        user = null;
        if (broken || !STATE.compareAndSet(this, State.RUNNING, State.STOPPED)) {
            synchronized (this) {
                state = State.TERMINATED;
                notifyAll();
            }
        }
        vm.release();
    }

    /**
     * TERMINATED if it was stopped; otherwise REQTERM, and a kick for whoever has it. The caller holds a reference to
     * the machine.
     */
    void requestTermination() {
        for (; ; ) {
            State seen = state;
            if (seen == State.TERMINATED) return;
            if (seen == State.STOPPED && STATE.compareAndSet(this, seen, State.TERMINATED)) return;
            if (seen == State.REQTERM || seen == State.RUNNING && STATE.compareAndSet(this, seen, State.REQTERM)) {
                engine.kick();
                return;
            }
        }
    }

    /**
     * Waits for the end that was requested, unless it is the caller's own: a device that terminates the machine is
     * called by a virtual CPU, which ends when the call returns.
     *
     * @return false when the time was up first
     */
    boolean awaitTermination(long deadlineNs) throws InterruptedException {
        if (user == Thread.currentThread()) return true;
        synchronized (this) {
            while (state != State.TERMINATED) {
                long leftNs = deadlineNs - System.nanoTime();
                if (leftNs <= 0) return false;
                TimeUnit.NANOSECONDS.timedWait(this, Math.min(leftNs, 100_000_000));
                if (state == State.REQTERM)
                    engine.kick(); // a kick that met the gap between two runs of a caller's loop
            }
            return true;
        }
    }

    void close() {
        engine.close();
    }
}
