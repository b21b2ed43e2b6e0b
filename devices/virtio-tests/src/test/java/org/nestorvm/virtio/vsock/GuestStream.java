package org.nestorvm.virtio.vsock;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.ByteArrayOutputStream;
import java.util.Arrays;

/** The guest's end of a connection. Keeps the accounts of credit by itself, and fails when the device goes beyond. */
final class GuestStream {
    private static final byte[] NONE = {};

    final int hostPort, guestPort, window;
    final ByteArrayOutputStream received = new ByteArrayOutputStream();
    boolean open, reset;
    int hostShut;
    /** Off: what comes stays in the guest's buffer, and no credit is given. */
    boolean consumes = true;

    int creditRequests;
    private final Guest guest;
    private int sent, forwarded, toldForwarded, peerWindow, peerForwarded;

    GuestStream(Guest guest, int hostPort, int guestPort, int window) {
        this.guest = guest;
        this.hostPort = hostPort;
        this.guestPort = guestPort;
        this.window = window;
    }

    private Packet packet(int op, int flags, byte[] data) {
        toldForwarded = forwarded;
        return new Packet(
                Guest.CID,
                VsockDevice.HOST_CID,
                guestPort,
                hostPort,
                data.length,
                Header.TYPE_STREAM,
                op,
                flags,
                window,
                forwarded,
                data);
    }

    void send(int op, int flags) throws InterruptedException {
        guest.send(packet(op, flags, NONE));
    }

    int credit() {
        return peerWindow - (sent - peerForwarded);
    }

    int peerForwarded() {
        return peerForwarded;
    }

    /** Sends without a look at the credit. */
    void sendData(byte[] data, int... pieces) throws InterruptedException {
        sent += data.length;
        guest.send(packet(Header.OP_RW, 0, data), pieces);
    }

    /** Sends all of it, as credit allows, in packets of at most {@code most} bytes. */
    void write(byte[] data, int most, int... pieces) throws InterruptedException {
        for (int at = 0; at < data.length; ) {
            while (credit() <= 0) guest.pump();
            int size = Math.min(Math.min(most, data.length - at), credit());
            sendData(Arrays.copyOfRange(data, at, at + size), pieces);
            at += size;
        }
    }

    /** The guest's program takes all that has come. */
    void consume() throws InterruptedException {
        forwarded = received.size();
        send(Header.OP_CREDIT_UPDATE, 0);
    }

    void take(Packet packet) throws InterruptedException {
        assertEquals(VsockDevice.HOST_CID, packet.srcCid());
        assertEquals(Guest.CID, packet.dstCid());
        assertEquals(Header.TYPE_STREAM, packet.type());
        assertEquals(packet.data().length, packet.length(), "used length and header's");
        if (packet.op() == Header.OP_RST) {
            reset = true;
            return;
        }
        peerWindow = packet.bufAlloc();
        peerForwarded = packet.fwdCnt();
        assertTrue(sent - peerForwarded >= 0, "the device has forwarded more than was sent");
        switch (packet.op()) {
            case Header.OP_RESPONSE -> open = true;
            case Header.OP_RW -> data(packet.data());
            case Header.OP_SHUTDOWN -> hostShut |= packet.flags();
            case Header.OP_CREDIT_REQUEST -> {
                creditRequests++;
                if (consumes) consume();
            }
            default -> {}
        }
    }

    private void data(byte[] data) throws InterruptedException {
        received.writeBytes(data);
        assertTrue(
                received.size() - forwarded <= window,
                "more than the window: " + (received.size() - forwarded) + " of " + window);
        if (!consumes) return;
        forwarded = received.size();
        if (forwarded - toldForwarded >= window / 2) consume();
    }

    String text() {
        return received.toString(java.nio.charset.StandardCharsets.UTF_8);
    }
}
