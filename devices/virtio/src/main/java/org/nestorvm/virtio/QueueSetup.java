package org.nestorvm.virtio;

/**
 * One queue as the driver has set it up, and where to go on.
 *
 * @param index of the queue in its device
 * @param size entries
 * @param descriptors guest-physical address of the descriptor area (virtio 1.2, 2.6: descriptor table, or the packed
 *     ring)
 * @param driver guest-physical address of the driver area (available ring, or driver event suppression)
 * @param device guest-physical address of the device area (used ring, or device event suppression)
 * @param position where the device goes on: 0 for a new split queue, {@link #PACKED_START} for a new packed one, else
 *     what {@link org.nestorvm.virtio.queue.Virtqueue#position} said
 * @param inflight host address of memory that outlives this process and in which requests under way are recorded,
 *     {@link org.nestorvm.virtio.queue.Virtqueue#inflightBytes} bytes, at first zero; those that it says are under way
 *     come first, and it knows the position better. 0 for none
 * @param kick eventfd that the driver's notifications signal; the transport's, open as long as the queue runs. -1 when
 *     the transport calls {@link VirtioDevice#notified} instead
 */
public record QueueSetup(
        int index, int size, long descriptors, long driver, long device, int position, long inflight, int kick) {
    /** Index 0 and wrap counter 1, for the driver's side and for the device's. */
    public static final int PACKED_START = 0x8000_8000;

    public QueueSetup(int index, int size, long descriptors, long driver, long device, int position, int kick) {
        this(index, size, descriptors, driver, device, position, 0, kick);
    }

    public static int start(long features) {
        return (features & Features.RING_PACKED) != 0 ? PACKED_START : 0;
    }

    public QueueSetup withPosition(int newPosition) {
        return new QueueSetup(index, size, descriptors, driver, device, newPosition, inflight, kick);
    }

    public QueueSetup withKick(int newKick) {
        return new QueueSetup(index, size, descriptors, driver, device, position, inflight, newKick);
    }
}
