package org.nestorvm.vhost;

import java.io.IOException;
import java.util.List;
import org.nestorvm.memory.AddressSpace;
import org.nestorvm.memory.DescriptorChannel;
import org.nestorvm.memory.Mapping;
import org.nestorvm.memory.MemoryObject;
import org.nestorvm.memory.sys.Descriptors;
import org.nestorvm.memory.sys.Events;
import org.nestorvm.vhost.Payloads.MemoryRegion;
import org.nestorvm.vhost.Payloads.VringAddress;
import org.nestorvm.vhost.Payloads.VringState;
import org.nestorvm.virtio.Features;
import org.nestorvm.virtio.VirtioDevice;

/** A front end that says whatever a test wants it to say, to a back end on a thread of its own. */
final class RawFrontEnd implements AutoCloseable {
    static final long USER = 0x7000_0000_0000L, MEMORY_BYTES = 1 << 20;
    static final int TIMEOUT_MS = 10_000;

    final MemoryObject memory = MemoryObject.create("raw", MEMORY_BYTES);
    final Mapping mapping = AddressSpace.map(memory, false);
    final int event = Events.eventfd("raw", 0, Events.EFD_NONBLOCK);
    private final MessageChannel channel;
    private final Thread server;
    private volatile Throwable ended;

    /** @param closes the device at the end */
    RawFrontEnd(VirtioDevice device, boolean closes) throws IOException {
        List<DescriptorChannel> pair = DescriptorChannel.pair("raw");
        channel = new MessageChannel(pair.get(0));
        server = Thread.ofPlatform().start(() -> {
            try (BackEnd backEnd = new BackEnd(device, false)) {
                backEnd.serve(pair.get(1));
            } catch (Throwable t) {
                ended = t;
            } finally {
                if (closes) device.close();
            }
        });
    }

    /** Everything that was offered and can be acknowledged. */
    RawFrontEnd introduced() throws IOException {
        long features = ask(Request.GET_FEATURES).u64();
        channel.send(
                Request.SET_PROTOCOL_FEATURES.id,
                0,
                Message.u64(ask(Request.GET_PROTOCOL_FEATURES).u64()));
        set(Request.SET_FEATURES, Message.u64(features & (Features.VERSION_1 | Features.VHOST_PROTOCOL)));
        return this;
    }

    /** Its memory at guest address 0. */
    RawFrontEnd withMemory() throws IOException {
        set(
                Request.SET_MEM_TABLE,
                MemoryRegion.table(List.of(new MemoryRegion(0, MEMORY_BYTES, USER, 0))),
                memory.descriptor());
        return this;
    }

    /** An empty split queue of 8 entries at the beginning of memory. */
    RawFrontEnd withQueue(int index) throws IOException {
        set(Request.SET_VRING_NUM, new VringState(index, 8).bytes());
        set(Request.SET_VRING_BASE, new VringState(index, 0).bytes());
        set(Request.SET_VRING_ADDR, new VringAddress(index, 0, USER, USER + 0x2000, USER + 0x1000, 0).bytes());
        set(Request.SET_VRING_KICK, Message.u64(index), event);
        set(Request.SET_VRING_ENABLE, new VringState(index, 1).bytes());
        return this;
    }

    Message ask(Request request, byte... payload) throws IOException {
        channel.send(request.id, 0, payload);
        return channel.receive(TIMEOUT_MS, _ -> 4096);
    }

    /** With the wish for an answer. @return the answer, or -1 when the connection has ended */
    long send(int request, byte[] payload, int... descriptors) throws IOException {
        channel.send(request, Message.NEED_REPLY, payload, descriptors);
        try (Message message = channel.receive(TIMEOUT_MS, _ -> 4096)) {
            return message == null ? -1 : message.u64();
        } catch (org.nestorvm.memory.sys.ErrnoException e) {
            return -1; // closed with something unread
        }
    }

    void set(Request request, byte[] payload, int... descriptors) throws IOException {
        long answer = send(request.id, payload, descriptors);
        if (answer != 0) throw new AssertionError(request + ": " + answer, ended);
    }

    /** Waits until the back end has ended. @return why, or null when it was content */
    Throwable end() throws InterruptedException {
        channel.end();
        server.join(TIMEOUT_MS);
        if (server.isAlive()) throw new AssertionError("the back end hangs");
        return ended;
    }

    @Override
    public void close() throws IOException, InterruptedException {
        end();
        channel.close();
        mapping.unmap();
        memory.release();
        Descriptors.close(event);
    }
}
