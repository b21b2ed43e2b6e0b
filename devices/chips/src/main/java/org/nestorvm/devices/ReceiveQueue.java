package org.nestorvm.devices;

/** Bytes that are on their way to a guest's serial port: a bounded ring. Its owner locks it. */
final class ReceiveQueue {
    private final byte[] ring;
    private final int limit;
    private int head, count;

    /** @param putBack bytes that can always be put back, beyond the capacity */
    ReceiveQueue(int capacity, int putBack) {
        ring = new byte[capacity + putBack];
        limit = capacity;
    }

    boolean isEmpty() {
        return count == 0;
    }

    boolean isFull() {
        return count >= limit;
    }

    void add(byte value) {
        ring[(head + count++) % ring.length] = value;
    }

    byte take() {
        byte value = ring[head];
        head = (head + 1) % ring.length;
        count--;
        return value;
    }

    /** Makes {@code value} the next one to be taken. */
    void putBack(byte value) {
        head = (head + ring.length - 1) % ring.length;
        ring[head] = value;
        count++;
    }
}
