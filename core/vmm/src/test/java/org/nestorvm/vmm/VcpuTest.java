package org.nestorvm.vmm;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.nestorvm.vmm.MemoryRange.Type.RAM;

import java.io.IOException;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.FutureTask;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(60)
class VcpuTest {
    private static final MemoryMap MAP = MemoryMap.of(new MemoryRange(0, 1 << 20, RAM));

    private final Vmm vmm = new Vmm();
    private Host before;

    @BeforeEach
    void remember() {
        before = Host.now();
    }

    @AfterEach
    void nothingIsLeft() {
        before.assertUnchanged("the test");
    }

    private VirtualMachine machine(ScriptedEngine engine) throws IOException {
        return vmm.create(VmConfig.of("vcpus", MAP).withEngine(engine, ScriptedEngine.options()));
    }

    /** A guest that spins, in a thread of its own; {@link #entered} says when it is in the guest. */
    private static final class Spinner {
        final CountDownLatch entered = new CountDownLatch(1);
        final ScriptedEngine engine = new ScriptedEngine((guest, bus) -> {
            entered.countDown();
            return ScriptedEngine.SPIN.run(guest, bus);
        });

        FutureTask<Exit> run(Vcpu vcpu) throws InterruptedException {
            FutureTask<Exit> run = new FutureTask<>(() -> vcpu.run(GuestBus.EMPTY));
            Thread.ofPlatform().daemon().start(run);
            entered.await();
            return run;
        }
    }

    @Test
    void p20_whateverASecondUserWantsIsRefusedAtOnce() throws Exception {
        Spinner spinner = new Spinner();
        try (VirtualMachine vm = machine(spinner.engine)) {
            Vcpu vcpu = vm.vcpu(0);
            FutureTask<Exit> run = spinner.run(vcpu);
            assertEquals(Vcpu.State.RUNNING, vcpu.state());
            long start = System.nanoTime();
            assertThatThrownBy(() -> vcpu.run(GuestBus.EMPTY))
                    .isInstanceOf(VcpuBusyException.class)
                    .hasMessageContaining("virtual CPU 0")
                    .hasMessageContaining("vcpus")
                    .hasMessageContaining("RUNNING");
            assertThrows(VcpuBusyException.class, () -> vcpu.readState(new CpuState()));
            assertThrows(VcpuBusyException.class, () -> vcpu.writeState(new CpuState()));
            assertThrows(
                    VcpuBusyException.class, () -> vcpu.inject(new EngineVcpu.Event(EngineVcpu.Event.Type.NMI, 2, -1)));
            assertThrows(VcpuBusyException.class, vcpu::interruptible);
            assertThat(System.nanoTime() - start).as("ns for five refusals").isLessThan(TimeUnit.SECONDS.toNanos(5));
            assertEquals(Vcpu.State.RUNNING, vcpu.state(), "the run was not disturbed");
            vcpu.kick();
            assertInstanceOf(Exit.Interrupted.class, run.get());
            assertEquals(Vcpu.State.STOPPED, vcpu.state());
            vcpu.readState(new CpuState());
        }
    }

    @Test
    void p18_afterAFailedHandOverItCanRunAgain() throws IOException {
        AtomicInteger runs = new AtomicInteger();
        ScriptedEngine engine = new ScriptedEngine((guest, bus) -> {
            if (runs.getAndIncrement() == 0) bus.portRead(0x60, 1);
            return new Exit.Halt();
        });
        GuestBus broken = new GuestBus() {
            @Override
            public int portRead(int port, int size) {
                throw new IllegalStateException("a device with a fault");
            }

            @Override
            public void portWrite(int port, int size, int value) {}

            @Override
            public long mmioRead(long gpa, int size) {
                return -1;
            }

            @Override
            public void mmioWrite(long gpa, int size, long value) {}
        };
        try (VirtualMachine vm = machine(engine)) {
            Vcpu vcpu = vm.vcpu(0);
            assertThrows(NullPointerException.class, () -> vcpu.run(null));
            assertEquals(Vcpu.State.STOPPED, vcpu.state());
            assertThrows(IllegalStateException.class, () -> vcpu.run(broken));
            assertEquals(Vcpu.State.STOPPED, vcpu.state());
            assertEquals(new Exit.Halt(), vcpu.run(GuestBus.EMPTY));
            assertEquals(2, runs.get());
        }
    }

    @Test
    void p19_eachExitIsDeliveredOnce() throws IOException {
        AtomicInteger next = new AtomicInteger();
        ScriptedEngine engine = new ScriptedEngine((guest, bus) -> new Exit.Unknown(next.getAndIncrement()));
        try (VirtualMachine vm = machine(engine)) {
            for (int i = 0; i < 1_000; i++)
                assertEquals(new Exit.Unknown(i), vm.vcpu(0).run(GuestBus.EMPTY));
        }
    }

    @Test
    void anInternalErrorIsDeliveredOnceAndIsTheEnd() throws IOException {
        ScriptedEngine engine = new ScriptedEngine((guest, bus) -> new Exit.InternalError(17, "cannot emulate"));
        try (VirtualMachine vm = machine(engine)) {
            assertEquals(
                    new Exit.InternalError(17, "cannot emulate"), vm.vcpu(0).run(GuestBus.EMPTY));
            assertEquals(Vcpu.State.TERMINATED, vm.vcpu(0).state());
            assertThatThrownBy(() -> vm.vcpu(0).run(GuestBus.EMPTY))
                    .isInstanceOf(VmTerminatedException.class)
                    .hasMessageContaining("virtual CPU 0");
        }
    }

    @Test
    void p21_aSpinningGuestIsTerminatedInBoundedTime() throws Exception {
        Spinner spinner = new Spinner();
        VirtualMachine vm = machine(spinner.engine);
        FutureTask<Exit> run = spinner.run(vm.vcpu(0));
        long start = System.nanoTime();
        vmm.terminate(vm.id());
        assertThat(System.nanoTime() - start).as("ns to terminate").isLessThan(VirtualMachine.TERMINATION_NS);
        assertInstanceOf(Exit.Interrupted.class, run.get(), "the exit is delivered all the same");
        assertEquals(Vcpu.State.TERMINATED, vm.vcpu(0).state());
        assertThrows(VmTerminatedException.class, () -> vm.vcpu(0).run(GuestBus.EMPTY));
    }

    @Test
    void p21_aGuestThatIgnoresAKickOnceIsKickedAgain() throws Exception {
        CountDownLatch entered = new CountDownLatch(1);
        ScriptedEngine engine = new ScriptedEngine((guest, bus) -> {
            entered.countDown();
            for (int kicks = 0; kicks < 2; ) if (guest.takeKick()) kicks++;
            return new Exit.Interrupted();
        });
        VirtualMachine vm = machine(engine);
        FutureTask<Exit> run = new FutureTask<>(() -> vm.vcpu(0).run(GuestBus.EMPTY));
        Thread.ofPlatform().daemon().start(run);
        entered.await();
        vm.close();
        assertInstanceOf(Exit.Interrupted.class, run.get());
    }

    /** A power-off port: the device that the guest writes to ends the machine, from within the run. */
    @Test
    void p21_aMachineCanBeTerminatedByItsOwnGuest() throws IOException {
        ScriptedEngine engine = new ScriptedEngine((guest, bus) -> {
            bus.portWrite(0x604, 2, 0x2000);
            guest.store(4096, 1); // the memory is there until the guest has left
            return guest.takeKick() ? new Exit.Interrupted() : new Exit.Shutdown();
        });
        VirtualMachine vm = machine(engine);
        GuestBus powerOff = new GuestBus() {
            @Override
            public int portRead(int port, int size) {
                return -1;
            }

            @Override
            public void portWrite(int port, int size, int value) {
                vm.close();
            }

            @Override
            public long mmioRead(long gpa, int size) {
                return -1;
            }

            @Override
            public void mmioWrite(long gpa, int size, long value) {}
        };
        long start = System.nanoTime();
        assertEquals(new Exit.Interrupted(), vm.vcpu(0).run(powerOff));
        assertThat(System.nanoTime() - start)
                .as("ns, without waiting for itself")
                .isLessThan(VirtualMachine.TERMINATION_NS / 2);
        assertEquals(Vcpu.State.TERMINATED, vm.vcpu(0).state());
        assertEquals(0, engine.openVms.get());
        assertThat(vmm.info()).isEmpty();
    }

    /** While a run holds the machine, closing does not take its memory away. */
    @Test
    void teardownWaitsForTheRunThatIsLeaving() throws Exception {
        AtomicLong seen = new AtomicLong();
        CountDownLatch entered = new CountDownLatch(1);
        ScriptedEngine engine = new ScriptedEngine((guest, bus) -> {
            entered.countDown();
            ScriptedEngine.SPIN.run(guest, bus);
            guest.store(4096, 42);
            seen.set(guest.load(4096));
            return new Exit.Interrupted();
        });
        VirtualMachine vm = machine(engine);
        FutureTask<Exit> run = new FutureTask<>(() -> vm.vcpu(0).run(GuestBus.EMPTY));
        Thread.ofPlatform().daemon().start(run);
        entered.await();
        vm.close();
        run.get();
        assertEquals(42, seen.get());
        assertEquals(0, engine.openVms.get());
        assertEquals(0, engine.openVcpus.get());
    }

    /**
     * Two writers of registers that hold the same number everywhere, a reader that would see a mixture, and a guest
     * that runs in between.
     */
    @Test
    void p24_registersAreNeverTorn() throws Exception {
        try (VirtualMachine vm = machine(new ScriptedEngine((guest, bus) -> {
            long first = guest.state().gpr[0];
            for (long register : guest.state().gpr)
                if (register != first) return new Exit.InternalError(1, "torn while running");
            for (int i = 0; i < 16; i++) guest.state().gpr[i] = first + 1;
            return new Exit.Halt();
        }))) {
            Vcpu vcpu = vm.vcpu(0);
            CpuState same = new CpuState();
            java.util.Arrays.fill(same.gpr, 0); // after a reset they are not
            vcpu.writeState(same);
            AtomicInteger written = new AtomicInteger(),
                    read = new AtomicInteger(),
                    ran = new AtomicInteger(),
                    busy = new AtomicInteger();
            long end = System.nanoTime() + TimeUnit.MILLISECONDS.toNanos(500);
            Thread[] threads = new Thread[4];
            FutureTask<?>[] tasks = new FutureTask<?>[threads.length];
            for (int t = 0; t < threads.length; t++) {
                int role = t;
                tasks[t] = new FutureTask<>(() -> {
                    CpuState state = new CpuState();
                    for (long n = 0; System.nanoTime() < end; n++) {
                        try {
                            if (role < 2) {
                                java.util.Arrays.fill(state.gpr, n * 2 + role);
                                vcpu.writeState(state);
                                written.incrementAndGet();
                            } else if (role == 2) {
                                vcpu.readState(state);
                                for (long register : state.gpr) assertEquals(state.gpr[0], register);
                                read.incrementAndGet();
                            } else {
                                assertEquals(new Exit.Halt(), vcpu.run(GuestBus.EMPTY));
                                ran.incrementAndGet();
                            }
                        } catch (VcpuBusyException e) {
                            busy.incrementAndGet();
                        }
                    }
                    return null;
                });
                threads[t] = Thread.ofPlatform().daemon().start(tasks[t]);
            }
            for (FutureTask<?> task : tasks) task.get();
            assertTrue(
                    written.get() > 0 && read.get() > 0 && ran.get() > 0,
                    written + " written, " + read + " read, " + ran + " runs, " + busy + " busy");
        }
    }
}
