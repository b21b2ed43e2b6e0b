package org.nestorvm.engine.kvm;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.util.List;
import org.nestorvm.memory.sys.Errno;
import org.nestorvm.memory.sys.ErrnoException;
import org.nestorvm.memory.sys.HostMemory;
import org.nestorvm.memory.sys.MemoryCalls;
import org.nestorvm.memory.sys.ThreadSignal;
import org.nestorvm.vmm.CpuState;
import org.nestorvm.vmm.EngineVcpu;
import org.nestorvm.vmm.Exit;
import org.nestorvm.vmm.GuestBus;
import org.nestorvm.vmm.InterruptController;

/**
 * A virtual processor of KVM. {@link #run} belongs to one platform thread at a time.
 *
 * <p><b>Kicking.</b> Another thread sets {@code immediate_exit} in the shared page and, only if the processor is inside
 * KVM_RUN, sends its thread a signal. Whichever comes first, none is lost: either the kernel reads the flag when it
 * enters and leaves at once, or it had entered before and the signal ends the call. No lock, no system call while the
 * processor is outside, no signal mask to change around every run as KVM_SET_SIGNAL_MASK would. Firecracker and crosvm
 * do the same; their handlers set the flag, ours is a function of the C library ({@link ThreadSignal}), so the kicker
 * sets it. KVM offers no way out of guest mode without a signal. One signal is enough for an entry, and more are not
 * sent: they would queue while the thread waits for a processor of the host, and all be taken at once on its stack.
 *
 * <p>When the kernel enters it first completes the access that the last exit began. So a run ends only with EINTR or an
 * exit that leaves nothing half done, and the registers read afterwards are those of an instruction boundary (P19).
 */
final class KvmVcpu implements EngineVcpu {
    private static final int OUTSIDE = 0, IN_RUN = 1, IN_GUEST = 2, CLOSED = 3;
    private static final int QUICK_ANSWERS = 10;
    private static final int SYNCED = Kvm.SYNC_X86_REGS | Kvm.SYNC_X86_EVENTS;
    private static final VarHandle STATE, KICKED;

    static {
        try {
            MethodHandles.Lookup lookup = MethodHandles.lookup();
            STATE = lookup.findVarHandle(KvmVcpu.class, "state", int.class);
            KICKED = lookup.findVarHandle(KvmVcpu.class, "kicked", boolean.class);
        } catch (ReflectiveOperationException e) {
            throw new ExceptionInInitializerError(e);
        }
    }

    private final KvmVm vm;
    private final int index;
    private final KvmFile file;
    private final long runAddress;
    private final KvmRun run;
    private final KvmVcpuState registers;
    /** The 8259s, for the boot processor; the others have none. */
    private final InterruptController controller;

    private final InterruptController ioapics;
    private final boolean syncs;
    /** Null when the dirty log is a bitmap. */
    private final DirtyRing ring;

    private volatile int state = OUTSIDE;
    private volatile boolean kicked;
    /** A signal is on its way to the thread, or was taken by it since it entered last. */
    private volatile boolean signalled;

    private volatile boolean askedWhetherStopped;
    private int quickAnswers;
    private volatile int timesAsked; // written by the processor's thread only
    /** Moves with every return from the kernel; read by other threads only to see whether it moved. */
    private int returns;

    private int returnsSeen;
    private Thread owner;
    private volatile int ownerId;
    /** The shared page holds the current registers and events. */
    private boolean synced;
    /** The kernel's answer whether an interrupt can enter is that of the last return, and nothing was changed since. */
    private boolean readinessKnown;

    private KvmVcpu(KvmVm vm, int index, KvmFile file, long runAddress, DirtyRing ring) {
        this.vm = vm;
        this.index = index;
        this.file = file;
        this.runAddress = runAddress;
        run = new KvmRun(runAddress);
        registers = new KvmVcpuState(vm, index, file);
        controller = index == 0 ? vm.controller() : InterruptController.NONE;
        ioapics = vm.controller();
        syncs = vm.host().syncRegs();
        this.ring = ring;
        if (ring != null) vm.dirtyRings().add(ring);
    }

    static KvmVcpu create(KvmVm vm, int index) throws IOException {
        ThreadSignal.prepare();
        String name = vm.name() + " vcpu " + index;
        KvmFile file = vm.file().create("KVM_CREATE_VCPU", Kvm.CREATE_VCPU, index, name);
        try {
            setCpuid(vm, index, file);
            if (vm.irqchip() != KvmVm.Irqchip.NONE) new KvmVcpuState(vm, index, file).listLocalApic();
            long address = MemoryCalls.mmap(
                    name,
                    vm.host().runBytes(),
                    MemoryCalls.PROT_READ | MemoryCalls.PROT_WRITE,
                    MemoryCalls.MAP_SHARED,
                    file.descriptor(),
                    0);
            try {
                return new KvmVcpu(vm, index, file, address, mapRing(vm, file));
            } catch (Throwable t) {
                MemoryCalls.tryMunmap(address, vm.host().runBytes());
                throw t;
            }
        } catch (Throwable t) {
            file.close();
            throw t;
        }
    }

    private static DirtyRing mapRing(KvmVm vm, KvmFile file) throws ErrnoException {
        return vm.dirtyRings() == null ? null : DirtyRing.map(file, vm.dirtyRingBytes());
    }

    private static void setCpuid(KvmVm vm, int index, KvmFile file) throws ErrnoException {
        List<CpuidEntry> entries = new KvmCpuid(
                        vm.vcpuCount(),
                        vm.irqchip() != KvmVm.Irqchip.NONE,
                        vm.host().emulates())
                .forVcpu(vm.host().cpuid(), index);
        try (Arena arena = Arena.ofConfined()) {
            long table =
                    arena.allocate(CpuidEntry.tableBytes(entries.size()), 8).address();
            CpuidEntry.write(entries, table);
            file.ioctl("KVM_SET_CPUID2", Kvm.SET_CPUID2, table);
        }
        // Else a guest may use asynchronous page faults, say, though CPUID does not show them.
        if (vm.host().enforcesParavirtual()) {
            file.ioctl(
                    "KVM_ENABLE_CAP(KVM_CAP_ENFORCE_PV_FEATURE_CPUID)",
                    Kvm.ENABLE_CAP,
                    KvmVm.capability(Kvm.CAP_ENFORCE_PV_FEATURE_CPUID, 1));
        }
    }

    int index() {
        return index;
    }

    @Override
    public Exit run(GuestBus bus) {
        begin();
        try {
            if (stillStopped()) return new Exit.HaltForever();
            while (true) {
                deliverExternalInterrupt();
                int result = enterGuest();
                Exit exit = result == 0 ? serve(bus) : failed(-result);
                if (exit != null) return exit;
            }
        } finally {
            state = OUTSIDE;
        }
    }

    private void begin() {
        if (!STATE.compareAndSet(this, OUTSIDE, IN_RUN))
            throw new IllegalStateException(file + (state == CLOSED ? " is closed" : " runs already"));
        Thread thread = Thread.currentThread();
        if (owner != thread) {
            if (thread.isVirtual()) {
                state = OUTSIDE;
                throw new IllegalStateException(file + " must run on a platform thread");
            }
            owner = thread;
            ownerId = ThreadSignal.currentThread();
        }
        synced = false;
        if (syncs) run.setValidRegs(SYNCED);
        if (vm.haltWatch() != null) vm.haltWatch().start();
    }

    private int enterGuest() {
        signalled = false;
        state = IN_GUEST; // a volatile write: whoever kicks sees it, or we see immediate_exit
        int result = file.tryIoctl(Kvm.RUN, 0);
        state = IN_RUN;
        returns++;
        readinessKnown = true;
        return result;
    }

    /** @return null to go on */
    private Exit serve(GuestBus bus) {
        switch (run.exitReason()) {
            case Kvm.EXIT_IO -> KvmAccess.port(run, bus);
            case Kvm.EXIT_MMIO -> KvmAccess.mmio(run, bus);
            case Kvm.EXIT_IRQ_WINDOW_OPEN -> run.requestInterruptWindow(false);
            case Kvm.EXIT_IOAPIC_EOI -> ioapics.endOfInterrupt(run.eoiVector());
            case Kvm.EXIT_DIRTY_RING_FULL -> {
                return emptyRing();
            }
            default -> {
                return rare();
            }
        }
        return null;
    }

    private Exit emptyRing() {
        if (ring == null) return rare(); // a kernel that says so without being asked for rings
        try {
            vm.dirtyRings().full();
            return null;
        } catch (ErrnoException e) {
            return new Exit.InternalError(-e.errno(), e.getMessage());
        }
    }

    private Exit rare() {
        synced = syncs;
        KvmExit exit = KvmExit.decode(run, 0);
        if (exit instanceof KvmExit.Hlt hlt
                && (hlt.interruptsEnabled() && controller.interruptPending()
                        || registers.exceptionQueued(synced ? run : null))) return null;
        return exit.toMonitor();
    }

    private Exit failed(int errno) {
        if (errno != Errno.EINTR) return KvmExit.decode(run, errno).toMonitor();
        run.setImmediateExit(false); // before kicked is read: a kick from now on sets it again
        VarHandle.fullFence();
        synced = syncs;
        if ((boolean) KICKED.getAndSet(this, false)) return new Exit.Interrupted();
        return askedWhetherStopped ? answerWhetherStopped() : null;
    }

    /**
     * The 8259s' interrupt enters when the guest can take it; until then the kernel is asked to come back at that
     * moment. In the split controller the kernel also respects the local APIC's LINT0, so that a guest which has
     * switched to the I/O APIC is never asked.
     */
    private void deliverExternalInterrupt() {
        if (controller == InterruptController.NONE || !controller.interruptPending()) return;
        if (!readinessKnown || !run.readyForInterruptInjection()) {
            run.requestInterruptWindow(true);
            return;
        }
        long interrupt = Scratch.zeroed(KvmStructs.INTERRUPT.byteSize());
        HostMemory.putInt(interrupt, controller.acknowledge());
        file.tryIoctl(Kvm.INTERRUPT, interrupt); // cannot fail when ready: EEXIST is excluded by that
        run.requestInterruptWindow(controller.interruptPending());
    }

    @Override
    public void kick() {
        kicked = true;
        poke();
    }

    /** Makes the processor come back and look around, without an exit. */
    void poke() {
        if (Thread.currentThread() == owner && state == IN_RUN) {
            if (kicked) run.setImmediateExit(true);
            return;
        }
        synchronized (this) { // with close(): the page must be there
            if (state == CLOSED) return;
            run.setImmediateExit(true);
            VarHandle.fullFence();
            if (state != IN_GUEST || signalled) return;
            signalled = true; // before it is sent: an entry from now on may take it, and clears this first
            if (!ThreadSignal.interrupt(ownerId))
                signalled = false; // the halt watch, or who waits for the kick, comes again
        }
    }

    /** Called by {@link HaltWatch}; a processor that has come back since the last call is not asked. */
    void askWhetherStopped() {
        int now = returns;
        if (now == returnsSeen && state == IN_GUEST) {
            askedWhetherStopped = true;
            poke();
            now++; // for the return that this causes
        }
        returnsSeen = now;
    }

    private Exit answerWhetherStopped() {
        askedWhetherStopped = false;
        timesAsked++;
        if (!registers.haltedForEver()) return null;
        quickAnswers = QUICK_ANSWERS;
        return new Exit.HaltForever();
    }

    /** How often the watch was answered. */
    int timesAsked() {
        return timesAsked;
    }

    /**
     * The machine asks a stopped processor a few times in a row, to know that no other has woken it. Then it is left to
     * the watch again.
     */
    private boolean stillStopped() {
        if (quickAnswers == 0) return false;
        quickAnswers = registers.haltedForEver() ? quickAnswers - 1 : 0;
        return quickAnswers != 0;
    }

    @Override
    public void inject(Event event) {
        disturb();
        registers.inject(event);
    }

    @Override
    public boolean interruptible() {
        return registers.interruptible(synced ? run : null);
    }

    @Override
    public void readState(CpuState into) {
        registers.read(into);
    }

    @Override
    public void writeState(CpuState from) {
        disturb();
        registers.write(from);
    }

    /** Registers one by one structure, for saving, debugging and tests. */
    KvmVcpuState registers() {
        disturb();
        return registers;
    }

    /** What the shared page says of the processor may no longer be so. */
    private void disturb() {
        synced = false;
        readinessKnown = false;
    }

    /** KVM does not count: performance counters would, where the host has any. */
    @Override
    public long instructionCount() {
        return -1;
    }

    KvmFile file() {
        return file;
    }

    /** The processor's mapping, {@link KvmHost#runBytes} long. */
    long runAddress() {
        return runAddress;
    }

    /** @throws IllegalStateException when it runs: {@link #kick} and wait first */
    @Override
    public void close() {
        synchronized (this) {
            if (state == CLOSED) return;
            if (!STATE.compareAndSet(this, OUTSIDE, CLOSED))
                throw new IllegalStateException(file + " is closed while it runs");
        }
        vm.forget(this);
        if (ring != null) {
            vm.dirtyRings().remove(ring);
            ring.close();
        }
        MemoryCalls.tryMunmap(runAddress, vm.host().runBytes());
        file.close();
    }
}
