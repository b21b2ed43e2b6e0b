package org.nestorvm.virtio.pci;

import java.util.ArrayDeque;
import java.util.HashMap;
import java.util.Map;
import java.util.Queue;
import org.nestorvm.devices.DeviceBus;
import org.nestorvm.devices.MmioBus;
import org.nestorvm.devices.PciBus;
import org.nestorvm.devices.PciFunction;
import org.nestorvm.devices.PortBus;
import org.nestorvm.virtio.testkit.DriverMemory;
import org.nestorvm.virtio.testkit.DriverQueue;

/**
 * A guest's driver for one virtio function on a bus of its own: reaches it by configuration ports and windows, as a
 * kernel does.
 */
final class PciDriver {
    static final long WINDOWS = 0xf000_0000L;
    static final int MESSAGE = 0x4000;
    private static final int CONFIG_ADDRESS = 0xcf8, CONFIG_DATA = 0xcfc, SLOT = 3;
    static final int COMMON = 1, NOTIFY = 2, ISR = 3, DEVICE = 4, PCI_ACCESS = 5;

    /** A capability of the vendor's: where a structure is. */
    record Structure(int at, int bar, long offset, int length) {}

    final DeviceBus bus;
    final Map<Integer, Structure> structures = new HashMap<>();
    final DriverMemory memory;
    int msixCapability;
    private final int notifyMultiplier;

    PciDriver(DriverMemory memory, VirtioPci function) {
        this.memory = memory;
        PortBus ports = new PortBus();
        MmioBus mmio = new MmioBus();
        PciBus pci = new PciBus(ports, mmio, () -> {});
        ports.add("PCI configuration", CONFIG_ADDRESS, 8, 4, pci.configPorts());
        bus = new DeviceBus(ports, mmio);
        pci.add(SLOT, function);
        pci.assignMemory(WINDOWS, 1 << 20);
        findStructures();
        notifyMultiplier = config(structures.get(NOTIFY).at + 16, 4);
    }

    int config(int offset, int size) {
        bus.portWrite(CONFIG_ADDRESS, 4, 1 << 31 | SLOT << 11 | offset & 0xfc);
        return bus.portRead(CONFIG_DATA + (offset & 3), size);
    }

    void setConfig(int offset, int size, int value) {
        bus.portWrite(CONFIG_ADDRESS, 4, 1 << 31 | SLOT << 11 | offset & 0xfc);
        bus.portWrite(CONFIG_DATA + (offset & 3), size, value);
    }

    private void findStructures() {
        for (int at = config(PciFunction.CAPABILITIES, 1); at != 0; at = config(at + 1, 1)) {
            int id = config(at, 1);
            if (id == 0x11) msixCapability = at;
            if (id == 9)
                structures.put(
                        config(at + 3, 1), new Structure(at, config(at + 4, 1), config(at + 8, 4), config(at + 12, 4)));
        }
    }

    private long bar(int index) {
        return config(PciFunction.BAR0 + 4 * index, 4) & 0xfffffff0L;
    }

    long address(int structure, int offset) {
        Structure found = structures.get(structure);
        return bar(found.bar) + found.offset + offset;
    }

    int common(int offset, int size) {
        return (int) bus.mmioRead(address(COMMON, offset), size);
    }

    void setCommon(int offset, int size, int value) {
        bus.mmioWrite(address(COMMON, offset), size, value);
    }

    int status() {
        return common(CommonConfig.DEVICE_STATUS, 1);
    }

    void setStatus(int value) {
        setCommon(CommonConfig.DEVICE_STATUS, 1, value);
    }

    long offered() {
        long features = 0;
        for (int half = 0; half < 2; half++) {
            setCommon(CommonConfig.DEVICE_FEATURE_SELECT, 4, half);
            features |= (common(CommonConfig.DEVICE_FEATURE, 4) & 0xffffffffL) << 32 * half;
        }
        return features;
    }

    /** @return whether the device agrees */
    boolean negotiate(long features) {
        setStatus(0);
        setStatus(CommonConfig.ACKNOWLEDGE);
        setStatus(CommonConfig.ACKNOWLEDGE | CommonConfig.DRIVER);
        for (int half = 0; half < 2; half++) {
            setCommon(CommonConfig.DRIVER_FEATURE_SELECT, 4, half);
            setCommon(CommonConfig.DRIVER_FEATURE, 4, (int) (features >>> 32 * half));
        }
        setStatus(CommonConfig.ACKNOWLEDGE | CommonConfig.DRIVER | CommonConfig.FEATURES_OK);
        return (status() & CommonConfig.FEATURES_OK) != 0;
    }

    void driverOk() {
        setStatus(status() | CommonConfig.DRIVER_OK);
    }

    DriverQueue addQueue(int index, int size, long features, int vector) {
        DriverQueue queue = DriverQueue.create(memory, index, size, features);
        var setup = queue.setup(-1);
        place(index, size, setup.descriptors(), setup.driver(), setup.device(), vector);
        return queue;
    }

    void place(int index, int size, long descriptors, long driver, long device, int vector) {
        setCommon(CommonConfig.QUEUE_SELECT, 2, index);
        setCommon(CommonConfig.QUEUE_SIZE, 2, size);
        setCommon(CommonConfig.QUEUE_MSIX_VECTOR, 2, vector);
        set64(CommonConfig.QUEUE_DESC, descriptors);
        set64(CommonConfig.QUEUE_DRIVER, driver);
        set64(CommonConfig.QUEUE_DEVICE, device);
        setCommon(CommonConfig.QUEUE_ENABLE, 2, 1);
    }

    private void set64(int offset, long value) {
        setCommon(offset, 4, (int) value);
        setCommon(offset + 4, 4, (int) (value >>> 32));
    }

    void notify(int queue) {
        setCommon(CommonConfig.QUEUE_SELECT, 2, queue);
        int slot = common(CommonConfig.QUEUE_NOTIFY_OFF, 2);
        bus.mmioWrite(address(NOTIFY, slot * notifyMultiplier), 2, queue);
    }

    int isr() {
        return (int) bus.mmioRead(address(ISR, 0), 1);
    }

    /** Programs a vector with message {@link #MESSAGE} plus its number. */
    void setVector(int vector, boolean masked) {
        long entry = bar(1) + 16L * vector;
        bus.mmioWrite(entry, 4, 0xfee00000L);
        bus.mmioWrite(entry + 4, 4, 0);
        bus.mmioWrite(entry + 8, 4, MESSAGE + vector);
        bus.mmioWrite(entry + 12, 4, masked ? 1 : 0);
    }

    void enableMsix(boolean on) {
        setConfig(msixCapability + 2, 2, on ? 0x8000 : 0);
    }

    long pendingBits() {
        return bus.mmioRead(bar(1) + 0x800, 4);
    }

    /** Messages that the function has sent, by a thread that may be the device's. */
    static final class Messages {
        private final Queue<Integer> sent = new ArrayDeque<>();

        synchronized void send(long address, int data) {
            sent.add(data);
            notifyAll();
        }

        synchronized int await() throws InterruptedException {
            long deadline = System.nanoTime() + 30_000_000_000L;
            while (sent.isEmpty()) {
                if (System.nanoTime() > deadline) throw new AssertionError("no message has come");
                wait(1000);
            }
            return sent.remove();
        }

        synchronized boolean none() {
            return sent.isEmpty();
        }
    }
}
