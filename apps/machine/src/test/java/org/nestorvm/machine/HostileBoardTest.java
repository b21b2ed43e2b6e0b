package org.nestorvm.machine;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.Random;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.nestorvm.devices.MsiSink;
import org.nestorvm.vmm.GuestBus;
import org.nestorvm.vmm.GuestMemory;
import org.nestorvm.vmm.HostClock;
import org.nestorvm.vmm.InstructionClock;
import org.nestorvm.vmm.InterruptPins;
import org.nestorvm.vmm.MemoryMap;
import org.nestorvm.vmm.VirtualMachine;
import org.nestorvm.vmm.VmClock;
import org.nestorvm.vmm.VmConfig;
import org.nestorvm.vmm.Vmm;

/**
 * A guest writes anything anywhere: no access throws or takes long, time goes on, and the answers stay within their
 * size. {@code -Dnestor.hostile.accesses} for more.
 */
class HostileBoardTest {
    private static final int ACCESSES = Integer.getInteger("nestor.hostile.accesses", 400_000);
    private static final int[] PORTS = {
        0x20, 0x21, 0x40, 0x43, 0x60, 0x61, 0x64, 0x70, 0x71, 0x92, 0xa0, 0xe0, 0xe4, 0xe8, 0xe9, 0xf4, 0x3f8, 0x3f9,
        0x3fa, 0x3fc, 0x4d0, 0x505, 0x510, 0x514, 0x518, 0x600, 0x604, 0x608, 0xcf8, 0xcf9, 0xcfc, 0x2000, 0x2010
    };

    private static final class Fixture implements Board.Surroundings, AutoCloseable {
        final VirtualMachine vm;
        final VmClock clock;
        final Board board;
        long messages, ends, printed;

        Fixture(VmClock clock) throws Exception {
            this.clock = clock;
            vm = new Vmm().create(VmConfig.of("hostile", MemoryMap.pc(4 << 20)));
            board = new Board(
                    this, vm.config().memory(), 1, new BoardOptions(true, true, true), b -> printed++, b -> printed++);
        }

        @Override
        public VmClock clock() {
            return clock;
        }

        @Override
        public GuestMemory memory() {
            return vm.memory();
        }

        @Override
        public MsiSink localApics() {
            return (address, data) -> messages++;
        }

        @Override
        public InterruptPins enginePins() {
            return null;
        }

        @Override
        public void interruptChanged() {}

        @Override
        public void unmapPage(long gpa) {
            vm.unmapPage(gpa);
        }

        @Override
        public void end(Outcome outcome) {
            ends++;
        }

        @Override
        public void close() {
            vm.close();
        }
    }

    private static void access(GuestBus bus, Random random) {
        int size = 1 << random.nextInt(3);
        int value = random.nextInt(4) == 0 ? random.nextInt() : random.nextInt(256);
        switch (random.nextInt(6)) {
            case 0 -> bus.portWrite(random.nextInt(1 << 16), size, value);
            case 1 -> bus.portRead(random.nextInt(1 << 16), size);
            case 2 -> bus.portWrite(PORTS[random.nextInt(PORTS.length)], size, value);
            case 3 -> bus.portRead(PORTS[random.nextInt(PORTS.length)], size);
            case 4 -> bus.mmioWrite(address(random), 1 << random.nextInt(4), random.nextLong() >>> random.nextInt(64));
            default -> {
                int bytes = 1 << random.nextInt(4);
                long read = bus.mmioRead(address(random), bytes);
                if (bytes < 8) assertEquals(0, read >>> 8 * bytes);
            }
        }
    }

    private static long address(Random random) {
        return switch (random.nextInt(5)) {
            case 0 -> Layout.IO_APIC + random.nextInt(0x44);
            case 1 -> Layout.HPET + random.nextInt(0x170);
            case 2 -> Layout.PCI_MEMORY + random.nextInt();
            case 3 -> Layout.TEST_MEMORY + random.nextInt(0x10010);
            default -> random.nextLong();
        };
    }

    @Test
    @Timeout(60)
    void anyAccessWhileTimePasses() throws Exception {
        InstructionClock clock = new InstructionClock(0);
        try (Fixture machine = new Fixture(clock)) {
            GuestBus bus = machine.board.bus();
            Random random = new Random(42);
            long callbacks = 0;
            for (int i = 0; i < ACCESSES; i++) {
                access(bus, random);
                clock.setNowNs(clock.nowNs() + random.nextInt(20_000));
                for (; clock.nextDeadlineNs() <= clock.nowNs(); callbacks++) clock.runDue();
            }
            assertThat(machine.ends).isPositive();
            assertThat(machine.printed).isPositive();
            assertThat(callbacks).isPositive();
        }
    }

    /**
     * Periods as short as the chips have them, all at once, on the host's clock: its thread does not fall behind for
     * good, and the guest is not starved of the buses.
     */
    @Test
    @Timeout(60)
    void shortestPeriods() throws Exception {
        try (HostClock clock = new HostClock();
                Fixture machine = new Fixture(clock)) {
            GuestBus bus = machine.board.bus();
            bus.portWrite(Layout.PIT + 3, 1, 0x14);
            bus.portWrite(Layout.PIT, 1, 1);
            bus.portWrite(Layout.RTC, 1, 0x0a);
            bus.portWrite(Layout.RTC + 1, 1, 0x23);
            bus.portWrite(Layout.RTC, 1, 0x0b);
            bus.portWrite(Layout.RTC + 1, 1, 0x72);
            for (int timer = 0; timer < 3; timer++) {
                bus.mmioWrite(Layout.HPET + 0x100 + 0x20 * timer, 8, 0x4c | 20 + timer << 9);
                bus.mmioWrite(Layout.HPET + 0x108 + 0x20 * timer, 8, 1);
            }
            bus.mmioWrite(Layout.HPET + 0x10, 8, 1);
            long slowest = 0;
            for (long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(1); System.nanoTime() < end; ) {
                long before = System.nanoTime();
                bus.portRead(Layout.PIT, 1);
                bus.portWrite(Layout.RTC, 1, 0x0c);
                bus.portRead(Layout.RTC + 1, 1);
                bus.mmioRead(Layout.HPET + 0xf0, 8);
                slowest = Math.max(slowest, System.nanoTime() - before);
            }
            assertThat(slowest).isLessThan(TimeUnit.SECONDS.toNanos(1));
        }
    }
}
