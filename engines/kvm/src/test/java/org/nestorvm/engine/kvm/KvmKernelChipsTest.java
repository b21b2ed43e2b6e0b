package org.nestorvm.engine.kvm;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.List;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.nestorvm.engine.kvm.KvmInterruptTest.Runner;
import org.nestorvm.memory.sys.Descriptors;
import org.nestorvm.memory.sys.Events;
import org.nestorvm.memory.sys.MemoryCalls;
import org.nestorvm.vmm.EngineOptions;
import org.nestorvm.vmm.EngineOptions.Interrupts;
import org.nestorvm.vmm.Exit;
import org.nestorvm.vmm.HostClock;
import org.nestorvm.vmm.InterruptController;
import org.nestorvm.vmm.InterruptPins;

/**
 * All interrupt controllers in the kernel: devices drive pins, and nothing about an interrupt comes back to the
 * monitor.
 */
@Timeout(60)
final class KvmKernelChipsTest {
    private static final int LEVEL = 1 << 15, ACPI_IRQ = 9, IO_APIC_ID = 3;
    /** Interrupts enabled, "out 1", then halted for ever. */
    private static final int[] READY = {0xe6, 0x01, 0xfb, 0xf4, 0xeb, 0xfd};

    private static int[] program(int[]... parts) {
        return Stream.of(parts).flatMapToInt(IntStream::of).toArray();
    }

    /** Software-enables the local APIC, with LINT0 as the 8259s' input. */
    private static int[] localApic() {
        return new int[] {
            0xc7, 0x83, 0xf0, 0, 0, 0, 0xff, 0x01, 0, 0, // mov dword [rbx + 0xf0], 0x1ff
            0xc7, 0x83, 0x50, 0x03, 0, 0, 0x00, 0x07, 0, 0
        }; // mov dword [rbx + 0x350], 0x700: ExtINT
    }

    private static int[] out(int port, int value) {
        return new int[] {0xb0, value, 0xe6, port}; // mov al, value; out port, al
    }

    /** Vectors 20h and 28h on, automatic ends of interrupt, all lines open. */
    private static int[] pics() {
        return program(
                out(0x20, 0x11),
                out(0xa0, 0x11),
                out(0x21, 0x20),
                out(0xa1, 0x28),
                out(0x21, 4),
                out(0xa1, 2),
                out(0x21, 3),
                out(0xa1, 3),
                out(0x21, 0),
                out(0xa1, 0));
    }

    private static int[] redirection(int pin, int low) {
        return new int[] {
            0xb9,
            0,
            0,
            0xc0,
            0xfe, // mov ecx, 0xfec00000
            0xc7,
            0x01,
            0x10 + 2 * pin,
            0,
            0,
            0,
            0xc7,
            0x41,
            0x10,
            low,
            low >>> 8,
            low >>> 16,
            low >>> 24
        };
    }

    private static Guest guest(int... code) throws Exception {
        Guest guest =
                Guest.with(1, Interrupts.ALL, InterruptController.NONE, code).withInterrupts();
        for (int vector = 0x20; vector < 0x40; vector++)
            guest.handler(vector, 0x2000 + vector * 0x20, KvmInterruptTest.reporting(vector));
        return guest;
    }

    private static String report(int vector) {
        return "out 0x" + Integer.toHexString(vector) + " 1 0x0";
    }

    private static Runner ready(Guest guest) {
        Runner runner = new Runner(guest);
        runner.await("out 0x1 1 0x0", 1);
        return runner;
    }

    @Test
    void aLineOfThe8259sInterruptsOnceForEachEdge() throws Exception {
        try (Guest guest = guest(program(localApic(), pics(), new int[] {0xb0, 0}, READY))) {
            InterruptPins pins = guest.kvm().pins();
            Runner runner = ready(guest);
            for (int i = 1; i <= 20; i++) {
                pins.setPic(4, true);
                runner.await(report(0x24), i);
                pins.setPic(4, true); // the level it has
                pins.setPic(4, false);
                pins.setPic(12, true);
                runner.await(report(0x2c), i);
                pins.setPic(12, false);
            }
            runner.stop();
            assertEquals(
                    20, guest.accesses.stream().filter(report(0x24)::equals).count());
        }
    }

    @Test
    void aPinOfTheIoApicInterruptsOnceForEachEdge() throws Exception {
        try (Guest guest = guest(program(localApic(), redirection(20, 0x30), new int[] {0xb0, 0}, READY))) {
            InterruptPins pins = guest.kvm().pins();
            Runner runner = ready(guest);
            for (int i = 1; i <= 50; i++) {
                pins.setIoApic(20, true);
                runner.await(report(0x30), i);
                pins.setIoApic(20, false);
            }
            runner.stop();
            assertEquals(
                    50, guest.accesses.stream().filter(report(0x30)::equals).count());
        }
    }

    /** The guest ends the interrupt, the line is still asserted, it interrupts again: until the device lowers it. */
    @Test
    void aLevelInterruptsUntilItIsLowered() throws Exception {
        try (Guest guest = guest(program(localApic(), redirection(16, LEVEL | 0x31), new int[] {0xb0, 0}, READY))) {
            InterruptPins pins = guest.kvm().pins();
            Runner runner = ready(guest);
            pins.setIoApic(16, true);
            runner.await(report(0x31), 5);
            pins.setIoApic(16, false);
            runner.stop();
            long times = guest.accesses.size();
            runner = new Runner(guest);
            pins.setIoApic(17, true); // masked
            guest.kvm().signalMsi(0xfee00000L, 0x35);
            runner.await(report(0x35), 1);
            runner.stop();
            assertThat(guest.accesses.size() - times)
                    .as("at most one that was under way")
                    .isBetween(1L, 2L);
        }
    }

    /** A route for a message is a new table in the kernel, with the pins in it. */
    @Test
    void messagesAndPinsLiveSideBySide() throws Exception {
        int eventfd = Events.eventfd("test", 0, Events.EFD_NONBLOCK);
        try (Guest guest = guest(program(localApic(), redirection(2, 0x32), pics(), new int[] {0xb0, 0}, READY))) {
            int route = guest.kvm().addMessage(0xfee00000L, 0x33);
            guest.kvm().connectInterrupt(eventfd, route);
            Runner runner = ready(guest);
            for (int i = 1; i <= 10; i++) {
                Events.trySignal(eventfd, 1);
                runner.await(report(0x33), i);
                guest.kvm().pins().setIoApic(2, true);
                runner.await(report(0x32), i);
                guest.kvm().pins().setIoApic(2, false);
                guest.kvm().pins().setPic(5, true);
                runner.await(report(0x25), i);
                guest.kvm().pins().setPic(5, false);
                guest.kvm().changeMessage(route, 0xfee00000L, 0x33);
            }
            runner.stop();
            guest.kvm().disconnectInterrupt(eventfd, route);
            guest.kvm().removeMessage(route);
        } finally {
            Descriptors.close(eventfd);
        }
    }

    @Test
    void firmwaresWorkIsSeenByTheGuest() throws Exception {
        int[] code = program(
                new int[] {0x66, 0xba, 0xd1, 0x04, 0xec, 0xe6, 0x02}, // mov dx, 0x4d1; in al, dx; out 2, al
                new int[] {
                    0xb9, 0, 0, 0xc0, 0xfe, 0xc7, 0x01, 0, 0, 0, 0, 0x8b, 0x41, 0x10, 0xc1, 0xe8, 0x18, 0xe6, 0x03,
                    0xfa, 0xf4
                }); // select the id; mov eax, [rcx + 16]; shr eax, 24; out 3, al
        try (Guest guest = guest(code)) {
            guest.kvm().prepareChips(1 << ACPI_IRQ | 1 << 10 | 1 << 1 | 1 << 8, IO_APIC_ID);
            Runner runner = new Runner(guest);
            runner.await("out 0x3 1 0x3", 1);
            assertThat(guest.accesses).containsExactly("out 0x2 1 0x6", "out 0x3 1 0x3"); // 8 can only be an edge
            runner.stop();
        }
    }

    @Test
    void everyChipsStateCanBeSavedAndRestored() throws Exception {
        try (Guest guest = guest(0xf4)) {
            KvmChips chips = guest.kvm().chips();
            for (KvmChips.Chip chip :
                    new KvmChips.Chip[] {KvmChips.Chip.PIC_MASTER, KvmChips.Chip.PIC_SLAVE, KvmChips.Chip.IOAPIC}) {
                byte[] state = chips.save(chip);
                chips.restore(chip, state);
                assertArrayEquals(state, chips.save(chip), chip.name());
            }
            byte[] ioapic = chips.save(KvmChips.Chip.IOAPIC);
            int entry = (int) CStruct.offset(KvmStructs.IOAPIC_STATE, "redirtbl");
            ioapic[entry] = 0x42;
            chips.restore(KvmChips.Chip.IOAPIC, ioapic);
            assertEquals(0x42, chips.save(KvmChips.Chip.IOAPIC)[entry]);
        }
    }

    @Test
    void the8254OfKvmHasItsStateToo() throws Exception {
        Guest.assumeKvm();
        long address = MemoryCalls.mmap(
                "test",
                1 << 20,
                MemoryCalls.PROT_READ | MemoryCalls.PROT_WRITE,
                MemoryCalls.MAP_PRIVATE | MemoryCalls.MAP_ANONYMOUS,
                -1,
                0);
        try (HostClock clock = new HostClock();
                KvmVm vm = KvmVm.create(
                        "pit",
                        List.of(new KvmMemory.Slot(0, 1 << 20, address, false)),
                        KvmSettings.of(new EngineOptions(Interrupts.ALL, InterruptController.NONE, clock), 1))) {
            vm.createPit();
            byte[] state = vm.chips().save(KvmChips.Chip.PIT);
            vm.chips().restore(KvmChips.Chip.PIT, state);
            assertThat(vm.chips().save(KvmChips.Chip.PIT)).hasSize(state.length);
        } finally {
            MemoryCalls.tryMunmap(address, 1 << 20);
        }
    }

    @Test
    void p26_aHaltWithoutInterruptsIsNoticedHereToo() throws Exception {
        HandClock clock = new HandClock();
        try (Guest guest = Guest.at(clock, Interrupts.ALL, 1, 0xfa, 0xf4)) {
            Runner runner = new Runner(guest);
            assertEquals(new Exit.HaltForever(), runner.awaitEnd(() -> clock.advance(HaltWatch.INTERVAL_NS)));
        }
    }

    @Test
    void aSplitControllerHasNoPins() throws Exception {
        try (Guest guest = Guest.with(1, Interrupts.LOCAL_APIC, InterruptController.NONE, 0xf4)) {
            assertThatThrownBy(() -> guest.vm.engine().pins())
                    .isInstanceOf(IllegalStateException.class)
                    .hasMessageContaining("machine's own");
        }
    }
}
