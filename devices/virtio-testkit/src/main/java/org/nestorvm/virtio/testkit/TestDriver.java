package org.nestorvm.virtio.testkit;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import org.nestorvm.memory.sys.Descriptors;
import org.nestorvm.memory.sys.Events;
import org.nestorvm.virtio.DeviceEvents;
import org.nestorvm.virtio.DeviceSession;
import org.nestorvm.virtio.VirtioDevice;

/**
 * A driver and the transport between: starts a device on memory of its own, notifies it, and waits for its interrupts.
 */
public final class TestDriver implements AutoCloseable {
    private static final long PATIENCE_SECONDS = 30;

    private final VirtioDevice device;
    private final DriverMemory memory;
    private final long features;
    private final DriverQueue[] queues;
    private final int[] kicks;
    private final int[] positions;
    private final Semaphore[] interrupts;
    private final Semaphore configChanges = new Semaphore(0), resets = new Semaphore(0);
    private final List<String> reasons = new ArrayList<>();

    /** Sets the device up with all its queues. @param features what is negotiated: a part of what the device offers */
    public static TestDriver start(VirtioDevice device, DriverMemory memory, long features, int queueSize)
            throws IOException {
        return start(device, memory, features, queueSize, true);
    }

    /** The same through a transport that has no eventfds: the device serves on the thread that kicks. */
    public static TestDriver startWithoutEventfds(
            VirtioDevice device, DriverMemory memory, long features, int queueSize) throws IOException {
        return start(device, memory, features, queueSize, false);
    }

    private static TestDriver start(
            VirtioDevice device, DriverMemory memory, long features, int queueSize, boolean eventfds)
            throws IOException {
        TestDriver driver = new TestDriver(device, memory, features, queueSize, eventfds);
        try {
            device.activate(driver.session());
            for (int i = 0; i < driver.queues.length; i++) driver.startQueue(i);
            return driver;
        } catch (Throwable t) {
            driver.close();
            throw t;
        }
    }

    private TestDriver(VirtioDevice device, DriverMemory memory, long features, int queueSize, boolean eventfds)
            throws IOException {
        if ((features & ~device.features()) != 0)
            throw new IllegalArgumentException("not offered: 0x" + Long.toHexString(features & ~device.features()));
        this.device = device;
        this.memory = memory;
        this.features = features;
        int count = device.queueCount();
        queues = new DriverQueue[count];
        kicks = new int[count];
        positions = new int[count];
        interrupts = new Semaphore[count];
        for (int i = 0; i < count; i++) {
            queues[i] = DriverQueue.create(memory, i, Math.min(queueSize, device.maxQueueSize(i)), features);
            kicks[i] = eventfds ? Events.eventfd("kick", 0, Events.EFD_NONBLOCK) : -1;
            interrupts[i] = new Semaphore(0);
            positions[i] = queues[i].setup(kicks[i]).position();
        }
    }

    private DeviceSession session() {
        return new DeviceSession(features, memory.memory(), new DeviceEvents() {
            @Override
            public void interrupt(int queue) {
                interrupts[queue].release();
            }

            @Override
            public void configChanged() {
                configChanges.release();
            }

            @Override
            public void needsReset(String why) {
                synchronized (reasons) {
                    reasons.add(why);
                }
                resets.release();
            }
        });
    }

    public DriverQueue queue(int index) {
        return queues[index];
    }

    public DriverMemory memory() {
        return memory;
    }

    /** Starts a queue, where it was stopped or at its beginning. */
    public void startQueue(int index) throws IOException {
        device.startQueue(queues[index].setup(kicks[index]).withPosition(positions[index]));
    }

    public void stopQueue(int index) {
        positions[index] = device.stopQueue(index);
    }

    /** Notifies if the device wants it. */
    public void kick(int index) {
        if (queues[index].needsKick()) forceKick(index);
    }

    /** Notifies, wanted or not. */
    public void forceKick(int index) {
        if (kicks[index] >= 0) Events.trySignalShared(kicks[index]);
        else device.notified(index);
    }

    /** Waits until a chain comes back. */
    public Used await(int index) throws InterruptedException {
        DriverQueue queue = queues[index];
        for (; ; ) {
            Used used = queue.take();
            if (used != null) return used;
            queue.wantInterrupt(true);
            used = queue.take();
            if (used != null) return used;
            awaitInterrupt(index);
        }
    }

    public void awaitInterrupt(int index) throws InterruptedException {
        if (!interrupts[index].tryAcquire(PATIENCE_SECONDS, TimeUnit.SECONDS))
            throw new AssertionError(
                    "no interrupt of queue " + index + " of " + device.name() + "; reasons for a reset: " + reasons());
    }

    public void awaitConfigChange() throws InterruptedException {
        if (!configChanges.tryAcquire(PATIENCE_SECONDS, TimeUnit.SECONDS))
            throw new AssertionError("configuration of " + device.name() + " has not changed");
    }

    /** Waits until the device asks for a reset. @return why */
    public String awaitNeedsReset() throws InterruptedException {
        if (!resets.tryAcquire(PATIENCE_SECONDS, TimeUnit.SECONDS))
            throw new AssertionError(device.name() + " does not ask for a reset");
        synchronized (reasons) {
            return reasons.getLast();
        }
    }

    /** Why the device has asked for a reset, each time that it has. */
    public List<String> reasons() {
        synchronized (reasons) {
            return List.copyOf(reasons);
        }
    }

    /** Offers one chain, notifies, waits: for devices that serve in order. @return what was written */
    public byte[] request(int index, byte[] readable, int writableBytes) throws InterruptedException {
        DriverQueue queue = queues[index];
        queue.offer(readable, writableBytes);
        List<Buffer> buffers = queue.lastBuffers();
        kick(index);
        Used used = await(index);
        return writableBytes == 0 ? new byte[0] : memory.read(buffers.getLast().gpa(), (int) used.written());
    }

    /** What a reset does: stops the queues and lets the device go. */
    public void reset() {
        for (int i = 0; i < queues.length; i++) device.stopQueue(i);
        device.deactivate();
    }

    /** Resets the device; device and memory stay the caller's. */
    @Override
    public void close() {
        reset();
        for (int kick : kicks) if (kick >= 0) Descriptors.close(kick);
    }
}
