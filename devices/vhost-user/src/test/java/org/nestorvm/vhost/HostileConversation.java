package org.nestorvm.vhost;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;
import java.util.List;
import org.nestorvm.memory.AddressSpace;
import org.nestorvm.memory.DescriptorChannel;
import org.nestorvm.memory.Mapping;
import org.nestorvm.memory.MemoryObject;
import org.nestorvm.memory.sys.Descriptors;
import org.nestorvm.memory.sys.Events;
import org.nestorvm.memory.sys.HostMemory;
import org.nestorvm.memory.sys.MemoryCalls;
import org.nestorvm.memory.sys.SocketMessages;
import org.nestorvm.memory.sys.Sockets;
import org.nestorvm.vhost.Payloads.Config;
import org.nestorvm.vhost.Payloads.Inflight;
import org.nestorvm.vhost.Payloads.Log;
import org.nestorvm.vhost.Payloads.MemoryRegion;
import org.nestorvm.vhost.Payloads.VringAddress;
import org.nestorvm.vhost.Payloads.VringState;
import org.nestorvm.virtio.Features;
import org.nestorvm.virtio.VirtioDevice;

/**
 * What a front end says, as bytes that a fuzzer can make: for each message a request, flags, how many descriptors of
 * which kind, the payload's size, the payload. All of it is in the socket, and its end too, before a back end begins to
 * listen, on the same thread. Guest memory is filled with the same bytes again.
 */
final class HostileConversation implements AutoCloseable {
    private static final long USER = RawFrontEnd.USER;
    private static final int MEMORY_BYTES = 1 << 16, MOST_MESSAGES = 100, MOST_BYTES = 400;
    /** Kinds of descriptors. */
    static final int MEMORY = 0, EVENT = 1;

    private final MemoryObject memory = MemoryObject.create("hostile", MEMORY_BYTES);
    private final Mapping mapping = AddressSpace.map(memory, false);
    private final int event = Events.eventfd("hostile", 0, 0),
            zero = Descriptors.open("/dev/zero", Descriptors.O_RDWR),
            odd = MemoryCalls.memfdCreate("odd", 0);
    private final int[] pipe = Descriptors.pipe("hostile"), sockets = Sockets.pair("hostile");
    private final int[] kinds = {memory.descriptor(), event, pipe[0], pipe[1], sockets[0], zero, odd, event};

    HostileConversation() throws IOException {
        Descriptors.ftruncate("odd", odd, 5000);
    }

    /** @throws IOException what the back end had to say about it at last */
    void hold(byte[] data, VirtioDevice device) throws IOException {
        for (int at = 0; at < MEMORY_BYTES && data.length > 0; at += data.length)
            HostMemory.copyIn(data, 0, mapping.hostAddress() + at, Math.min(data.length, MEMORY_BYTES - at));
        int[] ends = Sockets.pair("conversation");
        try (BackEnd backEnd = new BackEnd(device, false)) {
            say(ByteBuffer.wrap(data), ends[0]);
            Sockets.tryShutdown(ends[0], Sockets.SHUT_WR);
            backEnd.serve(DescriptorChannel.of("conversation", ends[1]));
        } finally {
            Descriptors.close(ends[0]);
        }
    }

    private void say(ByteBuffer data, int socket) throws IOException {
        ByteBuffer message =
                ByteBuffer.allocateDirect(Message.HEADER_BYTES + MOST_BYTES).order(ByteOrder.LITTLE_ENDIAN);
        long address = java.lang.foreign.MemorySegment.ofBuffer(message).address();
        for (int i = 0; i < MOST_MESSAGES && data.remaining() >= 5; i++) {
            int request = data.get() & 0x3f,
                    flags = data.get(),
                    files = data.get(),
                    size = (data.get() & 0xff) * 2 + (data.get() & 1);
            byte[] payload = new byte[Math.min(Math.min(size, MOST_BYTES), data.remaining())];
            data.get(payload);
            message.clear()
                    .putInt(request)
                    .putInt(flags ^ Message.VERSION)
                    .putInt(size)
                    .put(payload);
            int[] descriptors = new int[(files & 0xf) % 10];
            Arrays.fill(descriptors, kinds[files >>> 4 & 7]);
            SocketMessages.send("conversation", socket, address, message.position(), descriptors);
        }
    }

    /** What a well-behaved front end says. */
    static byte[] seed(boolean packed) {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        say(out, Request.GET_FEATURES, 0, new byte[0]);
        say(out, Request.GET_PROTOCOL_FEATURES, 0, new byte[0]);
        say(out, Request.SET_PROTOCOL_FEATURES, 0, Message.u64(0x1b22b));
        say(out, Request.SET_OWNER, 0, new byte[0]);
        say(out, Request.GET_QUEUE_NUM, 0, new byte[0]);
        say(out, Request.GET_MAX_MEM_SLOTS, 0, new byte[0]);
        say(out, Request.SET_BACKEND_REQ_FD, 0x41, new byte[0]);
        say(out, Request.GET_CONFIG, 0, new Config(0, 8, 0, new byte[8]).payload());
        say(out, Request.SET_CONFIG, 0, new Config(4, 1, 0, new byte[1]).payload());
        say(out, Request.SET_STATUS, 0, Message.u64(3));
        say(
                out,
                Request.SET_FEATURES,
                0,
                Message.u64(Features.VERSION_1 | Features.VHOST_PROTOCOL | (packed ? Features.RING_PACKED : 0)));
        say(out, Request.SET_MEM_TABLE, 1, MemoryRegion.table(List.of(new MemoryRegion(0, MEMORY_BYTES, USER, 0))));
        say(out, Request.ADD_MEM_REG, 1, new MemoryRegion(1L << 32, MEMORY_BYTES, USER + (1L << 32), 0).single());
        say(out, Request.SET_LOG_BASE, 1, new Log(4096, 0).bytes());
        say(out, Request.GET_INFLIGHT_FD, 0, new Inflight(0, 0, 2, 64).bytes());
        say(out, Request.SET_INFLIGHT_FD, 1, new Inflight(MEMORY_BYTES / 2, MEMORY_BYTES / 2, 2, 64).bytes());
        for (int queue = 0; queue < 2; queue++) {
            say(out, Request.SET_VRING_NUM, 0, new VringState(queue, 8).bytes());
            say(out, Request.SET_VRING_BASE, 0, new VringState(queue, 0).bytes());
            say(
                    out,
                    Request.SET_VRING_ADDR,
                    0,
                    new VringAddress(queue, 0, USER + 0x1000 * queue, USER + 0x400, USER + 0x800, 0x400).bytes());
            say(out, Request.SET_VRING_CALL, 0x11, Message.u64(queue));
            say(out, Request.SET_VRING_ERR, 0x11, Message.u64(queue));
            say(out, Request.SET_VRING_KICK, 0x11, Message.u64(queue));
            say(out, Request.SET_VRING_ENABLE, 0, new VringState(queue, 1).bytes());
        }
        say(out, Request.SET_VRING_ENABLE, 0, new VringState(1, 0).bytes());
        say(out, Request.REM_MEM_REG, 0, new MemoryRegion(1L << 32, MEMORY_BYTES, USER + (1L << 32), 0).single());
        say(out, Request.GET_VRING_BASE, 0, new VringState(0, 0).bytes());
        say(out, Request.GET_STATUS, 0, new byte[0]);
        say(out, Request.RESET_DEVICE, 0, new byte[0]);
        return out.toByteArray();
    }

    private static void say(ByteArrayOutputStream out, Request request, int files, byte[] payload) {
        out.write(request.id);
        out.write(Message.NEED_REPLY);
        out.write(files);
        out.write(payload.length >>> 1);
        out.write(payload.length & 1);
        out.writeBytes(payload);
    }

    @Override
    public void close() throws IOException {
        mapping.unmap();
        memory.release();
        for (int descriptor : new int[] {event, zero, odd, pipe[0], pipe[1], sockets[0], sockets[1]})
            Descriptors.close(descriptor);
    }
}
