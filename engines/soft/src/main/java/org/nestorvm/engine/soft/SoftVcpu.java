package org.nestorvm.engine.soft;

import java.lang.foreign.Arena;
import java.util.SplittableRandom;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.LockSupport;
import java.util.stream.IntStream;
import org.nestorvm.engine.soft.chip.LocalApic;
import org.nestorvm.engine.soft.chip.PvClock;
import org.nestorvm.engine.soft.isa.Reg;
import org.nestorvm.engine.soft.mmu.GuestWalk;
import org.nestorvm.engine.soft.mmu.Mmu;
import org.nestorvm.engine.soft.ops.system.Interrupts;
import org.nestorvm.engine.soft.run.Interpreter;
import org.nestorvm.engine.soft.run.RunControl;
import org.nestorvm.engine.soft.state.Cpu;
import org.nestorvm.engine.soft.state.Debug;
import org.nestorvm.engine.soft.state.GuestFault;
import org.nestorvm.engine.soft.state.MonitorError;
import org.nestorvm.engine.soft.state.Processor;
import org.nestorvm.engine.soft.state.Segments;
import org.nestorvm.paging.Access;
import org.nestorvm.vmm.CpuState;
import org.nestorvm.vmm.EngineOptions;
import org.nestorvm.vmm.EngineVcpu;
import org.nestorvm.vmm.Exit;
import org.nestorvm.vmm.GuestBus;
import org.nestorvm.vmm.InstructionClock;
import org.nestorvm.vmm.InterruptController;

/**
 * One virtual processor: the run loop's frame, and everything that other threads may ask of it. They set a flag, then
 * {@link Cpu#attention}, then wake the thread; the loop answers between two blocks.
 */
public final class SoftVcpu implements EngineVcpu, Processor, RunControl, LocalApic.Processor, PvClock.Processor {
    /** Timers set to this or later do not expire: 146 years, and room for sums. */
    private static final long NEVER_NS = 1L << 62;

    private static final Event NON_MASKABLE = new Event(Event.Type.NMI, GuestFault.NMI, -1),
            DEBUG = new Event(Event.Type.EXCEPTION, GuestFault.DB, -1);
    private static final Event[] EXTERNAL = IntStream.range(0, 256)
            .mapToObj(vector -> new Event(Event.Type.EXTERNAL_INTERRUPT, vector, -1))
            .toArray(Event[]::new);

    final SoftVm vm;
    final int index;
    final Cpu cpu = new Cpu();
    final Mmu mmu;
    /** Null on a machine without. */
    final LocalApic apic;

    final PvClock pvclock;
    private final Interpreter interpreter;
    private final Arena arena = Arena.ofShared();
    private final InterruptController controller;
    private final InstructionClock instructions;
    private final SplittableRandom deterministic;
    private final java.security.SecureRandom entropy;

    /** Nanoseconds that halts have skipped, and one for each exception: instruction time is retired + this. */
    private long skippedNs;

    private volatile long tscOffset;
    private long tscAdjust;

    private volatile Thread runner;
    /** In the guest, as opposed to a device's code: only then a flush must be awaited. */
    private volatile boolean inGuest;

    private final AtomicLong flushWanted = new AtomicLong();
    private volatile long flushDone;
    private volatile boolean kicked, nmi, init, sipi, waitForSipi;
    private volatile int sipiVector;
    private volatile Event injected;
    /**
     * Taken from its source and not delivered yet. A delivery that is broken off (a stop request in a shortage of the
     * host's memory) has changed nothing and begins again at the next entry.
     */
    private Event underWay;

    SoftVcpu(SoftVm vm, int index) {
        this.vm = vm;
        this.index = index;
        mmu = new Mmu(cpu, vm.vm.nestedPageTable(), vm.vm.nestedFaultHandler(), vm.code);
        mmu.vcpu = this;
        cpu.mmu = mmu;
        cpu.vcpu = this;
        boolean local = vm.options.interrupts() == EngineOptions.Interrupts.LOCAL_APIC;
        apic = local ? new LocalApic(this, vm, vm.options.clock(), index) : null;
        mmu.apic = apic;
        cpu.apic = apic;
        controller = vm.options.controller();
        instructions = vm.options.clock() instanceof InstructionClock c ? c : null;
        deterministic = instructions != null ? new SplittableRandom(0x6e6573746f72L + index) : null;
        entropy = instructions == null ? new java.security.SecureRandom() : null;
        pvclock = new PvClock(this, vm.options.clock());
        cpu.pvclock = pvclock;
        interpreter =
                new Interpreter(cpu, mmu, vm.code, this, arena.allocate(64, 16).address());
        waitForSipi = local && index != 0;
        new StateTransfer(this).write(new CpuState());
    }

    // ---- time ----

    /**
     * The machine's time, on the processor's thread exact to the block also where time is the count of instructions.
     */
    @Override
    public long nowNs() {
        if (instructions == null) return vm.options.clock().nowNs();
        long now = cpu.retired + skippedNs;
        instructions.setNowNs(now);
        return now;
    }

    /** Nanoseconds since the machine's start, unless the guest has written it. */
    @Override
    public long tsc() {
        return nowNs() + tscOffset;
    }

    @Override
    public void setTsc(long value) {
        moveTsc(value - tsc());
    }

    @Override
    public long tscAdjust() {
        return tscAdjust;
    }

    @Override
    public void setTscAdjust(long value) {
        moveTsc(value - tscAdjust);
    }

    private void moveTsc(long delta) {
        tscAdjust += delta;
        vm.clocks.moveTsc(this, tscOffset + delta);
        if (apic != null) apic.timer.tscMoved();
    }

    long tscOffset() {
        return tscOffset;
    }

    /** For {@link PvClocks}. */
    void setTscOffset(long offset) {
        tscOffset = offset;
    }

    /** The clock's time at which the TSC has, or had, this value. */
    @Override
    public long timeOfTsc(long tsc) {
        return tsc - tscOffset;
    }

    @Override
    public long random() {
        return deterministic != null ? deterministic.nextLong() : entropy.nextLong();
    }

    // ---- what other threads ask ----

    /** Looks at interrupts before the next block, also out of HLT. */
    @Override
    public void wake() {
        cpu.attention = true;
        Thread t = runner;
        if (t != null && t != Thread.currentThread()) LockSupport.unpark(t);
    }

    @Override
    public void kick() {
        kicked = true;
        wake();
        if (runsOn(Thread.currentThread())) cpu.limit = 0;
    }

    @Override
    public void nmi() {
        nmi = true;
        wake();
    }

    /**
     * A start-up message from before it is void; one that comes after it, perhaps before this processor's thread has
     * looked, is not.
     */
    @Override
    public void initSignal() {
        sipi = false;
        init = true;
        wake();
    }

    @Override
    public void startup(int vector) {
        sipiVector = vector;
        sipi = true;
        wake();
    }

    @Override
    public void inject(Event event) {
        if (event.type() == Event.Type.NMI) nmi = true; // blocked like any other
        else injected = event;
        wake();
    }

    boolean runsOn(Thread thread) {
        return runner == thread;
    }

    void requestFlush() {
        flushWanted.incrementAndGet();
        wake();
    }

    /**
     * Waits until a flush that was requested has been done, or the processor is outside the guest and will do it first
     * when it comes back.
     */
    void awaitFlush(SoftVcpu waiter) {
        long wanted = flushWanted.get();
        while (inGuest && flushDone < wanted) {
            if (waiter != null) waiter.flushIfAsked(); // two processors may wait for each other
            Thread.onSpinWait();
        }
    }

    private void flushIfAsked() {
        long wanted = flushWanted.get();
        if (flushDone >= wanted) return;
        forgetCode();
        mmu.flushAll();
        cpu.limit = 0;
        flushDone = wanted;
    }

    /** Around a device's code: it may take as long as it likes, and may itself ask for flushes. */
    @Override
    public void leaveGuest() {
        inGuest = false;
        if (instructions != null) nowNs();
    }

    @Override
    public void enterGuest() {
        inGuest = true;
        if (flushDone < flushWanted.get()) flushIfAsked();
    }

    @Override
    public boolean inGuest() {
        return inGuest;
    }

    private static final class Interrupted extends RuntimeException {
        private static final long serialVersionUID = 1L;

        Interrupted() {
            super(null, null, false, false);
        }
    }

    /** In the middle of an instruction that cannot be completed now: it starts again at the next entry. */
    @Override
    public void leaveIfKicked() {
        if (!kicked) return;
        kicked = false;
        throw new Interrupted();
    }

    /** Drops what this processor remembers of decoded code if the machine has forgotten it. */
    void forgetCode() {
        interpreter.forget(vm.code.generation());
    }

    @Override
    public void codeAppeared(long page) {
        vm.codeAppeared(page, this);
    }

    @Override
    public void forgetAllCode() {
        vm.forgetCode(this);
    }

    @Override
    public int index() {
        return index;
    }

    @Override
    public int cpuCount() {
        return vm.cpuCount();
    }

    @Override
    public long hostForWrite(long gpa) {
        return gpa < 0 || gpa >= 1L << GuestWalk.MAXPHYADDR ? 0 : mmu.hostOf(gpa, Access.WRITE, true);
    }

    /**
     * A processor that waits for the lock is outside the guest, since the holder may wait for every processor's TLB
     * flush.
     */
    @Override
    public void lockBus() {
        if (vm.splitLock.tryLock()) return;
        leaveGuest();
        vm.splitLock.lock();
        enterGuest();
    }

    @Override
    public void unlockBus() {
        vm.splitLock.unlock();
    }

    @Override
    public void clockMoved() {
        vm.clocks.update(this);
    }

    @Override
    public void memoryWritten(long gpa, int sizeBytes) {
        vm.memoryWritten(gpa, sizeBytes);
    }

    @Override
    public void attendSoon() {
        cpu.attend();
    }

    // ---- running ----

    @Override
    public Exit run(GuestBus bus) {
        mmu.bus = bus;
        runner = Thread.currentThread();
        cpu.attention = true;
        enterGuest();
        try {
            for (; ; ) {
                try {
                    return interpreter.loop();
                } catch (GuestFault f) {
                    interpreter.rewind();
                    if (!fault(f.vector, f.errorCode)) return new Exit.Shutdown();
                }
            }
        } catch (TripleFault e) {
            return new Exit.Shutdown();
        } catch (Interrupted e) {
            breakOff();
            return new Exit.Interrupted();
        } catch (MonitorError e) {
            breakOff();
            return new Exit.InternalError(1, e.getMessage() + ", rip=0x" + Long.toHexString(cpu.r[Reg.RIP]));
        } catch (RuntimeException | Error e) { // out of the bus: the instruction starts again when the caller goes on
            breakOff();
            throw e;
        } finally {
            if (instructions != null) nowNs();
            inGuest = false;
            runner = null;
        }
    }

    /** What was under way will start again. Breakpoints that the instruction has hit so far do not count. */
    private void breakOff() {
        if (cpu.block != null && !cpu.movSsShadow) cpu.pendingDebug = 0;
        interpreter.rewind();
        cpu.faultNotTrap = false;
    }

    private boolean fault(int vector, int errorCode) {
        if (instructions != null) passTime();
        cpu.faultNotTrap = vector != GuestFault.DB || Debug.isGeneralDetect(cpu);
        cpu.stiShadow = cpu.movSsShadow = false;
        if (vector != GuestFault.DB) cpu.pendingDebug = 0;
        boolean alive = Interrupts.deliver(cpu, vector, errorCode, Interrupts.EXCEPTION);
        cpu.faultNotTrap = false;
        return alive;
    }

    /** Answers whatever set {@link Cpu#attention}. Returns an exit, or null to go on. */
    @Override
    public Exit attend() {
        cpu.attention = false;
        if (flushDone < flushWanted.get()) flushIfAsked();
        if (kicked) {
            kicked = false;
            cpu.attention = true;
            return new Exit.Interrupted();
        }
        if (instructions != null) runTimers();
        if (init || waitForSipi) return initState();
        if (cpu.halted && !awake()) return halted();
        if (cpu.pendingDebug != 0 && !cpu.movSsShadow) {
            deliver(DEBUG);
            return null;
        }
        boolean shadow = !cpu.halted && (cpu.stiShadow || cpu.movSsShadow);
        if (!shadow && event()) return null;
        if (cpu.halted) { // what seemed to end HLT has gone
            cpu.attention = true;
            return null;
        }
        if (shadow || (cpu.rflags & Cpu.TF) != 0 || cpu.codeBreakpoints) single();
        else cpu.rflags &= ~Cpu.RF; // no breakpoint to pass: every return from a page fault has RF set
        return null;
    }

    /** A guest that does nothing but fault retires nothing; its timers fire all the same. */
    private void passTime() {
        skippedNs++;
        if (cpu.deadline != Long.MAX_VALUE) cpu.deadline--;
    }

    private void runTimers() {
        nowNs();
        instructions.runDue();
        long next = instructions.nextDeadlineNs();
        cpu.deadline = next >= NEVER_NS ? Long.MAX_VALUE : next - skippedNs;
    }

    /** One instruction with what belongs to it: shadow, single step, instruction breakpoint, resume flag. */
    private void single() {
        cpu.attention = true;
        if (cpu.codeBreakpoints && (cpu.rflags & Cpu.RF) == 0 && !cpu.movSsShadow) {
            cpu.pendingDebug |= Debug.codeHits(cpu, linearIp());
            if (cpu.pendingDebug != 0) {
                if (!fault(GuestFault.DB, -1)) shutdown();
                return;
            }
        }
        boolean movSs = cpu.movSsShadow;
        cpu.stepping = (cpu.rflags & Cpu.TF) != 0;
        boolean branched = step();
        if (movSs) cpu.movSsShadow = false; // of several in a row only the first has one
        if (cpu.stepping && !cpu.movSsShadow && (branched || (cpu.debugCtl & Debug.BTF) == 0)) Debug.singleStepped(cpu);
    }

    private long linearIp() {
        long ip = cpu.r[Reg.RIP];
        return cpu.codeSize == 8 ? ip : ip + cpu.segBase[Reg.CS] & 0xffffffffL;
    }

    /**
     * The instruction, or its fault, ends shadows and the resume flag, unless it begins them anew.
     *
     * @return whether it was a branch, and was taken
     */
    private boolean step() {
        boolean sti = cpu.stiShadow, movSs = cpu.movSsShadow;
        long resume = cpu.rflags & Cpu.RF, pending = cpu.pendingDebug;
        cpu.stiShadow = cpu.movSsShadow = false;
        cpu.rflags &= ~Cpu.RF;
        try {
            return interpreter.step();
        } catch (GuestFault f) {
            throw f;
        } catch (RuntimeException | Error e) { // it will start again
            cpu.stiShadow = sti;
            cpu.movSsShadow = movSs;
            cpu.rflags |= resume;
            cpu.pendingDebug = pending;
            throw e;
        }
    }

    private void shutdown() {
        throw new TripleFault();
    }

    private boolean interruptsOpen() {
        return (cpu.rflags & Cpu.IF) != 0;
    }

    /** The 8259s ask, and this processor is the one they reach. */
    private boolean externalPending() {
        return index == 0 && controller.interruptPending() && (apic == null || apic.acceptsExternal());
    }

    /** Something would end HLT. */
    private boolean awake() {
        if (cpu.pendingDebug != 0) return true;
        return nmi && !cpu.nmiBlocked
                || open(underWay)
                || open(injected)
                || interruptsOpen() && (apic != null && apic.pending() >= 0 || externalPending());
    }

    /** Delivers what is pending and open. True when something was delivered. */
    private boolean event() {
        if (open(underWay)) return deliver(underWay);
        Event e = injected;
        if (open(e)) {
            injected = null;
            return deliver(e);
        }
        if (nmi && !cpu.nmiBlocked) {
            nmi = false;
            return deliver(NON_MASKABLE);
        }
        if (!interruptsOpen()) return false;
        int vector = apic == null ? -1 : apic.pending();
        if (vector >= 0) {
            apic.accept(vector);
            return deliver(EXTERNAL[vector]);
        }
        return externalPending() && deliver(EXTERNAL[controller.acknowledge() & 0xff]);
    }

    /** A state that was written since may have closed what was open. */
    private boolean open(Event e) {
        return e != null && (e.type() != Event.Type.EXTERNAL_INTERRUPT || interruptsOpen());
    }

    private boolean deliver(Event e) {
        underWay = e;
        cpu.attention = true;
        boolean alive = switch (e.type()) {
            case EXTERNAL_INTERRUPT -> interrupt(e.vector());
            case NMI -> interrupt(GuestFault.NMI);
            case EXCEPTION -> fault(e.vector(), e.errorCode());
        };
        underWay = null;
        if (!alive) shutdown();
        if (e.type() == Event.Type.NMI) cpu.nmiBlocked = true;
        return true;
    }

    private boolean interrupt(int vector) {
        cpu.halted = false;
        boolean alive = Interrupts.deliver(cpu, vector, -1, Interrupts.EXTERNAL);
        cpu.faultNotTrap = false; // a fault in the delivery has set it
        return alive;
    }

    /** HLT, and nothing to do yet. */
    private Exit halted() {
        boolean deaf = deaf();
        if (apic == null) {
            cpu.halted = false;
            return deaf ? new Exit.HaltForever() : new Exit.Halt();
        }
        if (deaf && vm.allHaltedForever()) {
            cpu.attention = true;
            return new Exit.HaltForever();
        }
        if (instructions != null && instructions.nextDeadlineNs() < NEVER_NS && !deaf) {
            skippedNs += Math.max(0, instructions.nextDeadlineNs() - nowNs()); // nothing happens until then: time jumps
            runTimers();
            cpu.attention = true;
            return null;
        }
        inGuest = false;
        while (!cpu.attention) LockSupport.park(this);
        enterGuest();
        return null;
    }

    /** Halted with interrupts disabled, and no NMI on its way. */
    boolean deaf() {
        if (waitForSipi && !sipi) return true;
        boolean nmiOpen = nmi && !cpu.nmiBlocked;
        return cpu.halted && !interruptsOpen() && !nmiOpen && cpu.pendingDebug == 0 && injected == null && !kicked;
    }

    private Exit initState() {
        if (init) {
            init = false;
            underWay = null;
            new StateTransfer(this).reset();
            if (apic != null) apic.reset();
            waitForSipi = index != 0;
            cpu.attention = true;
            return null;
        }
        if (!sipi) {
            inGuest = false;
            while (!cpu.attention) LockSupport.park(this);
            enterGuest();
            return null;
        }
        sipi = false;
        waitForSipi = false;
        Segments.setReal(cpu, Reg.CS, sipiVector << 8);
        cpu.r[Reg.RIP] = 0;
        cpu.updateMode();
        cpu.attention = true;
        return null;
    }

    // ---- state ----

    @Override
    public boolean interruptible() {
        return interruptsOpen() && !cpu.stiShadow && !cpu.movSsShadow;
    }

    @Override
    public void readState(CpuState into) {
        new StateTransfer(this).read(into);
    }

    @Override
    public void writeState(CpuState from) {
        new StateTransfer(this).write(from);
        waitForSipi = from.waitForSipi;
    }

    boolean waitsForSipi() {
        return waitForSipi;
    }

    @Override
    public long instructionCount() {
        return cpu.retired;
    }

    @Override
    public String counters() {
        return "instructions " + cpu.retired + ", TLB hits " + Math.max(0, cpu.memoryOperands - mmu.misses)
                + ", TLB misses " + mmu.misses + ", nested walks " + mmu.walks + ", nested faults " + mmu.nestedFaults
                + ", TLB flushes " + mmu.flushes + ", device accesses " + mmu.mmioAccesses
                + ", blocks decoded " + interpreter.decoded + ", compiled " + interpreter.compiled
                + ", compiled KB of the machine " + (vm.code.compiledBytes() >> 10)
                + ", given up " + vm.code.givenUp();
    }

    @Override
    public void close() {
        vm.remove(this);
        if (apic != null) apic.close();
        arena.close();
    }
}
