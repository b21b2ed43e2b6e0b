package org.nestorvm.machine;

import java.time.Duration;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import org.nestorvm.vmm.CpuState;
import org.nestorvm.vmm.Exit;
import org.nestorvm.vmm.GuestBus;
import org.nestorvm.vmm.Vcpu;
import org.nestorvm.vmm.VmTerminatedException;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** The virtual CPUs' threads: one each, from the first instruction to the machine's end. The first outcome counts. */
final class Processors {
    /** After the end, for engines to come back out of the guest (P21). They are asked again meanwhile. */
    static final long PATIENCE_MS = 10_000;

    private static final long ASK_AGAIN_MS = 100;
    private static final long RFLAGS_IF = 1 << 9;
    private static final Logger LOG = LoggerFactory.getLogger(Processors.class);

    private final String machine;
    private final List<Vcpu> vcpus;
    private final List<Thread> threads = new ArrayList<>();
    private final List<CountingBus> buses = new ArrayList<>();
    private final List<long[]> exits = new ArrayList<>(); // by ExitKind; written by the virtual CPU's thread only
    private final HaltCensus census;
    private final Runnable whenEnded;
    private volatile Outcome outcome;

    /** @param whenEnded called once, on any thread */
    Processors(String machine, List<Vcpu> vcpus, GuestBus devices, Runnable whenEnded) {
        this.machine = machine;
        this.whenEnded = whenEnded;
        this.vcpus = vcpus;
        census = new HaltCensus(vcpus.size());
        for (Vcpu _ : vcpus) {
            buses.add(new CountingBus(devices));
            exits.add(new long[ExitKind.values().length]);
        }
    }

    synchronized void start() {
        if (!threads.isEmpty()) throw new IllegalStateException("machine \"" + machine + "\" has been started already");
        for (Vcpu vcpu : vcpus)
            threads.add(Thread.ofPlatform()
                    .name("vcpu-" + vcpu.index() + "-" + machine)
                    .daemon()
                    .unstarted(() -> loop(vcpu)));
        threads.forEach(Thread::start);
    }

    private void loop(Vcpu vcpu) {
        try {
            while (outcome == null) step(vcpu);
        } catch (VmTerminatedException e) {
            end(Outcome.of(Outcome.Kind.STOPPED, e.getMessage()));
        } catch (InterruptedException e) {
            end(Outcome.of(Outcome.Kind.STOPPED, "interrupted"));
        } catch (OutOfMemoryError e) {
            end(Outcome.failed(HeapLimit.explain(e)));
        } catch (RuntimeException | Error e) { // not the guest's doing: an engine or a device is wrong
            LOG.error("virtual CPU {} of machine \"{}\" broke", vcpu.index(), machine, e);
            end(Outcome.failed("virtual CPU " + vcpu.index() + ": " + e));
        }
    }

    private void step(Vcpu vcpu) throws InterruptedException {
        int index = vcpu.index();
        Exit exit = vcpu.run(buses.get(index));
        exits.get(index)[ExitKind.of(exit).ordinal()]++;
        switch (ExitPolicy.step(index, exit)) {
            case ExitPolicy.Step.Continue _ -> {
                if (census.isOpen() && census.observe(index, isAsleep(vcpu))) endHalted();
            }
            case ExitPolicy.Step.Park _ -> {
                if (census.observe(index, true)) endHalted();
                else askTheOthers(index);
            }
            case ExitPolicy.Step.End(Outcome reached) -> end(reached);
        }
    }

    private void endHalted() {
        end(Outcome.of(Outcome.Kind.HALTED_FOREVER, "guest halted with interrupts disabled"));
    }

    private static boolean isAsleep(Vcpu vcpu) {
        CpuState state = new CpuState();
        vcpu.readState(state);
        return state.waitForSipi || state.halted && (state.rflags & RFLAGS_IF) == 0;
    }

    private void askTheOthers(int index) throws InterruptedException {
        for (Vcpu other : vcpus) {
            if (other.index() != index) other.kick();
        }
        synchronized (this) {
            if (outcome == null) wait(HaltCensus.INTERVAL_MS);
        }
    }

    /** Ends the machine, unless that has happened. From any thread. */
    void end(Outcome reached) {
        synchronized (this) {
            if (outcome != null) return;
            outcome = reached;
            notifyAll();
        }
        LOG.info(
                "machine \"{}\" ended, {}: {}",
                machine,
                reached.kind(),
                reached.detail()); // who waits for the outcome tells the user
        kickAll();
        whenEnded.run();
    }

    private void kickAll() {
        for (Vcpu vcpu : vcpus) vcpu.kick();
    }

    /** Null while it runs. */
    Outcome outcome() {
        return outcome;
    }

    /** Waits for an outcome, then for the threads, which is bounded. */
    Outcome await() throws InterruptedException {
        synchronized (this) {
            while (outcome == null) wait();
        }
        awaitThreads();
        return outcome;
    }

    /** After the end: waits for the threads, which is bounded. */
    void awaitThreads() throws InterruptedException {
        long deadline = System.nanoTime() + PATIENCE_MS * 1_000_000;
        for (Thread thread : threads) {
            while (!thread.join(Duration.ofMillis(ASK_AGAIN_MS)) && System.nanoTime() < deadline) kickAll();
            if (thread.isAlive()) LOG.error("{} did not leave the guest in {} ms", thread.getName(), PATIENCE_MS);
        }
    }

    Counters counters(long nestedPages, long nestedFaults) {
        Map<ExitKind, Long> sums = new EnumMap<>(ExitKind.class);
        for (ExitKind kind : ExitKind.values())
            sums.put(
                    kind,
                    exits.stream().mapToLong(ofOne -> ofOne[kind.ordinal()]).sum());
        long instructions = 0;
        for (Vcpu vcpu : vcpus) {
            long count = vcpu.engine().instructionCount();
            instructions = count < 0 || instructions < 0 ? -1 : instructions + count;
        }
        return new Counters(
                instructions,
                sums,
                buses.stream().mapToLong(b -> b.portReads).sum(),
                buses.stream().mapToLong(b -> b.portWrites).sum(),
                buses.stream().mapToLong(b -> b.mmioReads).sum(),
                buses.stream().mapToLong(b -> b.mmioWrites).sum(),
                nestedPages,
                nestedFaults);
    }
}
