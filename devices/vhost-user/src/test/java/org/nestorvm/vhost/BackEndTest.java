package org.nestorvm.vhost;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.nestorvm.memory.AddressSpace;
import org.nestorvm.memory.DescriptorChannel;
import org.nestorvm.memory.DescriptorListener;
import org.nestorvm.memory.Mapping;
import org.nestorvm.memory.MemoryObject;
import org.nestorvm.memory.sys.Descriptors;
import org.nestorvm.memory.sys.Events;
import org.nestorvm.memory.sys.HostMemory;
import org.nestorvm.memory.sys.MemoryCalls;
import org.nestorvm.vhost.Payloads.Inflight;
import org.nestorvm.vhost.Payloads.Log;
import org.nestorvm.vhost.Payloads.MemoryRegion;
import org.nestorvm.vhost.Payloads.VringAddress;
import org.nestorvm.vhost.Payloads.VringState;
import org.nestorvm.virtio.Features;

/**
 * Our back end as its front end sees it, be that as it may. What it does not like it says, if it is asked to, and goes
 * on.
 */
class BackEndTest {
    private static final long USER = RawFrontEnd.USER, BYTES = RawFrontEnd.MEMORY_BYTES;

    private static RawFrontEnd front() throws IOException {
        return new RawFrontEnd(new EchoDevice(2, 0), true);
    }

    /** Offers one request through the queue of {@link RawFrontEnd#withQueue} and waits for its answer. */
    private static void echo(RawFrontEnd front, int number) throws InterruptedException {
        long base = front.mapping.hostAddress();
        HostMemory.putByte(base + 0x3000, (byte) number);
        descriptor(base, 0, 0x3000, 1, 1);
        descriptor(base, 1, 0x3100, 2, 0);
        HostMemory.putShort(base + 0x1000 + 4 + 2 * (number & 7), (short) 0);
        HostMemory.putShort(base + 0x1002, (short) (number + 1));
        int call = front.event;
        Events.trySignal(call, 1);
        for (long deadlineNs = System.nanoTime() + 10_000_000_000L;
                (HostMemory.getShort(base + 0x2002) & 0xffff) != number + 1;
                Thread.onSpinWait()) {
            if (System.nanoTime() - deadlineNs > 0) throw new AssertionError("no answer");
        }
        assertEquals((byte) (number + 1), HostMemory.getByte(base + 0x3100));
    }

    private static void descriptor(long base, int index, long gpa, int flags, int next) {
        HostMemory.putLong(base + 16L * index, gpa);
        HostMemory.putInt(base + 16L * index + 8, 1);
        HostMemory.putShort(base + 16L * index + 12, (short) flags);
        HostMemory.putShort(base + 16L * index + 14, (short) next);
    }

    @Test
    void aQueueRunsWhenAllThatItNeedsIsThere() throws Exception {
        try (RawFrontEnd front = front().introduced().withMemory().withQueue(0)) {
            echo(front, 0);
            echo(front, 1);
            try (Message base = front.ask(Request.GET_VRING_BASE, new VringState(0, 0).bytes())) {
                assertEquals(new VringState(0, 2), VringState.of(base));
            }
            assertNull(front.end());
        }
    }

    /** What was told before, nobody may have heard. */
    @Test
    void aDescriptorForInterruptsThatComesLateIsSignalledOnce() throws Exception {
        int call = Events.eventfd("call", 0, Events.EFD_NONBLOCK);
        try (RawFrontEnd front = front().introduced().withMemory().withQueue(0)) {
            echo(front, 0);
            front.set(Request.SET_VRING_CALL, Message.u64(0), call);
            assertEquals(Events.POLLIN, Events.tryPoll(call, Events.POLLIN, 10_000));
        } finally {
            Descriptors.close(call);
        }
    }

    /** Front ends of an earlier day acknowledge no protocol features: a queue is enabled from the start. */
    @Test
    void withoutProtocolFeaturesQueuesNeedNoPermission() throws Exception {
        try (RawFrontEnd front = front().introduced()) {
            front.set(Request.SET_FEATURES, Message.u64(Features.VERSION_1));
            front.withMemory();
            front.set(Request.SET_VRING_NUM, new VringState(0, 8).bytes());
            front.set(Request.SET_VRING_ADDR, new VringAddress(0, 0, USER, USER + 0x2000, USER + 0x1000, 0).bytes());
            front.set(Request.SET_VRING_KICK, Message.u64(0), front.event);
            echo(front, 0);
        }
    }

    @Test
    void memoryMayChangeWhileAQueueRuns() throws Exception {
        try (RawFrontEnd front = front().introduced().withMemory().withQueue(0)) {
            echo(front, 0);
            MemoryRegion more = new MemoryRegion(1L << 32, BYTES, USER + (1L << 32), 0);
            front.set(Request.ADD_MEM_REG, more.single(), front.memory.descriptor());
            echo(front, 1);
            front.set(Request.REM_MEM_REG, more.single(), front.event); // with a descriptor, as some do
            echo(front, 2);
            assertEquals(1, front.send(Request.REM_MEM_REG.id, more.single()));
            echo(front, 3);
        }
    }

    /** Nothing is left when the front end has gone, and nothing of it disturbs the next one. */
    @Test
    void aFrontEndMayGoAtAnyMoment() throws Exception {
        int mapped = AddressSpace.mappedCount(),
                objects = MemoryObject.liveCount(),
                descriptors = OpenDescriptors.count();
        try (EchoDevice device = new EchoDevice(2, 3)) {
            for (int step = 0; step < 4; step++) {
                try (RawFrontEnd front = new RawFrontEnd(device, false)) {
                    if (step > 0) front.introduced();
                    if (step > 1) front.withMemory();
                    if (step > 2) front.withQueue(0);
                    assertNull(front.end());
                }
            }
        }
        assertEquals(mapped, AddressSpace.mappedCount());
        assertEquals(objects, MemoryObject.liveCount());
        OpenDescriptors.assertAtMost(descriptors);
    }

    static Stream<MemoryRegion> badRegions() {
        return Stream.of(
                new MemoryRegion(0, BYTES, USER + (1L << 40), 0), // overlaps in guest-physical space
                new MemoryRegion(BYTES - 4096, 4096, USER + (1L << 40), 0),
                new MemoryRegion(1L << 40, BYTES, USER, 0), // overlaps in the front end's
                new MemoryRegion(1L << 40, 4096, USER + BYTES - 1, 0),
                new MemoryRegion(1L << 40, 0, USER + (1L << 40), 0),
                new MemoryRegion(1L << 40, -4096, USER + (1L << 40), 0),
                new MemoryRegion(1L << 40, BYTES + 4096, USER + (1L << 40), 0), // longer than its file
                new MemoryRegion(1L << 40, BYTES, USER + (1L << 40), 4096),
                new MemoryRegion(1L << 40, 4096, USER + (1L << 40), BYTES),
                new MemoryRegion(1L << 40, 4096, USER + (1L << 40), -4096),
                new MemoryRegion(1L << 40, 4096, USER + (1L << 40), Long.MAX_VALUE - 4095),
                new MemoryRegion(
                        Long.MAX_VALUE - 4095, 4096, USER + (1L << 40), 0), // beyond the end of the address space
                new MemoryRegion(-4096, 4096, USER + (1L << 40), 0),
                new MemoryRegion(1L << 40, 4096, -4096, 0),
                new MemoryRegion(1L << 40, 4096, Long.MAX_VALUE - 100, 0),
                new MemoryRegion((1L << 40) + 1, 4096, USER + (1L << 40), 0), // not where a page begins
                new MemoryRegion(1L << 40, 4096, USER + (1L << 40), 1));
    }

    @ParameterizedTest
    @MethodSource("badRegions")
    void p31_regionsThatCannotBeAreRefused(MemoryRegion region) throws Exception {
        int descriptors;
        try (RawFrontEnd front = front().introduced().withMemory().withQueue(0)) {
            echo(front, 0);
            descriptors = OpenDescriptors.count();
            assertEquals(1, front.send(Request.ADD_MEM_REG.id, region.single(), front.memory.descriptor()));
            List<MemoryRegion> table = List.of(new MemoryRegion(0, BYTES, USER, 0), region);
            assertEquals(
                    1,
                    front.send(
                            Request.SET_MEM_TABLE.id,
                            MemoryRegion.table(table),
                            front.memory.descriptor(),
                            front.memory.descriptor()));
            echo(front, 1);
            OpenDescriptors.assertAtMost(descriptors);
        }
    }

    @Test
    void whatIsNoMemoryIsRefused() throws Exception {
        try (RawFrontEnd front = front().introduced()) {
            int[] pipe = Descriptors.pipe("test");
            int zero = Descriptors.open("/dev/zero", Descriptors.O_RDWR);
            for (int descriptor : new int[] {front.event, pipe[0], zero}) {
                assertEquals(
                        1, front.send(Request.ADD_MEM_REG.id, new MemoryRegion(0, 4096, USER, 0).single(), descriptor));
            }
            for (int descriptor : new int[] {pipe[0], pipe[1], zero}) Descriptors.close(descriptor);
            front.withMemory();
        }
    }

    @Test
    void slotsHaveAnEnd() throws Exception {
        try (RawFrontEnd front = front().introduced()) {
            for (int i = 0; i < MemoryTable.MAX_SLOTS; i++)
                front.set(
                        Request.ADD_MEM_REG,
                        new MemoryRegion((long) i << 13, 4096, USER + ((long) i << 13), 0).single(),
                        front.memory.descriptor());
            assertEquals(
                    1,
                    front.send(
                            Request.ADD_MEM_REG.id,
                            new MemoryRegion(1L << 40, 4096, USER + (1L << 40), 0).single(),
                            front.memory.descriptor()));
        }
    }

    @Test
    void p36_ringsOutsideOfMemoryAreRefused() throws Exception {
        try (RawFrontEnd front = front().introduced().withMemory()) {
            for (VringAddress address : List.of(
                    new VringAddress(0, 0, USER - 16, USER, USER, 0),
                    new VringAddress(0, 0, USER, USER + BYTES, USER, 0),
                    new VringAddress(0, 0, USER, USER, -1, 0))) {
                assertEquals(1, front.send(Request.SET_VRING_ADDR.id, address.bytes()));
            }
            front.withQueue(0);
            echo(front, 0);
        }
    }

    /** It begins in memory and does not end there: that is the driver's fault, and the driver is told. */
    @Test
    void p36_ringsThatReachOverTheEndNeedAReset() throws Exception {
        try (RawFrontEnd front = front().introduced().withMemory()) {
            front.set(Request.SET_VRING_NUM, new VringState(0, 8).bytes());
            front.set(
                    Request.SET_VRING_ADDR,
                    new VringAddress(0, 0, USER + BYTES - 16, USER + 0x2000, USER + 0x1000, 0).bytes());
            front.set(Request.SET_VRING_ERR, Message.u64(0), front.event);
            int kick = Events.eventfd("kick", 0, 0);
            front.set(Request.SET_VRING_KICK, Message.u64(0), kick);
            front.set(Request.SET_VRING_ENABLE, new VringState(0, 1).bytes());
            Descriptors.close(kick);
            assertEquals(Events.POLLIN, Events.tryPoll(front.event, Events.POLLIN, 10_000));
            try (Message status = front.ask(Request.GET_STATUS)) {
                assertEquals(0x40, status.u64());
            }
            front.set(Request.SET_STATUS, Message.u64(0));
            try (Message status = front.ask(Request.GET_STATUS)) {
                assertEquals(0, status.u64());
            }
        }
    }

    @Test
    void numbersOutOfRangeAreRefused() throws Exception {
        try (RawFrontEnd front = front().introduced().withMemory().withQueue(0)) {
            for (int index : new int[] {2, 255, -1, Integer.MIN_VALUE}) {
                for (Request request : List.of(Request.SET_VRING_NUM, Request.SET_VRING_BASE, Request.SET_VRING_ENABLE))
                    assertEquals(1, front.send(request.id, new VringState(index, 1).bytes()), request.name());
                assertEquals(
                        1,
                        front.send(Request.SET_VRING_ADDR.id, new VringAddress(index, 0, USER, USER, USER, 0).bytes()));
            }
            for (int size : new int[] {0, -1, 65, 1 << 30})
                assertEquals(1, front.send(Request.SET_VRING_NUM.id, new VringState(1, size).bytes()));
            assertEquals(1, front.send(Request.SET_VRING_NUM.id, new VringState(0, 8).bytes())); // it runs
            assertEquals(1, front.send(Request.SET_VRING_ENABLE.id, new VringState(1, 2).bytes()));
            for (Request request : List.of(Request.SET_VRING_KICK, Request.SET_VRING_CALL, Request.SET_VRING_ERR)) {
                assertEquals(1, front.send(request.id, Message.u64(2), front.event), request.name());
                assertEquals(
                        1, front.send(request.id, Message.u64(0)), request.name()); // says that there is a descriptor
                assertEquals(1, front.send(request.id, Message.u64(1 << 8), front.event), request.name());
                assertEquals(1, front.send(request.id, Message.u64(0), front.memory.descriptor()), request.name());
            }
            assertEquals(1, front.send(Request.SET_VRING_KICK.id, Message.u64(1 << 8)));
            assertEquals(1, front.send(Request.SET_FEATURES.id, Message.u64(-1)));
            assertEquals(1, front.send(Request.SET_PROTOCOL_FEATURES.id, Message.u64(-1)));
            assertEquals(1, front.send(Request.SET_STATUS.id, Message.u64(256)));
            echo(front, 0);
        }
    }

    @ParameterizedTest
    @EnumSource
    void p49_messagesOfTheWrongShapeAreRefusedOrEndTheConnection(Request request) throws Exception {
        int mapped = AddressSpace.mappedCount(), descriptors = OpenDescriptors.count();
        for (int bytes : sizes(request)) {
            for (int count : List.of(request.minDescriptors - 1, request.maxDescriptors + 1, 9)) {
                if (count < 0) continue;
                try (RawFrontEnd front = front().introduced().withMemory().withQueue(0)) {
                    int[] events = new int[count];
                    java.util.Arrays.fill(events, front.event);
                    long answer;
                    try {
                        answer = front.send(request.id, new byte[bytes], events);
                    } catch (IOException e) {
                        answer = -1;
                    }
                    assertNotEquals(0, answer, bytes + " bytes, " + count + " descriptors");
                    if (answer == -1) assertTrue(front.end() instanceof IOException);
                    else echo(front, 0);
                }
            }
        }
        assertEquals(mapped, AddressSpace.mappedCount());
        OpenDescriptors.assertAtMost(descriptors);
    }

    private static List<Integer> sizes(Request request) {
        List<Integer> sizes = new ArrayList<>(List.of(request.minBytes, request.maxBytes, request.maxBytes + 1));
        if (request.minBytes > 0) sizes.add(request.minBytes - 1);
        return sizes;
    }

    @Test
    void p49_unknownRequestsAreRefusedAndPassedOver() throws Exception {
        try (RawFrontEnd front = front().introduced().withMemory().withQueue(0)) {
            for (int request : new int[] {0, 19, 20, 22, 26, 33, 35, 41, 44, 1000, -1}) {
                assertEquals(1, front.send(request, new byte[8]));
                assertEquals(1, front.send(request, new byte[4096], front.event));
            }
            echo(front, 0);
        }
    }

    @Test
    void inflightMemoryThatIsTooSmallIsRefused() throws Exception {
        try (RawFrontEnd front = front().introduced().withMemory()) {
            try (Message message = front.ask(Request.GET_INFLIGHT_FD, new Inflight(0, 0, 2, 64).bytes())) {
                Inflight given = Inflight.of(message);
                int descriptor = message.take(0);
                for (Inflight bad : List.of(
                        new Inflight(given.sizeBytes(), 0, 2, 32768),
                        new Inflight(given.sizeBytes() + 1, 0, 2, 64),
                        new Inflight(given.sizeBytes(), 64, 2, 64),
                        new Inflight(64, 0, 2, 64),
                        new Inflight(-1, 0, 2, 64),
                        new Inflight(given.sizeBytes(), Long.MIN_VALUE, 2, 64),
                        new Inflight(0, 0, 0, 0))) {
                    assertEquals(1, front.send(Request.SET_INFLIGHT_FD.id, bad.bytes(), descriptor), bad.toString());
                }
                front.set(Request.SET_INFLIGHT_FD, given.bytes(), descriptor);
                Descriptors.close(descriptor);
            }
            front.withQueue(0);
            echo(front, 0);
        }
    }

    @Test
    void whatIsWrittenIsLogged() throws Exception {
        MemoryObject log = MemoryObject.create("log", 4096);
        Mapping mapping = AddressSpace.map(log, false);
        try (RawFrontEnd front = front().introduced().withMemory().withQueue(0)) {
            byte[] area = new Log(BYTES >> 15, 64).bytes();
            assertEquals(0, front.send(Request.SET_LOG_BASE.id, area, log.descriptor()));
            echo(front, 0);
            assertEquals(0, HostMemory.getInt(mapping.hostAddress() + 64));
            front.set(
                    Request.SET_FEATURES,
                    Message.u64(Features.VERSION_1 | Features.VHOST_PROTOCOL | ProtocolFeatures.LOG_ALL));
            echo(front, 1);
            assertEquals(1 << 2 | 1 << 3, HostMemory.getInt(mapping.hostAddress() + 64)); // used ring and buffer
        }
        mapping.unmap();
        log.release();
    }

    /** It cannot be prevented where memory takes no seals. */
    @Test
    void memoryThatVanishesIsAReasonForAReset() throws Exception {
        int file = MemoryCalls.memfdCreate("vanishes", 0);
        Descriptors.ftruncate("vanishes", file, BYTES);
        try (RawFrontEnd front = front().introduced()) {
            front.set(Request.SET_MEM_TABLE, MemoryRegion.table(List.of(new MemoryRegion(0, BYTES, USER, 0))), file);
            front.withQueue(0);
            int error = Events.eventfd("error", 0, 0);
            front.set(Request.SET_VRING_ERR, Message.u64(0), error);
            Descriptors.ftruncate("vanishes", file, 0);
            Events.trySignal(front.event, 1);
            assertEquals(Events.POLLIN, Events.tryPoll(error, Events.POLLIN, 10_000));
            Descriptors.close(error);
            front.set(Request.RESET_DEVICE, new byte[0]);
            front.withMemory().withQueue(0);
            echo(front, 0);
        }
        Descriptors.close(file);
    }

    @Test
    void oneFrontEndAfterTheOtherIsServed(@TempDir Path directory) throws Exception {
        try (EchoDevice device = new EchoDevice(1, 0);
                BackEnd backEnd = new BackEnd(device, false);
                DescriptorListener listener = DescriptorListener.listen(directory.resolve("s"))) {
            Thread server = Thread.ofPlatform().start(() -> {
                try {
                    backEnd.serve(listener);
                } catch (IOException e) {
                    throw new AssertionError(e);
                }
            });
            for (int i = 0; i < 3; i++) {
                try (DescriptorChannel bad = DescriptorChannel.connect(listener.path())) {
                    bad.send(new byte[] {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13});
                    bad.awaitMessage(RawFrontEnd.TIMEOUT_MS);
                }
                try (MessageChannel good = new MessageChannel(DescriptorChannel.connect(listener.path()))) {
                    good.send(Request.GET_QUEUE_NUM.id, 0, new byte[0]);
                    try (Message message = good.receive(RawFrontEnd.TIMEOUT_MS, _ -> 8)) {
                        assertEquals(1, message.u64());
                    }
                }
            }
            backEnd.close();
            server.join(RawFrontEnd.TIMEOUT_MS);
            assertFalse(server.isAlive());
        }
    }

    @Test
    void aSealedMappingOutlivesItsConnectionAndIsUsedAgain() throws Exception {
        int sealed = AddressSpace.sealedCount();
        MemoryObject object = MemoryObject.create("sealed", 4096);
        MemoryFiles files = new MemoryFiles(true);
        for (int i = 0; i < 3; i++) {
            MemoryFiles.File file = files.open("sealed", Descriptors.duplicate("sealed", object.descriptor()));
            HostMemory.putInt(file.hostAddress(), i);
            file.release();
        }
        assertTrue(AddressSpace.sealedCount() <= sealed + 1);
        object.release();
    }
}
