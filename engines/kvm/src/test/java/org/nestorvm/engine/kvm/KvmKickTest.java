package org.nestorvm.engine.kvm;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTimeoutPreemptively;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.FutureTask;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.nestorvm.memory.sys.ThreadSignal;
import org.nestorvm.vmm.CpuState;
import org.nestorvm.vmm.EngineOptions.Interrupts;
import org.nestorvm.vmm.Exit;
import org.nestorvm.vmm.InterruptController;
import org.nestorvm.vmm.VcpuBusyException;
import org.nestorvm.vmm.VmTerminatedException;

/** Kicks, and what two threads may do to one machine: P18 to P22, P24. */
@Timeout(60)
final class KvmKickTest {
    private static final int[] SPIN = {0xe6, 0x01, 0xeb, 0xfe}; // out 1, al; jmp $

    private static FutureTask<Exit> start(Guest guest) throws InterruptedException {
        CountDownLatch inside = new CountDownLatch(1);
        guest.onAccess = inside::countDown;
        FutureTask<Exit> run = new FutureTask<>(guest::run);
        Thread.ofPlatform().daemon().start(run);
        inside.await();
        return run;
    }

    @Test
    void aSpinningGuestIsKicked() throws Exception {
        try (Guest guest = Guest.bare(SPIN)) {
            FutureTask<Exit> run = start(guest);
            guest.vcpu().kick();
            assertEquals(new Exit.Interrupted(), run.get());
        }
    }

    @Test
    void aHaltedGuestIsKicked() throws Exception {
        try (Guest guest =
                Guest.with(1, Interrupts.LOCAL_APIC, InterruptController.NONE, 0xfb, 0xe6, 0x01, 0xf4, 0xe6, 0x02)) {
            AtomicInteger thread = new AtomicInteger();
            CountDownLatch inside = new CountDownLatch(1);
            guest.onAccess = inside::countDown;
            FutureTask<Exit> run = new FutureTask<>(() -> {
                thread.set(ThreadSignal.currentThread());
                return guest.run();
            });
            Thread.ofPlatform().daemon().start(run);
            inside.await();
            while (!asleep(thread.get())) Thread.onSpinWait();
            guest.vcpu().kick();
            assertEquals(new Exit.Interrupted(), run.get());
            assertEquals(List.of("out 0x1 1 0x0"), guest.accesses);
        }
    }

    /**
     * The kernel's state of a thread, third word of its stat after the name in parentheses: in HLT, KVM waits inside
     * KVM_RUN.
     */
    private static boolean asleep(int thread) throws IOException {
        String stat = Files.readString(Path.of("/proc/self/task/" + thread + "/stat"));
        return stat.charAt(stat.lastIndexOf(')') + 2) == 'S';
    }

    @Test
    void aKickBeforeTheRunEndsIt() throws Exception {
        try (Guest guest = Guest.bare(SPIN)) {
            guest.vcpu().kick();
            assertEquals(new Exit.Interrupted(), guest.run());
            assertThat(guest.accesses).isEmpty();
        }
    }

    @Test
    void everyKickIsSeenOnce() throws Exception {
        try (Guest guest = Guest.bare(0xfb, 0x90, 0xf4, 0xeb, 0xfc)) { // sti; again: nop; hlt; jmp again
            AtomicInteger interrupted = new AtomicInteger();
            FutureTask<Integer> runs = new FutureTask<>(() -> {
                int halts = 0;
                while (interrupted.get() < 2000) {
                    if (guest.run() instanceof Exit.Interrupted) interrupted.incrementAndGet();
                    else halts++;
                }
                return halts;
            });
            Thread.ofPlatform().daemon().start(runs);
            for (int kicks = 1; kicks <= 2000; kicks++) {
                guest.vcpu().kick();
                long deadline = System.nanoTime() + 10_000_000_000L;
                while (interrupted.get() < kicks) {
                    if (System.nanoTime() > deadline) throw new AssertionError("kick " + kicks + " was lost");
                    Thread.onSpinWait();
                }
            }
            assertThat(runs.get()).isNotNegative();
            assertEquals(2000, interrupted.get());
        }
    }

    @Test
    void p19_anAccessInProgressIsCompletedFirst() throws Exception {
        try (Guest guest = Guest.bare(0xa1, 0x00, 0x00, 0x00, 0xd0, 0x90, 0xf4)) { // mov eax, [0xd0000000]; nop; hlt
            guest.protectedMode(state -> {});
            guest.answer = 0x1234;
            guest.onAccess = () -> guest.vcpu().kick();
            assertEquals(new Exit.Interrupted(), guest.run());
            CpuState state = guest.state();
            assertEquals(0x1234, state.gpr[CpuState.RAX]);
            assertEquals(Guest.CODE + 5, state.rip);
            assertEquals(new Exit.HaltForever(), guest.run());
            assertEquals(List.of("read 0xd0000000 4"), guest.accesses);
        }
    }

    @Test
    void p18_anAccessWhoseDeviceFailsLeavesTheProcessorRunnable() throws Exception {
        try (Guest guest = Guest.bare(0xe6, 0x01, 0xe6, 0x02, 0xf4)) {
            guest.onAccess = () -> {
                guest.onAccess = () -> {};
                throw new IllegalStateException("device");
            };
            assertThatThrownBy(guest::run).hasMessage("device");
            assertEquals(new Exit.HaltForever(), guest.run());
            assertEquals(List.of("out 0x1 1 0x0", "out 0x2 1 0x0"), guest.accesses);
        }
    }

    @Test
    void p20_p24_aSecondUserIsToldAtOnce() throws Exception {
        try (Guest guest = Guest.bare(SPIN)) {
            FutureTask<Exit> run = start(guest);
            assertTimeoutPreemptively(Duration.ofSeconds(1), () -> {
                assertThatThrownBy(guest::run).isInstanceOf(VcpuBusyException.class);
                assertThatThrownBy(guest::state).isInstanceOf(VcpuBusyException.class);
                assertThatThrownBy(() -> guest.vcpu().writeState(new CpuState()))
                        .isInstanceOf(VcpuBusyException.class);
                assertThatThrownBy(() -> guest.vcpu().interruptible()).isInstanceOf(VcpuBusyException.class);
            });
            guest.vcpu().kick();
            run.get();
            assertEquals(Guest.CODE + 2, guest.state().rip);
        }
    }

    @Test
    void p21_terminationOfASpinningGuestIsBounded() throws Exception {
        Guest guest = Guest.bare(SPIN);
        FutureTask<Exit> run = start(guest);
        long before = System.nanoTime();
        guest.vm.close();
        assertThat(System.nanoTime() - before).isLessThan(2_000_000_000L);
        assertEquals(new Exit.Interrupted(), run.get());
        assertThatThrownBy(guest::run).isInstanceOf(VmTerminatedException.class);
        guest.clock.close();
    }

    @Test
    void p22_ofManyTerminationsOneSucceeds() throws Exception {
        for (int round = 0; round < 20; round++) {
            Guest guest = Guest.bare(SPIN);
            FutureTask<Exit> run = start(guest);
            List<FutureTask<Boolean>> terminations = new ArrayList<>();
            CountDownLatch together = new CountDownLatch(1);
            for (int i = 0; i < 4; i++) {
                FutureTask<Boolean> one = new FutureTask<>(() -> {
                    together.await();
                    guest.vm.close();
                    return true;
                });
                terminations.add(one);
                Thread.ofPlatform().daemon().start(one);
            }
            together.countDown();
            for (FutureTask<Boolean> one : terminations) one.get();
            assertEquals(new Exit.Interrupted(), run.get());
            assertThatThrownBy(guest::run).isInstanceOf(VmTerminatedException.class);
            guest.clock.close();
        }
    }

    @Test
    void aVirtualThreadIsRefused() throws Exception {
        try (Guest guest = Guest.bare(SPIN)) {
            FutureTask<Exit> run = new FutureTask<>(guest::run);
            Thread.ofVirtual().start(run);
            assertThatThrownBy(run::get).isInstanceOf(ExecutionException.class).hasMessageContaining("platform thread");
        }
    }
}
