package org.nestorvm.virtio.pci;

import java.io.IOException;
import java.util.Objects;
import org.nestorvm.devices.IrqLine;
import org.nestorvm.devices.MmioDevice;
import org.nestorvm.devices.MsiSink;
import org.nestorvm.devices.PciFunction;
import org.nestorvm.virtio.DeviceEvents;
import org.nestorvm.virtio.DeviceMemory;
import org.nestorvm.virtio.DeviceSession;
import org.nestorvm.virtio.VirtioDevice;
import org.nestorvm.vmm.EventWiring;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A virtio device as a PCI function: virtio 1.2, section 4.1, without the legacy interface. Window 0 holds the
 * structures that the capabilities point at, a page each; window 1 the MSI-X table.
 *
 * <p>What the guest does to the function goes on under one lock, in which the device's life-cycle calls are made.
 * Notifications and interrupts take no part in it.
 */
public final class VirtioPci extends PciFunction implements AutoCloseable {
    public static final int VENDOR = 0x1af4, FIRST_MODERN_DEVICE = 0x1040;
    private static final Logger LOG = LoggerFactory.getLogger(VirtioPci.class);

    private static final int COMMON = 0x0000,
            ISR = 0x1000,
            DEVICE = 0x2000,
            NOTIFY = 0x3000,
            PAGE = 0x1000,
            WINDOW_BYTES = 0x4000,
            NOTIFY_SPACING = 4;
    private static final int MAX_QUEUES = PAGE / NOTIFY_SPACING;

    private static final int CAP_VENDOR = 0x09,
            CAP_COMMON = 1,
            CAP_NOTIFY = 2,
            CAP_ISR = 3,
            CAP_DEVICE = 4,
            CAP_PCI = 5;
    private static final int CAP_LENGTH_BYTE = 2,
            CAP_TYPE = 3,
            CAP_BAR = 4,
            CAP_OFFSET = 8,
            CAP_LENGTH = 12,
            CAP_BYTES = 16,
            CAP_NOTIFY_BYTES = 20,
            CAP_PCI_BYTES = 20;
    private static final int STATUS_INTERRUPT = 1 << 3;

    /** What the function is connected to. */
    public record Wires(DeviceMemory memory, MsiSink msi, IrqLine intx, EventWiring wiring, boolean onCallersThread) {
        /**
         * @param wiring what the engine offers of the kind; null for nothing
         * @param onCallersThread serve notifications on the virtual CPU's thread, so that the same guest sees the same
         *     order every time
         */
        public Wires {
            Objects.requireNonNull(memory, "memory");
            Objects.requireNonNull(msi, "msi");
            Objects.requireNonNull(intx, "intx");
        }
    }

    private final VirtioDevice device;
    private final Wires wires;
    private final MsixTable msix;
    private final Interrupts interrupts;
    private final Doorbells doorbells;
    private final CommonConfig common;
    private final int msixControl, pciAccess;
    private final Object lock = new Object();
    private final boolean[] running;
    private final int[] pausedAt;
    private volatile Session session; // null until DRIVER_OK
    private boolean paused, closed;
    private volatile boolean warned; // a guest could fill the log

    /**
     * @param device belongs to the function, which closes it
     * @param interruptLine what firmware writes for the guest: the line of the 8259s
     */
    public VirtioPci(VirtioDevice device, Wires wires, int interruptLine) throws IOException {
        super(device.name(), VENDOR, FIRST_MODERN_DEVICE + device.type(), classCode(device.type()), 1);
        if (device.queueCount() > MAX_QUEUES)
            throw new IllegalArgumentException(
                    device.name() + " has " + device.queueCount() + " queues; a function has room for " + MAX_QUEUES);
        this.device = device;
        this.wires = wires;
        msix = new MsixTable(Math.min(device.queueCount() + 1, MsixTable.MAX_VECTORS), wires.msi());
        interrupts = new Interrupts(device.queueCount(), msix, wires.intx(), wires.wiring());
        doorbells = new Doorbells(
                device.name(), device.queueCount(), wires.onCallersThread() ? null : wires.wiring(), NOTIFY_SPACING);
        common = new CommonConfig(device, interrupts, new Actions());
        running = new boolean[device.queueCount()];
        pausedAt = new int[device.queueCount()];
        set(SUBSYSTEM_VENDOR, 2, VENDOR);
        set(SUBSYSTEM, 2, FIRST_MODERN_DEVICE + device.type());
        setInterruptPin(1, interruptLine);
        addMemoryBar(0, WINDOW_BYTES, false, 4, new Window());
        addMemoryBar(1, MsixTable.WINDOW_BYTES, false, 4, msix);
        msixControl = addCapability(msix.capability(1)) + MsixTable.CONTROL;
        allow(msixControl, 2, MsixTable.ENABLE | MsixTable.FUNCTION_MASK);
        pciAccess = addCapabilities();
    }

    private static int classCode(int type) {
        return switch (type) {
            case 1 -> 0x020000; // network: Ethernet
            case 2, 8 -> 0x010000; // storage: SCSI, which drivers look for
            case 3, 19 -> 0x078000; // communication: other
            case 26 -> 0x018000; // storage: other
            default -> 0xff0000;
        };
    }

    private int addCapabilities() {
        addCapability(capability(CAP_COMMON, COMMON, CommonConfig.END, CAP_BYTES));
        byte[] notify = capability(CAP_NOTIFY, NOTIFY, device.queueCount() * NOTIFY_SPACING, CAP_NOTIFY_BYTES);
        notify[CAP_BYTES] = NOTIFY_SPACING;
        addCapability(notify);
        addCapability(capability(CAP_ISR, ISR, 1, CAP_BYTES));
        if (device.config().sizeBytes() > 0)
            addCapability(capability(
                    CAP_DEVICE, DEVICE, Math.min(PAGE, device.config().sizeBytes()), CAP_BYTES));
        int at = addCapability(capability(CAP_PCI, 0, 0, CAP_PCI_BYTES));
        allow(at + CAP_BAR, 1, 0xff);
        allow(at + CAP_OFFSET, 4, -1);
        allow(at + CAP_LENGTH, 4, -1);
        allow(at + CAP_BYTES, 4, -1);
        return at;
    }

    private static byte[] capability(int type, int offset, int length, int bytes) {
        byte[] capability = new byte[bytes];
        capability[0] = CAP_VENDOR;
        capability[CAP_LENGTH_BYTE] = (byte) bytes;
        capability[CAP_TYPE] = (byte) type;
        for (int i = 0; i < 4; i++) {
            capability[CAP_OFFSET + i] = (byte) (offset >>> 8 * i);
            capability[CAP_LENGTH + i] = (byte) (length >>> 8 * i);
        }
        return capability;
    }

    public VirtioDevice device() {
        return device;
    }

    /** Window 0. */
    private final class Window implements MmioDevice {
        @Override
        public long read(long offset, int size) {
            int at = (int) offset & PAGE - 1;
            return switch ((int) offset & -PAGE) {
                case COMMON -> readCommon(at, size);
                case ISR -> at == 0 ? interrupts.takeIsr() : 0;
                case DEVICE -> device.config().get(at, size);
                default -> 0;
            };
        }

        @Override
        public void write(long offset, int size, long value) {
            int at = (int) offset & PAGE - 1;
            switch ((int) offset & -PAGE) {
                case NOTIFY -> notified(at / NOTIFY_SPACING);
                case COMMON -> writeCommon(at, size, (int) value);
                case DEVICE -> device.config().write(at, size, value);
                default -> {}
            }
        }
    }

    /** Narrower reads than a field's give its lower bytes, wider ones of two small fields both. */
    private long readCommon(int at, int size) {
        synchronized (lock) {
            long value = common.read(at);
            boolean pair = size == 4 && at >= CommonConfig.CONFIG_MSIX_VECTOR && at < CommonConfig.QUEUE_DESC;
            return pair ? value & 0xffff | common.read(at + 2) << 16 : value;
        }
    }

    private void writeCommon(int at, int size, int value) {
        synchronized (lock) {
            if (closed) return;
            boolean pair = size == 4 && at >= CommonConfig.CONFIG_MSIX_VECTOR && at < CommonConfig.QUEUE_DESC;
            common.write(at, pair ? value & 0xffff : value);
            if (pair) common.write(at + 2, value >>> 16);
        }
    }

    /** The driver has notified a queue. No lock: what comes too late or too early is spurious, and allowed. */
    private void notified(int queue) {
        if (queue >= running.length || session == null) return;
        if (wires.onCallersThread()) device.notified(queue);
        else doorbells.ring(queue);
    }

    /** Under the lock. */
    private final class Actions implements CommonConfig.Actions {
        @Override
        public void reset() {
            stop();
            common.clear();
            interrupts.reset();
        }

        @Override
        public void start() {
            Session started = new Session();
            try {
                device.activate(new DeviceSession(common.features(), wires.memory(), started));
                session = started;
                if (!paused) startQueues();
            } catch (IOException e) {
                session = started;
                started.needsReset(device.name() + " cannot start: " + e.getMessage());
            }
        }

        @Override
        public void enable(int queue) {
            if (session == null || paused) return;
            try {
                startQueue(queue, common.setup(queue, kick(queue)).position());
            } catch (IOException e) {
                session.needsReset(device.name() + ": queue " + queue + " cannot start: " + e.getMessage());
            }
        }

        @Override
        public void resetQueue(int queue) {
            if (running[queue]) device.stopQueue(queue);
            running[queue] = false;
        }
    }

    private int kick(int queue) {
        return wires.onCallersThread() ? -1 : doorbells.eventfd(queue);
    }

    private void startQueues() throws IOException {
        for (int i = 0; i < running.length; i++) {
            if (common.enabled(i)) startQueue(i, common.setup(i, kick(i)).position());
        }
    }

    private void startQueue(int queue, int position) throws IOException {
        doorbells.clear(queue);
        running[queue] = true;
        device.startQueue(common.setup(queue, kick(queue)).withPosition(position));
    }

    private void stop() {
        Session ended = session;
        if (ended == null) return;
        for (int i = 0; i < running.length; i++) {
            if (running[i]) device.stopQueue(i);
            running[i] = false;
        }
        device.deactivate();
        session = null;
    }

    /**
     * Stops the queues where they are, so that the device does nothing until {@link #resume}. The guest sees a slow
     * device.
     */
    public void pause() {
        synchronized (lock) {
            if (paused) return;
            paused = true;
            for (int i = 0; i < running.length; i++) if (running[i]) pausedAt[i] = device.stopQueue(i);
        }
    }

    public void resume() throws IOException {
        synchronized (lock) {
            if (!paused) return;
            paused = false;
            if (session == null) return;
            for (int i = 0; i < running.length; i++) {
                if (running[i]) startQueue(i, pausedAt[i]);
                else if (common.enabled(i))
                    startQueue(i, common.setup(i, kick(i)).position());
            }
        }
    }

    /** What one driver hears of the device, until its reset. */
    private final class Session implements DeviceEvents {
        @Override
        public void interrupt(int queue) {
            interrupts.queue(queue);
        }

        @Override
        public void configChanged() {
            if (common.has(CommonConfig.DRIVER_OK)) interrupts.config();
        }

        @Override
        public void needsReset(String why) {
            if (warned) LOG.debug("{}; the guest must reset it", why);
            else LOG.warn("{}; the guest must reset it (not logged again)", why);
            warned = true;
            common.status.updateAndGet(bits -> bits == 0 ? 0 : bits | CommonConfig.NEEDS_RESET);
            configChanged();
        }

        @Override
        public boolean connectInterrupt(int queue, int eventfd) {
            return interrupts.connect(queue, eventfd);
        }

        @Override
        public void disconnectInterrupt(int queue, int eventfd) {
            interrupts.disconnect(queue, eventfd);
        }
    }

    @Override
    protected void configWritten(int offset, int size) {
        if (overlaps(offset, size, COMMAND, 2)) interrupts.lineOff((get(COMMAND, 2) & COMMAND_INTX_OFF) != 0);
        if (overlaps(offset, size, msixControl, 2)) msix.control(get(msixControl, 2));
        if (overlaps(offset, size, pciAccess + CAP_BYTES, 4)) accessWindow(true);
    }

    @Override
    protected int readConfig(int offset, int size) {
        if (overlaps(offset, size, pciAccess + CAP_BYTES, 4)) accessWindow(false);
        int value = get(offset, size);
        boolean status = offset <= STATUS && STATUS < offset + size;
        return status && interrupts.pending() ? value | STATUS_INTERRUPT << 8 * (STATUS - offset) : value;
    }

    private static boolean overlaps(int offset, int size, int at, int length) {
        return offset < at + length && at < offset + size;
    }

    /**
     * The window in configuration space: 4.1.4.9. Offset and length that are not an access of 1, 2 or 4 bytes in window
     * 0 do nothing.
     */
    private void accessWindow(boolean write) {
        int bar = get(pciAccess + CAP_BAR, 1), length = get(pciAccess + CAP_LENGTH, 4);
        long offset = get(pciAccess + CAP_OFFSET, 4) & 0xffffffffL;
        if (bar != 0
                || length != 1 && length != 2 && length != 4
                || offset % length != 0
                || offset > WINDOW_BYTES - length) return;
        Window window = new Window();
        long ones = -1L >>> 64 - 8 * length;
        if (write) window.write(offset, length, get(pciAccess + CAP_BYTES, 4) & ones);
        else set(pciAccess + CAP_BYTES, 4, (int) (window.read(offset, length) & ones));
    }

    @Override
    protected void barMoved(int index, long address) {
        if (index == 0) doorbells.moved(address < 0 ? address : address + NOTIFY);
    }

    /** Ends the device. The processors must have left the guest. */
    @Override
    public void close() {
        synchronized (lock) {
            if (closed) return;
            closed = true;
            stop();
            device.close();
            doorbells.close();
            interrupts.reset();
        }
    }
}
