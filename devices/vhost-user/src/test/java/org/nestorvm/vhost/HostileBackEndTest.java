package org.nestorvm.vhost;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTimeoutPreemptively;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.ShrinkingMode;
import org.junit.jupiter.api.Test;
import org.nestorvm.memory.AddressSpace;
import org.nestorvm.memory.DescriptorChannel;
import org.nestorvm.memory.MemoryObject;
import org.nestorvm.virtio.Features;
import org.nestorvm.virtio.testkit.DriverMemory;
import org.nestorvm.virtio.testkit.TestDriver;

/**
 * Back ends that answer wrongly, late, half or not at all. The front end finds another one, or says that it has none;
 * it never waits for longer than it said.
 */
class HostileBackEndTest {
    private static final int ANSWER_MS = 300;

    /** Stands between the two ends, and spoils one answer in some. */
    private static final class Spoiler implements Connector, AutoCloseable {
        private final LocalBackEnd backEnd = new LocalBackEnd(() -> new EchoDevice(1, 0));
        private final Random random;
        private final int oneIn, limit;
        private final List<MessageChannel> channels = new ArrayList<>();
        private final List<Thread> threads = new ArrayList<>();
        private int count;

        /** @param limit connections, after which there is no back end any more */
        Spoiler(long seed, int oneIn, int limit) {
            random = new Random(seed);
            this.oneIn = oneIn;
            this.limit = limit;
        }

        @Override
        public synchronized DescriptorChannel connect(int failures) throws IOException {
            if (count++ == limit) throw new IOException("no more back ends");
            List<DescriptorChannel> pair = DescriptorChannel.pair("spoiler");
            MessageChannel front = new MessageChannel(pair.get(1)),
                    back = new MessageChannel(backEnd.connect(failures));
            channels.addAll(List.of(front, back));
            threads.add(Thread.ofPlatform().start(() -> pass(front, back, false)));
            threads.add(Thread.ofPlatform().start(() -> pass(back, front, true)));
            return pair.get(0);
        }

        private void pass(MessageChannel from, MessageChannel to, boolean spoils) {
            try {
                while (passOne(from, to, spoils)) {}
            } catch (IOException e) {
                // the other side is gone
            } finally {
                from.end();
                to.end();
            }
        }

        private boolean passOne(MessageChannel from, MessageChannel to, boolean spoils) throws IOException {
            try (Message message = from.receive(-1, _ -> 4096)) {
                if (message == null) return false;
                int[] descriptors = new int[message.descriptorCount()];
                for (int i = 0; i < descriptors.length; i++) descriptors[i] = message.take(i);
                try {
                    int flags = message.isReply() ? Message.REPLY : message.needsReply() ? Message.NEED_REPLY : 0;
                    if (!spoils || random.nextInt(oneIn) != 0)
                        to.send(message.request(), flags, message.payload(), descriptors);
                    else return spoil(message, flags, to, descriptors);
                } finally {
                    for (int descriptor : descriptors) org.nestorvm.memory.sys.Descriptors.close(descriptor);
                }
            }
            return true;
        }

        /** @return false to end the connection afterwards */
        private boolean spoil(Message message, int flags, MessageChannel to, int[] descriptors) throws IOException {
            byte[] payload = message.payload();
            switch (random.nextInt(9)) {
                case 0 -> to.send(message.request() + 1, flags, payload, descriptors);
                case 1 -> to.send(message.request(), 0, payload, descriptors);
                case 2 -> to.send(message.request(), flags | 2, payload, descriptors);
                case 3 -> to.send(message.request(), flags, Arrays.copyOf(payload, random.nextInt(400)), descriptors);
                case 4 -> {
                    byte[] garbage = new byte[payload.length];
                    random.nextBytes(garbage);
                    to.send(message.request(), flags, garbage, descriptors);
                }
                case 5 -> to.send(message.request(), flags, payload, to.descriptor(), to.descriptor());
                case 6 -> to.send(message.request(), flags, payload);
                case 7 -> {
                    return false;
                }
                default -> {} // no answer
            }
            return true;
        }

        @Override
        public void close() {
            backEnd.close();
            synchronized (this) {
                channels.forEach(MessageChannel::end);
            }
            for (Thread thread : threads) join(thread);
            channels.forEach(MessageChannel::close);
        }

        private static void join(Thread thread) {
            try {
                thread.join();
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
            }
        }
    }

    @Property(tries = 40, shrinking = ShrinkingMode.OFF)
    void p49_wrongAnswersAreSurvived(@ForAll long seed) throws Exception {
        int mapped = AddressSpace.mappedCount(),
                objects = MemoryObject.liveCount(),
                descriptors = OpenDescriptors.count();
        assertTimeoutPreemptively(Duration.ofSeconds(60), () -> {
            try (Spoiler spoiler = new Spoiler(seed, 10, 4)) {
                use(spoiler, new Random(seed));
            }
        });
        assertEquals(mapped, AddressSpace.mappedCount());
        assertEquals(objects, MemoryObject.liveCount());
        OpenDescriptors.assertAtMost(descriptors);
    }

    private static void use(Connector connector, Random random) throws Exception {
        long features = Features.VERSION_1 | (random.nextBoolean() ? Features.RING_PACKED : 0);
        FrontEndOptions options = FrontEndOptions.of(EchoDevice.TYPE, "echo", 1, 64, connector)
                .withConfigBytes(EchoDevice.CONFIG_BYTES)
                .withAnswerMs(ANSWER_MS);
        try (DriverMemory memory = new DriverMemory();
                FrontEnd front = FrontEnd.connect(options)) {
            if ((features & ~front.features()) != 0) return;
            for (int round = 0; round < 2; round++) {
                try (TestDriver driver = TestDriver.start(front, memory, features, 8)) {
                    driver.queue(0).offer(new byte[] {1}, 1);
                    driver.kick(0);
                    front.config().write(4, 1, round);
                    driver.stopQueue(0);
                    driver.startQueue(0);
                }
            }
        } catch (IOException said) {
            assertEquals(1, said.getMessage().lines().count());
        }
    }

    @Test
    void aBackEndThatSaysNothingIsNotWaitedForLongerThanSaid() throws Exception {
        List<DescriptorChannel> pair = DescriptorChannel.pair("silent");
        try (DescriptorChannel _ = pair.get(1)) {
            long beginNs = System.nanoTime();
            FrontEndOptions options = FrontEndOptions.of(EchoDevice.TYPE, "echo", 1, 64, Connector.once(pair.get(0)))
                    .withAnswerMs(ANSWER_MS);
            ProtocolException e = org.junit.jupiter.api.Assertions.assertThrows(
                    ProtocolException.class, () -> FrontEnd.connect(options));
            assertTrue(e.getMessage().contains("no answer within " + ANSWER_MS));
            assertTrue(System.nanoTime() - beginNs < 20_000_000_000L);
        }
    }
}
