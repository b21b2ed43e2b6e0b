package org.nestorvm.engine.kvm;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.FutureTask;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.nestorvm.memory.sys.Descriptors;
import org.nestorvm.memory.sys.Errno;
import org.nestorvm.memory.sys.Events;
import org.nestorvm.vmm.CpuState;
import org.nestorvm.vmm.EngineOptions.Interrupts;
import org.nestorvm.vmm.EventWiring;
import org.nestorvm.vmm.EventWiring.Doorbell;
import org.nestorvm.vmm.Exit;
import org.nestorvm.vmm.InterruptController;

/**
 * What a transport with many queues asks of {@link EventWiring}: doorbells side by side, messages that the guest
 * changes, everything given back.
 */
@Timeout(60)
final class KvmWiringTest {
    private static final long APIC = 0xfee00000L, BELLS = 0xd0000000L;
    private static final int MANY = 64;
    /** mov [rdi], ax; add rdi, 4; loop; hlt: rings RCX bells from RDI on with the value AX. */
    private static final int[] RING = {0x66, 0x89, 0x07, 0x48, 0x83, 0xc7, 0x04, 0xe2, 0xf7, 0xf4};

    private static List<Integer> eventfds(int count) throws IOException {
        List<Integer> made = new ArrayList<>();
        for (int i = 0; i < count; i++) made.add(Events.eventfd("test", 0, Events.EFD_NONBLOCK));
        return made;
    }

    private static void ring(Guest guest, int bells, int value) {
        guest.longMode(state -> {
            state.gpr[CpuState.RDI] = BELLS;
            state.gpr[CpuState.RCX] = bells;
            state.gpr[CpuState.RAX] = value;
        });
        assertEquals(new Exit.HaltForever(), guest.run());
    }

    @Test
    void manyDoorbellsSignalEachItsOwn() throws Exception {
        List<Integer> eventfds = eventfds(MANY);
        try (Guest guest = Guest.bare(RING)) {
            EventWiring wiring = guest.kvm();
            for (int i = 0; i < MANY; i++)
                wiring.connect(new Doorbell(false, BELLS + 4L * i, 2, null), eventfds.get(i));
            ring(guest, MANY, 3);
            assertThat(guest.accesses).isEmpty();
            for (int eventfd : eventfds) assertEquals(1, Events.tryDrain(eventfd));
            for (int i = 0; i < MANY; i += 2)
                wiring.disconnect(new Doorbell(false, BELLS + 4L * i, 2, null), eventfds.get(i));
            ring(guest, MANY, 3);
            assertThat(guest.accesses).hasSize(MANY / 2).allMatch(access -> access.startsWith("write"));
            for (int i = 0; i < MANY; i++)
                assertEquals(i % 2 == 0 ? -Errno.EAGAIN : 1, Events.tryDrain(eventfds.get(i)), "bell " + i);
        } finally {
            eventfds.forEach(Descriptors::close);
        }
    }

    @Test
    void queuesShareADoorbellByTheValueWritten() throws Exception {
        List<Integer> eventfds = eventfds(3);
        try (Guest guest = Guest.bare(RING)) {
            for (int queue = 0; queue < 2; queue++)
                guest.kvm().connect(new Doorbell(false, BELLS, 2, (long) queue), eventfds.get(queue));
            for (int queue = 0; queue < 3; queue++) ring(guest, 1, queue);
            assertEquals(List.of("write 0xd0000000 2 0x2"), guest.accesses);
            assertEquals(1, Events.tryDrain(eventfds.get(0)));
            assertEquals(1, Events.tryDrain(eventfds.get(1)));
            assertThatThrownBy(() -> guest.kvm().connect(new Doorbell(false, BELLS, 2, 1L), eventfds.get(2)))
                    .isInstanceOf(IOException.class)
                    .hasMessageContaining("KVM_IOEVENTFD");
            assertThatThrownBy(() -> guest.kvm().disconnect(new Doorbell(false, BELLS + 4, 2, 1L), eventfds.get(2)))
                    .isInstanceOf(IOException.class)
                    .hasMessageContaining("ENOENT");
        } finally {
            eventfds.forEach(Descriptors::close);
        }
    }

    @Test
    void aDoorbellOnAPortComesAndGoes() throws Exception {
        int eventfd = eventfds(1).getFirst();
        Doorbell bell = new Doorbell(true, 0xc010, 2, null);
        try (Guest guest = Guest.bare(0xef, 0xf4)) { // out dx, ax; hlt
            for (int round = 0; round < 3; round++) {
                guest.kvm().connect(bell, eventfd);
                out(guest);
                assertThat(guest.accesses).hasSize(round);
                assertEquals(1, Events.tryDrain(eventfd));
                guest.kvm().disconnect(bell, eventfd);
                out(guest);
                assertThat(guest.accesses).hasSize(round + 1).containsOnly("out 0xc010 2 0x5");
                assertEquals(-Errno.EAGAIN, Events.tryDrain(eventfd));
            }
        } finally {
            Descriptors.close(eventfd);
        }
    }

    private static void out(Guest guest) {
        guest.realMode(state -> {
            state.gpr[CpuState.RDX] = 0xc010;
            state.gpr[CpuState.RAX] = 5;
        });
        assertEquals(new Exit.HaltForever(), guest.run());
    }

    /**
     * Every eventfd sends a message of its own; then the guest programs all of them anew, some are taken away, and
     * their numbers serve others.
     */
    @Test
    void manyInterruptsFollowTheirMessages() throws Exception {
        List<Integer> eventfds = eventfds(MANY);
        int[] routes = new int[MANY];
        try (Guest guest = Guest.with(1, Interrupts.LOCAL_APIC, InterruptController.NONE, KvmInterruptTest.WAIT)
                .withInterrupts()) {
            for (int vector = 0x30; vector < 0x30 + 2 * MANY; vector++)
                guest.handler(vector, 0x2000 + vector * 0x20, KvmInterruptTest.reporting(vector));
            EventWiring wiring = guest.kvm();
            for (int i = 0; i < MANY; i++)
                wiring.connectInterrupt(eventfds.get(i), routes[i] = wiring.addMessage(APIC, 0x30 + i));
            KvmInterruptTest.Runner runner = new KvmInterruptTest.Runner(guest);
            runner.await("out 0x1 1 0x0", 1);
            for (int i = 0; i < MANY; i++) expect(runner, eventfds.get(i), 0x30 + i, 1);
            for (int i = 0; i < MANY; i++) wiring.changeMessage(routes[i], APIC, 0x30 + MANY + i);
            for (int i = 0; i < MANY; i++) expect(runner, eventfds.get(i), 0x30 + MANY + i, 1);
            wiring.disconnectInterrupt(eventfds.get(7), routes[7]);
            wiring.removeMessage(routes[7]);
            Events.trySignal(eventfds.get(7), 1);
            assertEquals(1, Events.tryDrain(eventfds.get(7)), "nobody takes the signal any more");
            assertEquals(routes[7], wiring.addMessage(APIC, 0x30), "the number is free again");
            wiring.connectInterrupt(eventfds.get(7), routes[7]);
            expect(runner, eventfds.get(7), 0x30, 2);
            runner.stop();
        } finally {
            eventfds.forEach(Descriptors::close);
        }
    }

    private static void expect(KvmInterruptTest.Runner runner, int eventfd, int vector, int times) {
        Events.trySignal(eventfd, 1);
        runner.await("out 0x" + Integer.toHexString(vector) + " 1 0x0", times);
    }

    /**
     * A message may be changed while the eventfd is signalled: each signal arrives at the old place or at the new one.
     */
    @Test
    void noSignalIsLostWhileItsMessageChanges() throws Exception {
        int eventfd = eventfds(1).getFirst();
        try (Guest guest = Guest.with(1, Interrupts.LOCAL_APIC, InterruptController.NONE, KvmInterruptTest.WAIT)
                .withInterrupts()) {
            for (int vector = 0x30; vector < 0x32; vector++)
                guest.handler(vector, 0x3000 + (vector - 0x30) * 0x20, KvmInterruptTest.reporting(0x30));
            EventWiring wiring = guest.kvm();
            int route = wiring.addMessage(APIC, 0x30);
            wiring.connectInterrupt(eventfd, route);
            KvmInterruptTest.Runner runner = new KvmInterruptTest.Runner(guest);
            runner.await("out 0x1 1 0x0", 1);
            FutureTask<Void> changes = new FutureTask<>(() -> {
                for (int i = 0; i < 200; i++) wiring.changeMessage(route, APIC, 0x30 + i % 2);
                return null;
            });
            Thread.ofPlatform().daemon().start(changes);
            for (int i = 1; i <= 200; i++) expect(runner, eventfd, 0x30, i);
            changes.get();
            runner.stop();
        } finally {
            Descriptors.close(eventfd);
        }
    }

    @Test
    void aClosedMachineHoldsNoEventfd() throws Exception {
        Guest.assumeKvm();
        long before = openEventfds();
        List<Integer> eventfds = eventfds(MANY);
        try (Guest guest = Guest.with(1, Interrupts.LOCAL_APIC, InterruptController.NONE, 0xf4)) {
            for (int i = 0; i < MANY; i++) {
                guest.kvm()
                        .connect(
                                new Doorbell(i % 2 == 0, i % 2 == 0 ? 0xc000 + i : BELLS + 4L * i, 2, null),
                                eventfds.get(i));
                guest.kvm().connectInterrupt(eventfds.get(i), guest.kvm().addMessage(APIC, 0x30 + i));
            }
        }
        // the machine is gone: the same eventfds serve another one, at the same places
        try (Guest guest = Guest.bare(RING)) {
            for (int i = 1; i < MANY; i += 2)
                guest.kvm().connect(new Doorbell(false, BELLS + 4L * i, 2, null), eventfds.get(i));
            ring(guest, MANY, 1);
            for (int i = 0; i < MANY; i++)
                assertEquals(i % 2 == 0 ? -Errno.EAGAIN : 1, Events.tryDrain(eventfds.get(i)));
        }
        eventfds.forEach(Descriptors::close);
        assertEquals(before, openEventfds());
    }

    private static long openEventfds() throws IOException {
        long count = 0;
        try (Stream<Path> links = Files.list(Path.of("/proc/self/fd"))) {
            for (Path link : links.toList())
                if (Files.isSymbolicLink(link) && target(link).contains("[eventfd]")) count++;
        }
        return count;
    }

    private static String target(Path link) {
        try {
            return Files.readSymbolicLink(link).toString();
        } catch (IOException e) {
            return ""; // the descriptor of the listing itself
        }
    }
}
