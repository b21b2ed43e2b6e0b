package org.nestorvm.engine.kvm;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.FutureTask;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.BooleanSupplier;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.nestorvm.memory.sys.Descriptors;
import org.nestorvm.memory.sys.Events;
import org.nestorvm.vmm.CpuState;
import org.nestorvm.vmm.EngineOptions.Interrupts;
import org.nestorvm.vmm.EventWiring;
import org.nestorvm.vmm.Exit;
import org.nestorvm.vmm.InterruptController;

/** The split interrupt controller: local APICs in the kernel, everything else here. */
@Timeout(60)
final class KvmInterruptTest {
    private static final long APIC = 0xfee00000L;
    private static final int LEVEL = 0xc000; // trigger mode level, asserted
    /** Software-enables the local APIC, says so on port 1, waits for interrupts. */
    static final int[] WAIT = {
        0xc7, 0x83, 0xf0, 0, 0, 0, 0xff, 0x01, 0, 0, // mov dword [rbx + 0xf0], 0x1ff
        0xe6, 0x01, // out 1, al
        0xfb, // sti
        0xf4, 0xeb, 0xfd, // again: hlt; jmp again
    };
    /** Reports on the port of its vector, ends the interrupt. */
    static int[] reporting(int vector) {
        return new int[] {0xe6, vector, 0xc7, 0x83, 0xb0, 0, 0, 0, 0, 0, 0, 0, 0x48, 0xcf
        }; // out vector, al; mov dword [rbx + 0xb0], 0; iretq
    }

    /** An interrupt controller of one line, for the 8259s, that also counts ends of interrupts. */
    private static final class Line implements InterruptController {
        private volatile int vector = -1;
        final AtomicInteger acknowledged = new AtomicInteger();
        final AtomicInteger ended = new AtomicInteger(-1);

        @Override
        public boolean interruptPending() {
            return vector >= 0;
        }

        @Override
        public int acknowledge() {
            int now = vector;
            vector = -1;
            acknowledged.incrementAndGet();
            return now;
        }

        @Override
        public void endOfInterrupt(int endedVector) {
            ended.set(endedVector);
        }

        void awaitEnd(int expected) {
            await(() -> ended.get() == expected, "end of interrupt " + expected + ", last was " + ended);
        }
    }

    /** Fails instead of hanging: a guest's interrupt is there within microseconds, or never. */
    private static void await(BooleanSupplier condition, String what) {
        long deadline = System.nanoTime() + 10_000_000_000L;
        while (!condition.getAsBoolean()) {
            if (System.nanoTime() > deadline) throw new AssertionError("did not come: " + what);
            Thread.onSpinWait();
        }
    }

    private static Guest waiting(InterruptController controller, int... vectors) throws Exception {
        Guest guest = Guest.with(1, Interrupts.LOCAL_APIC, controller, WAIT).withInterrupts();
        for (int vector : vectors) guest.handler(vector, 0x2000 + vector * 0x20, reporting(vector));
        return guest;
    }

    /** Runs the guest in a thread; {@link #await} waits for an access and {@link #stop} ends the run. */
    static final class Runner {
        private final Guest guest;
        private final FutureTask<Exit> run;

        Runner(Guest guest) {
            this.guest = guest;
            run = new FutureTask<>(guest::run);
            Thread.ofPlatform().daemon().start(run);
        }

        void await(String access, int times) {
            KvmInterruptTest.await(() -> count(access) >= times, access + " " + times + " times");
        }

        private long count(String access) {
            synchronized (guest) {
                return guest.accesses.stream().filter(access::equals).count();
            }
        }

        /** Does {@code meanwhile} again and again until the guest has ended by itself. */
        Exit awaitEnd(Runnable meanwhile) throws Exception {
            KvmInterruptTest.await(
                    () -> {
                        meanwhile.run();
                        return run.isDone();
                    },
                    "the end of the guest");
            return run.get();
        }

        void stop() throws Exception {
            guest.vcpu().kick();
            assertEquals(new Exit.Interrupted(), run.get());
        }
    }

    @Test
    void aMessageInterruptsTheHaltedGuest() throws Exception {
        try (Guest guest = waiting(InterruptController.NONE, 0x30)) {
            Runner runner = new Runner(guest);
            runner.await("out 0x1 1 0x0", 1);
            for (int i = 1; i <= 100; i++) {
                guest.vm.engine().signalMsi(APIC, 0x30);
                runner.await("out 0x30 1 0x0", i);
            }
            runner.stop();
        }
    }

    @Test
    void theEndOfALevelTriggeredInterruptReachesTheController() throws Exception {
        Line line = new Line();
        try (Guest guest = waiting(line, 0x31, 0x42)) {
            Runner runner = new Runner(guest);
            runner.await("out 0x1 1 0x0", 1);
            guest.vm.engine().signalMsi(APIC, LEVEL | 0x31);
            runner.await("out 0x31 1 0x0", 1);
            line.awaitEnd(0x31);
            guest.vm.engine().signalMsi(APIC, LEVEL | 0x42);
            line.awaitEnd(0x42);
            guest.vm.engine().signalMsi(APIC, LEVEL | 0x31);
            line.awaitEnd(0x31);
            runner.stop();
        }
    }

    @Test
    void theEndOfAnEdgeTriggeredInterruptStaysInTheKernel() throws Exception {
        Line line = new Line();
        try (Guest guest = waiting(line, 0x30)) {
            Runner runner = new Runner(guest);
            runner.await("out 0x1 1 0x0", 1);
            for (int i = 1; i <= 10; i++) {
                guest.vm.engine().signalMsi(APIC, 0x30);
                runner.await("out 0x30 1 0x0", i);
            }
            runner.stop();
            assertEquals(-1, line.ended.get());
        }
    }

    /** More level-triggered messages than the table has places: each still tells its end when it is used. */
    @Test
    void routesOfAbandonedEntriesAreReplaced() throws Exception {
        Line line = new Line();
        int[] vectors = java.util.stream.IntStream.range(0x30, 0x30 + KvmRoutes.FIRST_MESSAGE + 10)
                .toArray();
        try (Guest guest = waiting(line, vectors)) {
            Runner runner = new Runner(guest);
            runner.await("out 0x1 1 0x0", 1);
            for (int vector : vectors) {
                guest.vm.engine().signalMsi(APIC, LEVEL | vector);
                line.awaitEnd(vector);
            }
            runner.stop();
        }
    }

    @Test
    void theOldControllersLineInterruptsTheHaltedGuest() throws Exception {
        Line line = new Line();
        try (Guest guest = waiting(line, 0x50)) {
            Runner runner = new Runner(guest);
            runner.await("out 0x1 1 0x0", 1);
            for (int i = 1; i <= 20; i++) {
                line.vector = 0x50;
                guest.vm.engine().externalInterruptChanged();
                runner.await("out 0x50 1 0x0", i);
            }
            runner.stop();
            assertEquals(20, line.acknowledged.get());
        }
    }

    @Test
    void theOldControllersLineWaitsForTheInterruptFlag() throws Exception {
        Line line = new Line();
        line.vector = 0x20;
        int[] code = {
            0xe6, 0x01, // out 1, al
            0xfb, // sti
            0x80, 0x3c, 0x25, 0, 0x30, 0, 0, 0, // again: cmp byte [0x3000], 0
            0x74, 0xf6, // je again
            0xfa, 0xe6, 0x02, 0xf4, // cli; out 2, al; hlt
        };
        try (Guest guest = Guest.with(1, Interrupts.NONE, line, code)) {
            guest.withInterrupts()
                    .handler(
                            0x20, 0x2000, 0xe6, 0x20, 0xc6, 0x04, 0x25, 0, 0x30, 0, 0, 1, 0x48,
                            0xcf); // out 0x20, al; mov byte [0x3000], 1; iretq
            assertEquals(new Exit.HaltForever(), guest.run());
            assertEquals(List.of("out 0x1 1 0x0", "out 0x20 1 0x0", "out 0x2 1 0x0"), guest.accesses);
        }
    }

    @Test
    void aMessageWaitsForTheInterruptFlag() throws Exception {
        int[] code = {
            0xc7, 0x83, 0xf0, 0, 0, 0, 0xff, 0x01, 0, 0, // mov dword [rbx + 0xf0], 0x1ff
            0xe6, 0x01, // out 1, al
            0xfb, // sti
            0x80, 0x3c, 0x25, 0, 0x30, 0, 0, 0, // again: cmp byte [0x3000], 0
            0x74, 0xf6, // je again
            0xfa, 0xe6, 0x02, 0xeb, 0xfe, // cli; out 2, al; jmp $
        };
        try (Guest guest = Guest.with(1, Interrupts.LOCAL_APIC, InterruptController.NONE, code)) {
            guest.withInterrupts()
                    .handler(
                            0x30, 0x2000, 0xe6, 0x30, 0xc6, 0x04, 0x25, 0, 0x30, 0, 0, 1, 0x48,
                            0xcf); // out 0x30, al; mov byte [0x3000], 1; iretq
            guest.onAccess = () -> {
                if (guest.accesses.size() == 1) guest.vm.engine().signalMsi(APIC, 0x30);
                if (guest.accesses.size() == 3) guest.vcpu().kick();
            };
            assertEquals(new Exit.Interrupted(), guest.run());
            assertEquals(List.of("out 0x1 1 0x0", "out 0x30 1 0x0", "out 0x2 1 0x0"), guest.accesses);
        }
    }

    @Test
    void anEventfdInterruptsWithoutTheMonitor() throws Exception {
        try (Guest guest = waiting(InterruptController.NONE, 0x33)) {
            int eventfd = Events.eventfd("test", 0, Events.EFD_NONBLOCK);
            try {
                int gsi = guest.kvm().addMessage(APIC, 0x33);
                guest.kvm().connectInterrupt(eventfd, gsi);
                Runner runner = new Runner(guest);
                runner.await("out 0x1 1 0x0", 1);
                for (int i = 1; i <= 50; i++) {
                    Events.trySignal(eventfd, 1);
                    runner.await("out 0x33 1 0x0", i);
                }
                guest.kvm().changeMessage(gsi, APIC, 0x34);
                guest.handler(0x34, 0x2800, reporting(0x34));
                Events.trySignal(eventfd, 1);
                runner.await("out 0x34 1 0x0", 1);
                runner.stop();
                guest.kvm().disconnectInterrupt(eventfd, gsi);
                guest.kvm().removeMessage(gsi);
            } finally {
                Descriptors.close(eventfd);
            }
        }
    }

    @Test
    void aDoorbellSignalsWithoutTheMonitor() throws Exception {
        try (Guest guest = Guest.bare(
                0x66, 0xb8, 0x07, 0x00, // mov ax, 7
                0x66, 0xa3, 0x00, 0x00, 0x00, 0xd0, // mov [0xd0000000], ax
                0x66, 0xb8, 0x08, 0x00, 0x66, 0xa3, 0x00, 0x00, 0x00, 0xd0, 0xe6, 0x60, // out 0x60, al
                0xf4)) {
            guest.protectedMode(state -> {});
            int memory = Events.eventfd("memory doorbell", 0, Events.EFD_NONBLOCK);
            int port = Events.eventfd("port doorbell", 0, Events.EFD_NONBLOCK);
            try {
                EventWiring.Doorbell onSeven = new EventWiring.Doorbell(false, 0xd0000000L, 2, 7L);
                EventWiring.Doorbell onAny = new EventWiring.Doorbell(true, 0x60, 1, null);
                guest.kvm().connect(onSeven, memory);
                guest.kvm().connect(onAny, port);
                guest.run();
                assertEquals(List.of("write 0xd0000000 2 0x8"), guest.accesses);
                assertEquals(1, Events.tryDrain(memory));
                assertEquals(1, Events.tryDrain(port));
                guest.kvm().disconnect(onSeven, memory);
                guest.protectedMode(state -> {});
                guest.run();
                assertThat(guest.accesses).contains("write 0xd0000000 2 0x7");
            } finally {
                Descriptors.close(memory);
                Descriptors.close(port);
            }
        }
    }

    @Test
    void aMessageToNobodyIsLost() throws Exception {
        try (Guest guest = waiting(InterruptController.NONE, 0x30)) {
            guest.vm.engine().signalMsi(APIC | 0x7f << 12, 0x30);
            guest.vm.engine().signalMsi(0x1234, -1);
            Runner runner = new Runner(guest);
            runner.await("out 0x1 1 0x0", 1);
            runner.stop();
        }
    }

    @Test
    void theSecondProcessorStartsByItsMessages() throws Exception {
        int[] boot = {
            0xc7, 0x83, 0xf0, 0, 0, 0, 0xff, 0x01, 0, 0, // mov dword [rbx + 0xf0], 0x1ff
            0xc7, 0x83, 0x10, 0x03, 0, 0, 0, 0, 0, 0x01, // mov dword [rbx + 0x310], 1 << 24
            0xc7, 0x83, 0x00, 0x03, 0, 0, 0x00, 0x45, 0, 0, // mov dword [rbx + 0x300], 0x4500: INIT
            0xc7, 0x83, 0x00, 0x03, 0, 0, 0x04, 0x46, 0, 0, // mov dword [rbx + 0x300], 0x4604: start at 4000h
            0xeb, 0xfe,
        };
        try (Guest guest = Guest.with(2, Interrupts.LOCAL_APIC, InterruptController.NONE, boot)
                .withInterrupts()) {
            guest.code(0x4000, 0xe6, 0xa1, 0xeb, 0xfe); // out 0xa1, al; jmp $
            CpuState waits = new CpuState();
            guest.vm.vcpu(1).readState(waits);
            assertThat(waits.waitForSipi).isTrue();
            CountDownLatch started = new CountDownLatch(1);
            guest.onAccess = started::countDown;
            FutureTask<Exit> first = new FutureTask<>(guest::run);
            FutureTask<Exit> second = new FutureTask<>(() -> guest.vm.vcpu(1).run(guest));
            Thread.ofPlatform().daemon().start(second);
            Thread.ofPlatform().daemon().start(first);
            started.await();
            assertEquals(List.of("out 0xa1 1 0x0"), guest.accesses);
            guest.vm.vcpu(0).kick();
            guest.vm.vcpu(1).kick();
            assertEquals(new Exit.Interrupted(), first.get());
            assertEquals(new Exit.Interrupted(), second.get());
        }
    }

    /** How many signals are queued for this user's processes. */
    private static int queuedSignals() throws IOException {
        try (Stream<String> lines = Files.lines(Path.of("/proc/self/status"))) {
            return Integer.parseInt(lines.filter(line -> line.startsWith("SigQ:"))
                    .findFirst()
                    .orElseThrow()
                    .replaceAll("\\D*(\\d+)/.*", "$1"));
        }
    }

    /** Faster than a processor can come back: it would have to take all of them on its stack. */
    @Test
    void manyKicksDoNotQueueSignals() throws Exception {
        try (Guest guest = waiting(InterruptController.NONE, 0x30)) {
            Runner runner = new Runner(guest);
            runner.await("out 0x1 1 0x0", 1);
            int before = queuedSignals(), most = 0;
            for (int i = 0; i < 400; i++) {
                for (int j = 0; j < 100; j++) guest.engine().poke();
                most = Math.max(most, queuedSignals() - before);
            }
            assertThat(most).isLessThanOrEqualTo(3);
            guest.vm.engine().signalMsi(APIC, 0x30);
            runner.await("out 0x30 1 0x0", 1);
            runner.stop();
        }
    }

    @Test
    void p26_aMachineThatWaitsForNothingIsNoticed() throws Exception {
        HandClock clock = new HandClock();
        try (Guest guest = Guest.at(clock, 2, 0xfa, 0xf4)) {
            FutureTask<Exit> second = new FutureTask<>(() -> guest.vm.vcpu(1).run(guest));
            FutureTask<Exit> first = new FutureTask<>(guest::run);
            Thread.ofPlatform().daemon().start(second);
            Thread.ofPlatform().daemon().start(first);
            await(
                    () -> {
                        clock.advance(HaltWatch.INTERVAL_NS);
                        return first.isDone();
                    },
                    "the end of a machine that waits for nothing");
            assertEquals(new Exit.HaltForever(), first.get());
            guest.vm.vcpu(1).kick();
            second.get();
        }
    }

    @Test
    void aMachineThatWaitsForInterruptsIsLeftAlone() throws Exception {
        HandClock clock = new HandClock();
        try (Guest guest = Guest.at(clock, 1, WAIT).withInterrupts().handler(0x30, 0x2000, reporting(0x30))) {
            Runner runner = new Runner(guest);
            runner.await("out 0x1 1 0x0", 1);
            int before = guest.engine().timesAsked();
            await(
                    () -> {
                        clock.advance(HaltWatch.INTERVAL_NS);
                        return guest.engine().timesAsked() >= before + 3;
                    },
                    "three looks that were answered");
            guest.vm.engine().signalMsi(APIC, 0x30);
            runner.await("out 0x30 1 0x0", 1);
            runner.stop();
        }
    }
}
