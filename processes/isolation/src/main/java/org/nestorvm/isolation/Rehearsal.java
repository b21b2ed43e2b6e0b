package org.nestorvm.isolation;

import java.io.IOException;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.nestorvm.memory.AddressSpace;
import org.nestorvm.memory.DescriptorChannel;
import org.nestorvm.memory.Mapping;
import org.nestorvm.memory.MemoryObject;
import org.nestorvm.memory.sys.Descriptors;
import org.nestorvm.memory.sys.Entropy;
import org.nestorvm.memory.sys.Events;
import org.nestorvm.memory.sys.HostMemory;
import org.nestorvm.sandbox.OpenAhead;
import org.nestorvm.sandbox.Sandbox;
import org.nestorvm.vhost.BackEnd;
import org.nestorvm.vhost.Connector;
import org.nestorvm.vhost.FrontEnd;
import org.nestorvm.vhost.FrontEndOptions;
import org.nestorvm.virtio.DeviceEvents;
import org.nestorvm.virtio.DeviceMemory;
import org.nestorvm.virtio.DeviceSession;
import org.nestorvm.virtio.Features;
import org.nestorvm.virtio.QueueSetup;
import org.nestorvm.virtio.rng.RngDevice;

/**
 * What the JVM records for its AOT cache: an entropy device serves one request, over a vhost-user socket to the same
 * process, and everything that confines a process is made ready but not done, since the JVM has a file to write at its
 * end.
 */
final class Rehearsal {
    private static final int MEMORY_BYTES = 1 << 20, QUEUE_SIZE = 8;
    /** Guest-physical addresses: the three areas of a split queue, and a buffer. */
    private static final int DESCRIPTORS = 0, AVAILABLE = 0x1000, USED = 0x2000, BUFFER = 0x3000, BUFFER_BYTES = 64;

    private static final short VIRTQ_DESC_F_WRITE = 2;
    private static final long PATIENCE_S = 30;

    private Rehearsal() {}

    static void run() throws IOException {
        OpenAhead.classes();
        Sandbox.rehearse(DeviceKind.BLK.policy);
        List<DescriptorChannel> pair = DescriptorChannel.pair("rehearsal");
        CompletableFuture<Void> served = CompletableFuture.runAsync(() -> serve(pair.get(1)));
        MemoryObject object = MemoryObject.create("rehearsal", MEMORY_BYTES);
        Mapping mapping = AddressSpace.map(object, false);
        try (FrontEnd front = FrontEnd.connect(
                FrontEndOptions.of(RngDevice.TYPE, "rehearsal", 1, QUEUE_SIZE, Connector.once(pair.get(0))))) {
            request(front, object, mapping.hostAddress());
        } finally {
            mapping.unmap();
            object.release();
        }
        served.join();
    }

    private static void serve(DescriptorChannel channel) {
        try (RngDevice device = new RngDevice("rehearsal", Entropy::fill)) {
            BackEnd backEnd = new BackEnd(device, false);
            backEnd.prepare();
            backEnd.serve(channel);
        } catch (IOException e) {
            throw new java.io.UncheckedIOException(e);
        }
    }

    private static void request(FrontEnd front, MemoryObject object, long hostAddress) throws IOException {
        CountDownLatch interrupted = new CountDownLatch(1);
        DeviceMemory memory = new DeviceMemory(
                List.of(new DeviceMemory.Region(0, MEMORY_BYTES, hostAddress, object.descriptor(), 0)), null);
        front.activate(new DeviceSession(Features.VERSION_1, memory, events(interrupted)));
        int kick = Events.eventfd("rehearsal", 0, Events.EFD_NONBLOCK);
        try {
            offer(hostAddress);
            front.startQueue(new QueueSetup(0, QUEUE_SIZE, DESCRIPTORS, AVAILABLE, USED, 0, kick));
            if (!interrupted.await(PATIENCE_S, TimeUnit.SECONDS))
                throw new IOException("the rehearsed device has not answered");
            front.stopQueue(0);
            front.deactivate();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IOException("interrupted", e);
        } finally {
            Descriptors.close(kick);
        }
    }

    private static void offer(long hostAddress) {
        HostMemory.putLong(hostAddress + DESCRIPTORS, BUFFER);
        HostMemory.putInt(hostAddress + DESCRIPTORS + 8, BUFFER_BYTES);
        HostMemory.putShort(hostAddress + DESCRIPTORS + 12, VIRTQ_DESC_F_WRITE);
        HostMemory.putShort(hostAddress + AVAILABLE + 2, (short) 1);
    }

    private static DeviceEvents events(CountDownLatch interrupted) {
        return new DeviceEvents() {
            @Override
            public void interrupt(int queue) {
                interrupted.countDown();
            }

            @Override
            public void configChanged() {}

            @Override
            public void needsReset(String why) {
                throw new IllegalStateException(why);
            }
        };
    }
}
