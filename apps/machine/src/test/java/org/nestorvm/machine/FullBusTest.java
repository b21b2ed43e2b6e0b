package org.nestorvm.machine;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ConcurrentHashMap;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.nestorvm.devices.InterruptRouter;
import org.nestorvm.devices.PciBus;
import org.nestorvm.virtio.ConfigSpace;
import org.nestorvm.virtio.RingDevice;
import org.nestorvm.virtio.queue.Virtqueue;
import org.nestorvm.virtio.rng.RngDevice;
import org.nestorvm.vmm.CpuState;
import org.nestorvm.vmm.Exit;
import org.nestorvm.vmm.GuestAddressException;
import org.nestorvm.vmm.VmRefusedException;

/**
 * A machine with as many devices as its bus has places for. The guest is this test: it does with ports and memory what
 * a driver does.
 */
@Timeout(60)
class FullBusTest {
    private static final int STATUS = 0x14,
            QUEUE_SIZE = 0x18,
            QUEUE_ENABLE = 0x1c,
            DESC = 0x20,
            AVAIL = 0x28,
            USED = 0x30,
            FEATURE_SELECT = 0x08,
            FEATURE = 0x0c;
    private static final int ISR = 0x1000, NOTIFY = 0x3000, RING = 0x10000, RING_BYTES = 0x1000;

    /** A device that does nothing but to say when it is closed. */
    private static final class Quiet extends RingDevice {
        private final Runnable closed;

        Quiet(String name, Runnable closed) {
            super(RngDevice.TYPE, name, 0, new ConfigSpace(0), 1, 8);
            this.closed = closed;
        }

        @Override
        protected void process(int index, Virtqueue queue) {}

        @Override
        public void close() {
            super.close();
            closed.run();
        }
    }

    private final ScriptedEngine engine = new ScriptedEngine((cpu, bus) -> new Exit.Halt());

    private MachineConfig config() {
        return MachineConfig.flat("full", engine, 0x1000, new byte[] {(byte) 0xf4}, new CpuState())
                .withMemory(16 << 20);
    }

    private MachineConfig full() {
        MachineConfig config = config();
        for (int i = 0; i < MachineConfig.MAX_DEVICES; i++) config = config.withDevice(Devices.rng("rng" + i));
        return config;
    }

    private static long window(Machine machine, int device) {
        machine.board().bus().portWrite(Layout.PCI_CONFIG, 4, 1 << 31 | device << 11 | 0x10);
        return machine.board().bus().portRead(Layout.PCI_CONFIG + 4, 4) & 0xfffffff0L;
    }

    private static void write(Machine machine, long address, int size, long value) {
        machine.board().bus().mmioWrite(address, size, value);
    }

    /** Sets the queue up and asks for four bytes. */
    private static void ask(Machine machine, int device) {
        long window = window(machine, device), ring = RING + (long) device * RING_BYTES;
        write(machine, window + FEATURE_SELECT, 4, 1);
        write(machine, window + FEATURE, 4, 1);
        write(machine, window + STATUS, 1, 11);
        write(machine, window + QUEUE_SIZE, 2, 8);
        for (int[] area : new int[][] {{DESC, 0}, {AVAIL, 0x200}, {USED, 0x400}})
            write(machine, window + area[0], 4, ring + area[1]);
        write(machine, window + QUEUE_ENABLE, 2, 1);
        write(machine, window + STATUS, 1, 15);
        machine.vm().memory().putLong(ring, ring + 0x800);
        machine.vm().memory().putLong(ring + 8, 4 | 2L << 32);
        machine.vm().memory().putInt(ring + 0x200, 1 << 16);
        write(machine, window + NOTIFY, 2, 0);
    }

    private static int isr(Machine machine, int device) {
        return (int) machine.board().bus().mmioRead(window(machine, device) + ISR, 1);
    }

    @Test
    void p40_everyDeviceOfAFullBusInterrupts() throws Exception {
        try (Machine machine = Machine.create(full())) {
            assertEquals(31, machine.devices().size());
            for (int device = 1; device < PciBus.DEVICES; device++) {
                ask(machine, device);
                while (!machine.board().interrupts.pciAsserted(PciBus.interruptWire(device))) Thread.onSpinWait();
                assertEquals(1, isr(machine, device), "device " + device);
                assertFalse(machine.board().interrupts.pciAsserted(PciBus.interruptWire(device)));
            }
            assertThat(InterruptRouter.pciIrq(0)).isNotEqualTo(InterruptRouter.pciIrq(1));
        }
    }

    @Test
    void oneDeviceTooManyIsRefused() {
        assertThatThrownBy(() -> full().withDevice(Devices.rng("one more")))
                .isInstanceOf(VmRefusedException.class)
                .hasMessageContaining("32 devices")
                .hasMessageContaining("room for 31");
    }

    @Test
    void deviceThatCannotBeMadeLeavesNothingBehind() {
        List<String> closed = new ArrayList<>();
        MachineConfig config = config().withDevice(_ -> new Quiet("first", () -> closed.add("first")))
                .withDevice(_ -> {
                    throw new IOException("disk x: No such file or directory; give one that is there");
                });
        assertThatThrownBy(() -> Machine.create(config)).hasMessageStartingWith("disk x");
        assertEquals(List.of("first"), closed);
    }

    @Test
    void devicesCloseBeforeTheMemoryTheyUse() throws Exception {
        ConcurrentHashMap<String, Boolean> memoryThere = new ConcurrentHashMap<>();
        Machine[] made = new Machine[1];
        MachineConfig config = config().withDevice(_ -> new Quiet(
                "quiet", () -> memoryThere.put("at close", made[0].vm().memory().contains(0, 4096))));
        made[0] = Machine.create(config);
        made[0].close();
        assertTrue(memoryThere.get("at close"));
        assertThatThrownBy(() -> made[0].vm().memory().getByte(0)).isInstanceOf(GuestAddressException.class);
    }
}
