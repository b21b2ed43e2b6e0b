package org.nestorvm.virtio.pci;

import java.util.concurrent.atomic.AtomicInteger;
import org.nestorvm.virtio.Features;
import org.nestorvm.virtio.QueueSetup;
import org.nestorvm.virtio.VirtioDevice;

/**
 * The common configuration structure of a function: virtio 1.2, section 4.1.4.3. Its owner locks it, but for the
 * status.
 */
final class CommonConfig {
    static final int ACKNOWLEDGE = 1, DRIVER = 2, DRIVER_OK = 4, FEATURES_OK = 8, NEEDS_RESET = 64, FAILED = 128;
    static final int DEVICE_FEATURE_SELECT = 0x00,
            DEVICE_FEATURE = 0x04,
            DRIVER_FEATURE_SELECT = 0x08,
            DRIVER_FEATURE = 0x0c,
            CONFIG_MSIX_VECTOR = 0x10,
            NUM_QUEUES = 0x12,
            DEVICE_STATUS = 0x14,
            CONFIG_GENERATION = 0x15,
            QUEUE_SELECT = 0x16,
            QUEUE_SIZE = 0x18,
            QUEUE_MSIX_VECTOR = 0x1a,
            QUEUE_ENABLE = 0x1c,
            QUEUE_NOTIFY_OFF = 0x1e,
            QUEUE_DESC = 0x20,
            QUEUE_DRIVER = 0x28,
            QUEUE_DEVICE = 0x30,
            QUEUE_NOTIFY_DATA = 0x38,
            QUEUE_RESET = 0x3a,
            END = 0x3c;

    /** What a write asks the function to do. */
    interface Actions {
        void reset();

        /** DRIVER_OK was set. */
        void start();

        void enable(int queue);

        /** Queue reset, 2.6.1. */
        void resetQueue(int queue);
    }

    static final class Queue {
        int size;
        boolean enabled;
        long descriptors, driver, device;
    }

    final AtomicInteger status = new AtomicInteger();
    private final VirtioDevice device;
    private final Interrupts interrupts;
    private final Actions actions;
    private final long offered;
    private final Queue[] queues;
    private int deviceFeatureSelect, driverFeatureSelect, queueSelect;
    private long features;

    CommonConfig(VirtioDevice device, Interrupts interrupts, Actions actions) {
        this.device = device;
        this.interrupts = interrupts;
        this.actions = actions;
        offered = device.features();
        queues = new Queue[device.queueCount()];
        clear();
    }

    /** The state after a reset. */
    void clear() {
        for (int i = 0; i < queues.length; i++) clearQueue(i);
        deviceFeatureSelect = driverFeatureSelect = queueSelect = 0;
        features = 0;
        status.set(0);
    }

    void clearQueue(int index) {
        queues[index] = new Queue();
        queues[index].size = device.maxQueueSize(index);
    }

    /** Negotiated. */
    long features() {
        return features;
    }

    boolean has(int statusBit) {
        return (status.get() & statusBit) != 0;
    }

    boolean enabled(int queue) {
        return queues[queue].enabled;
    }

    QueueSetup setup(int index, int kick) {
        Queue queue = queues[index];
        return new QueueSetup(
                index, queue.size, queue.descriptors, queue.driver, queue.device, QueueSetup.start(features), kick);
    }

    private Queue selected() {
        return queueSelect < queues.length ? queues[queueSelect] : null;
    }

    long read(int offset) {
        Queue queue = selected();
        return switch (offset) {
            case DEVICE_FEATURE_SELECT -> deviceFeatureSelect;
            case DEVICE_FEATURE -> half(offered, deviceFeatureSelect);
            case DRIVER_FEATURE_SELECT -> driverFeatureSelect;
            case DRIVER_FEATURE -> half(features, driverFeatureSelect);
            case CONFIG_MSIX_VECTOR -> interrupts.configVector();
            case NUM_QUEUES -> queues.length;
            case DEVICE_STATUS -> status.get();
            case CONFIG_GENERATION -> device.config().generation() & 0xff;
            case QUEUE_SELECT -> queueSelect;
            default -> queue == null ? 0 : readQueue(queue, offset);
        };
    }

    private long readQueue(Queue queue, int offset) {
        return switch (offset) {
            case QUEUE_SIZE -> queue.size;
            case QUEUE_MSIX_VECTOR -> interrupts.vector(queueSelect);
            case QUEUE_ENABLE -> queue.enabled ? 1 : 0;
            case QUEUE_NOTIFY_OFF -> queueSelect;
            case QUEUE_DESC -> (int) queue.descriptors;
            case QUEUE_DESC + 4 -> (int) (queue.descriptors >>> 32);
            case QUEUE_DRIVER -> (int) queue.driver;
            case QUEUE_DRIVER + 4 -> (int) (queue.driver >>> 32);
            case QUEUE_DEVICE -> (int) queue.device;
            case QUEUE_DEVICE + 4 -> (int) (queue.device >>> 32);
            default -> 0; // a queue reset is over when the write that asked for it is
        };
    }

    void write(int offset, int value) {
        switch (offset) {
            case DEVICE_FEATURE_SELECT -> deviceFeatureSelect = value;
            case DRIVER_FEATURE_SELECT -> driverFeatureSelect = value;
            case DRIVER_FEATURE -> writeFeature(value);
            case CONFIG_MSIX_VECTOR -> interrupts.setConfigVector(value & 0xffff);
            case DEVICE_STATUS -> writeStatus(value & 0xff);
            case QUEUE_SELECT -> queueSelect = value & 0xffff;
            default -> {
                Queue queue = selected();
                if (queue != null) writeQueue(queue, offset, value);
            }
        }
    }

    private void writeFeature(int value) {
        if (has(FEATURES_OK) || Integer.compareUnsigned(driverFeatureSelect, 1) > 0) return;
        int shift = 32 * driverFeatureSelect;
        features = features & ~(0xffffffffL << shift) | (value & 0xffffffffL) << shift;
    }

    /**
     * 2.1 and 3.1.1: bits are set one after the other, and never taken back but by a reset, which writing 0 is; what
     * the driver may not have is not set.
     */
    private void writeStatus(int value) {
        if (value == 0) {
            actions.reset();
            return;
        }
        int old = status.get();
        boolean acceptable = (features & ~offered) == 0 && (features & Features.VERSION_1) != 0;
        if (!acceptable) value &= ~FEATURES_OK;
        if (((old | value) & FEATURES_OK) == 0) value &= ~DRIVER_OK;
        int set = value & ~NEEDS_RESET;
        status.accumulateAndGet(set, (now, bits) -> now | bits);
        if ((set & ~old & DRIVER_OK) != 0) actions.start();
    }

    private void writeQueue(Queue queue, int offset, int value) {
        switch (offset) {
            case QUEUE_MSIX_VECTOR -> interrupts.setVector(queueSelect, value & 0xffff);
            case QUEUE_ENABLE -> enable(queue, value & 0xffff);
            case QUEUE_RESET -> resetQueue(queue, value & 0xffff);
            default -> {
                if (!queue.enabled) place(queue, offset, value);
            }
        }
    }

    private void enable(Queue queue, int value) {
        if (value != 1 || queue.enabled) return; // never disabled by writing 0
        queue.enabled = true;
        actions.enable(queueSelect);
    }

    private void resetQueue(Queue queue, int value) {
        if (value != 1 || !queue.enabled || (features & Features.RING_RESET) == 0) return;
        actions.resetQueue(queueSelect);
        clearQueue(queueSelect);
    }

    private void place(Queue queue, int offset, int value) {
        switch (offset) {
            case QUEUE_SIZE -> queue.size = resized(value & 0xffff, queue.size);
            case QUEUE_DESC -> queue.descriptors = low(queue.descriptors, value);
            case QUEUE_DESC + 4 -> queue.descriptors = high(queue.descriptors, value);
            case QUEUE_DRIVER -> queue.driver = low(queue.driver, value);
            case QUEUE_DRIVER + 4 -> queue.driver = high(queue.driver, value);
            case QUEUE_DEVICE -> queue.device = low(queue.device, value);
            case QUEUE_DEVICE + 4 -> queue.device = high(queue.device, value);
            default -> {}
        }
    }

    /**
     * A size that the queue cannot have is not taken: the driver reads back the old one. That it is a power of two
     * where it must be is checked when the queue starts.
     */
    private int resized(int wanted, int now) {
        return wanted >= 1 && wanted <= device.maxQueueSize(queueSelect) ? wanted : now;
    }

    private static long half(long features, int select) {
        return switch (select) {
            case 0 -> (int) features;
            case 1 -> (int) (features >>> 32);
            default -> 0;
        };
    }

    private static long low(long value, int half) {
        return value & 0xffffffff00000000L | half & 0xffffffffL;
    }

    private static long high(long value, int half) {
        return value & 0xffffffffL | (long) half << 32;
    }
}
