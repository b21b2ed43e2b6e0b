package org.nestorvm.virtio.vsock;

import static org.nestorvm.virtio.vsock.VsockDevice.RX;
import static org.nestorvm.virtio.vsock.VsockDevice.TX;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.nestorvm.virtio.UnixListener;
import org.nestorvm.virtio.testkit.Buffer;
import org.nestorvm.virtio.testkit.DriverMemory;
import org.nestorvm.virtio.testkit.TestDriver;
import org.nestorvm.virtio.testkit.Used;

/** A guest's vsock driver, by hand: gives receive buffers, sends packets, hands out what comes. One thread. */
final class Guest implements AutoCloseable {
    static final long CID = 3;
    private static final int TX_BYTES = 80 << 10;

    final VsockDevice device;
    final DriverMemory memory;
    final TestDriver driver;
    private final Map<Integer, Buffer> given = new HashMap<>();
    private final ArrayDeque<Buffer> spare = new ArrayDeque<>();
    private final Map<Long, GuestStream> streams = new HashMap<>();
    private final long tx;

    /** @param rxBuffers given to the device at once, of this size */
    Guest(Path path, long features, int connections, int rxBuffers, int rxBytes) throws IOException {
        this(path, features, connections, rxBuffers, rxBytes, VsockDevice.GREETING_NS);
    }

    /** @param greetingNs for programs to say which port they want */
    Guest(Path path, long features, int connections, int rxBuffers, int rxBytes, long greetingNs) throws IOException {
        VsockOptions options = new VsockOptions(CID, path, connections);
        device = new VsockDevice(
                "vsock", options, UnixListener.listen("vsock", path), HostPorts.of(options), greetingNs);
        memory = new DriverMemory();
        driver = TestDriver.start(device, memory, features, 128);
        tx = memory.allocate(TX_BYTES, 16);
        for (int i = 0; i < rxBuffers; i++) spare.add(new Buffer(memory.allocate(rxBytes, 4), rxBytes, true));
        giveAll();
    }

    void addBuffers(int count, int bytes) {
        for (int i = 0; i < count; i++) spare.add(new Buffer(memory.allocate(bytes, 4), bytes, true));
        giveAll();
    }

    private void giveAll() {
        for (Buffer buffer; (buffer = spare.poll()) != null; )
            given.put(driver.queue(RX).offer(List.of(buffer)), buffer);
        driver.kick(RX);
    }

    /** Sends a packet, payload in pieces of these sizes and the rest, and waits until the device has taken it. */
    void send(Packet packet, int... pieces) throws InterruptedException {
        offer(packet, pieces);
        driver.kick(TX);
        driver.await(TX);
    }

    void offer(Packet packet, int... pieces) {
        memory.write(tx, packet.header());
        memory.write(tx + Packet.HEADER, packet.data());
        List<Buffer> chain = new ArrayList<>();
        int at = 0, total = Packet.HEADER + packet.data().length;
        for (int piece : pieces) {
            int size = Math.min(piece, total - at);
            if (size <= 0) continue;
            chain.add(new Buffer(tx + at, size, false));
            at += size;
        }
        if (at < total) chain.add(new Buffer(tx + at, total - at, false));
        driver.queue(TX).offer(chain);
    }

    /** The next packet, whatever it is. Its buffer is given again. */
    Packet next() throws InterruptedException {
        return take(driver.await(RX), true);
    }

    /** The same, but the device has a buffer less from now on. */
    Packet nextAndKeep() throws InterruptedException {
        return take(driver.await(RX), false);
    }

    private Packet take(Used used, boolean giveBack) {
        Buffer buffer = given.remove(used.id());
        Packet packet = Packet.of(memory.read(buffer.gpa(), (int) used.written()));
        if (giveBack) {
            spare.add(buffer);
            giveAll();
        }
        return packet;
    }

    GuestStream stream(int hostPort, int guestPort, int window) {
        GuestStream stream = new GuestStream(this, hostPort, guestPort, window);
        streams.put(key(hostPort, guestPort), stream);
        return stream;
    }

    private static long key(int hostPort, int guestPort) {
        return (long) hostPort << 32 | guestPort & 0xffffffffL;
    }

    /** Takes the next packet and lets its stream have it. */
    Packet pump() throws InterruptedException {
        Packet packet = next();
        GuestStream stream = streams.get(key(packet.srcPort(), packet.dstPort()));
        if (stream != null) stream.take(packet);
        return packet;
    }

    /** Takes all that the device has sent by now. */
    void fence() throws InterruptedException {
        send(new Packet(CID, VsockDevice.HOST_CID, -7, -7, 0, Header.TYPE_STREAM, Header.OP_RW, 0, 0, 0, new byte[0]));
        while (pump().dstPort() != -7) {}
    }

    /** Connects to a program of the host. @return the stream, answered */
    GuestStream connect(int hostPort, int guestPort, int window) throws InterruptedException {
        GuestStream stream = stream(hostPort, guestPort, window);
        stream.send(Header.OP_REQUEST, 0);
        while (!stream.open && !stream.reset) pump();
        return stream;
    }

    @Override
    public void close() throws IOException {
        driver.close();
        device.close();
        memory.close();
    }
}
