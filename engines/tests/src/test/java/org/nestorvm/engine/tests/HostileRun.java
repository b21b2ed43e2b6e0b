package org.nestorvm.engine.tests;

import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.nestorvm.vmm.CpuState;
import org.nestorvm.vmm.EngineVcpu;
import org.nestorvm.vmm.Exit;
import org.nestorvm.vmm.GuestBus;
import org.nestorvm.vmm.Vcpu;

/**
 * Runs the processors of a {@link HostileMachine}, each in a thread of its own, again and again, and asks them to stop
 * every few milliseconds. An exception, an exit that no guest may cause, or a processor that does not come back is a
 * failure.
 */
final class HostileRun {
    /** A stop request has to be answered by then: far more than it takes, since test machines are busy. */
    private static final long PATIENCE_NS = 20_000_000_000L;

    private final HostileMachine machine;
    private final boolean wild;
    private final List<Processor> processors = new ArrayList<>();
    private volatile boolean over;

    HostileRun(HostileMachine machine, boolean wild) {
        this.machine = machine;
        this.wild = wild;
        for (Vcpu vcpu : machine.vm.vcpus()) processors.add(new Processor(vcpu));
    }

    private final class Processor implements Runnable {
        final Vcpu vcpu;
        final SplittableRandom random = machine.random.split();
        final GuestBus bus = machine.bus();
        final List<CpuState> states = new ArrayList<>();
        Thread thread;
        volatile long runs;
        volatile Throwable failure;

        Processor(Vcpu vcpu) {
            this.vcpu = vcpu;
            for (int i = 0; i < 8; i++) states.add(machine.state(wild && i % 2 == 1));
        }

        @Override
        public void run() {
            try {
                for (int n = 0; !over; n++) episode(states.get(n % states.size()));
            } catch (Throwable t) {
                failure = t;
            }
        }

        private void episode(CpuState state) {
            vcpu.writeState(state);
            for (int again = 1 + random.nextInt(4); again > 0 && !over; again--) {
                Exit exit = vcpu.run(bus);
                runs++;
                switch (exit) {
                    case Exit.Halt() -> inject();
                    case Exit.HaltForever(), Exit.Shutdown() -> {
                        return;
                    }
                    case Exit.Interrupted() -> {}
                    default -> throw new AssertionError("a guest's exit must not be " + exit);
                }
            }
            vcpu.readState(new CpuState());
        }

        private void inject() {
            switch (random.nextInt(3)) {
                case 0 -> {
                    if (vcpu.interruptible())
                        vcpu.inject(new EngineVcpu.Event(
                                EngineVcpu.Event.Type.EXTERNAL_INTERRUPT, random.nextInt(256), -1));
                }
                case 1 -> vcpu.inject(new EngineVcpu.Event(EngineVcpu.Event.Type.NMI, 2, -1));
                default ->
                    vcpu.inject(new EngineVcpu.Event(
                            EngineVcpu.Event.Type.EXCEPTION, random.nextInt(20), random.nextInt(3) - 1));
            }
        }
    }

    /** One run, which a stop request ends after so much of the host's time if nothing else does. */
    static Exit watched(Vcpu vcpu, GuestBus bus, int milliseconds) {
        CompletableFuture<Void> alarm = CompletableFuture.runAsync(
                vcpu::kick, CompletableFuture.delayedExecutor(milliseconds, TimeUnit.MILLISECONDS));
        try {
            return vcpu.run(bus);
        } finally {
            alarm.cancel(false);
        }
    }

    /** Runs for a while. @param beside done every two milliseconds by this thread, beside the guest */
    void run(int milliseconds, Runnable beside) throws InterruptedException {
        for (Processor p : processors)
            p.thread = Thread.ofPlatform()
                    .daemon()
                    .name("hostile-" + p.vcpu.index())
                    .start(p);
        long end = System.nanoTime() + milliseconds * 1_000_000L;
        while (System.nanoTime() < end && processors.stream().allMatch(p -> p.failure == null)) {
            for (int i = 0; i < 4; i++) {
                beside.run();
                Thread.sleep(1);
            }
            for (Processor p : processors) p.vcpu.kick();
        }
        over = true;
        for (Processor p : processors) join(p);
        for (Processor p : processors)
            if (p.failure != null)
                throw new AssertionError("virtual CPU " + p.vcpu.index() + ": " + p.failure, p.failure);
        machine.check();
    }

    /**
     * One stop request must be enough, if it meets the guest; another one follows in case that it came between two
     * runs.
     */
    private static void join(Processor p) throws InterruptedException {
        long deadline = System.nanoTime() + PATIENCE_NS;
        while (p.thread.isAlive()) {
            p.vcpu.kick();
            p.thread.join(100);
            if (System.nanoTime() < deadline) continue;
            AssertionError hang =
                    new AssertionError("virtual CPU " + p.vcpu.index() + " does not answer a stop request");
            hang.setStackTrace(p.thread.getStackTrace());
            throw hang;
        }
    }
}
