package org.nestorvm.virtio.net;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.nestorvm.virtio.testkit.Buffer;
import org.nestorvm.virtio.testkit.DriverMemory;
import org.nestorvm.virtio.testkit.DriverQueue;
import org.nestorvm.virtio.testkit.TestDriver;
import org.nestorvm.virtio.testkit.Used;

/** A network driver: posts buffers, sends packets, and puts together what came in several buffers. */
final class NetDriver implements AutoCloseable {
    static final int RX = 0, TX = 1;
    private static final int SENT_BYTES = 70_000;

    final TestDriver driver;
    private final DriverMemory memory;
    private final int control;
    private final Map<Integer, List<Buffer>> posted = new HashMap<>(), sent = new HashMap<>();
    private final List<Long> free = new ArrayList<>();

    NetDriver(NetDevice device, DriverMemory memory, long features) throws IOException {
        this.memory = memory;
        driver = TestDriver.start(device, memory, features, 256);
        control = (features & NetFeatures.MQ) != 0 ? device.queueCount() - 1 : 2;
    }

    /** Offers receive buffers, each of pieces of these sizes. */
    void post(int count, int... sizes) {
        for (int i = 0; i < count; i++) {
            List<Buffer> buffers = new ArrayList<>();
            for (int size : sizes) buffers.add(new Buffer(memory.allocate(size, 1), size, true));
            post(buffers);
        }
        driver.kick(RX);
    }

    private void post(List<Buffer> buffers) {
        posted.put(driver.queue(RX).offer(buffers), buffers);
    }

    /** Waits for a packet and offers its buffers again. @return with its header, whose number of buffers is checked */
    byte[] receive() throws InterruptedException {
        return receive(true);
    }

    byte[] receive(boolean offerAgain) throws InterruptedException {
        ByteArrayOutputStream packet = new ByteArrayOutputStream();
        int count = 1;
        for (int i = 0; i < count; i++) {
            Used used = i == 0 ? driver.await(RX) : driver.queue(RX).take();
            List<Buffer> buffers = posted.remove(used.id());
            long left = used.written();
            for (Buffer buffer : buffers) {
                int piece = (int) Math.min(left, buffer.sizeBytes());
                packet.writeBytes(memory.read(buffer.gpa(), piece));
                left -= piece;
            }
            assertEquals(0, left);
            if (offerAgain) post(buffers);
            if (i == 0) count = (packet.toByteArray()[10] & 0xff) | (packet.toByteArray()[11] & 0xff) << 8;
        }
        driver.kick(RX);
        return packet.toByteArray();
    }

    /** Sends a packet with its header, in pieces of these sizes, the last of which takes the rest. @return its id */
    int send(byte[] packet, int... sizes) {
        reap();
        long gpa = free.isEmpty() ? memory.allocate(SENT_BYTES, 8) : free.removeLast();
        memory.write(gpa, packet);
        List<Buffer> buffers = new ArrayList<>();
        int at = 0;
        for (int i = 0; i < sizes.length && at + sizes[i] < packet.length; at += sizes[i++])
            buffers.add(new Buffer(gpa + at, sizes[i], false));
        buffers.add(new Buffer(gpa + at, packet.length - at, false));
        int id = driver.queue(TX).offer(buffers);
        sent.put(id, buffers);
        driver.kick(TX);
        return id;
    }

    private void reap() {
        for (Used used; (used = driver.queue(TX).take()) != null; ) done(used);
    }

    private void done(Used used) {
        assertEquals(0, used.written());
        free.add(sent.remove(used.id()).getFirst().gpa());
    }

    /** Waits until all that was sent has come back. */
    void awaitSent() throws InterruptedException {
        while (!sent.isEmpty()) done(driver.await(TX));
    }

    int unsent() {
        reap();
        return sent.size();
    }

    /** @return what the device answers */
    int command(int type, int number, byte... data) throws InterruptedException {
        DriverQueue queue = driver.queue(control);
        byte[] answer = driver.request(control, Packets.join(new byte[] {(byte) type, (byte) number}, data), 1);
        assertEquals(control, queue.index());
        return answer[0];
    }

    @Override
    public void close() {
        driver.close();
    }
}
