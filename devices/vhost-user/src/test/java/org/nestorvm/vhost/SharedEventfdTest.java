package org.nestorvm.vhost;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTimeoutPreemptively;

import java.io.IOException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.nestorvm.memory.DescriptorChannel;
import org.nestorvm.memory.sys.Descriptors;
import org.nestorvm.memory.sys.Events;
import org.nestorvm.virtio.Features;
import org.nestorvm.virtio.testkit.DriverMemory;
import org.nestorvm.virtio.testkit.TestDriver;

/**
 * A back end has the same file descriptions of eventfds as the front end. One that was taken over makes them such that
 * write(2) and read(2) wait; no thread of the front end does.
 */
class SharedEventfdTest {
    private static final Duration PATIENCE = Duration.ofSeconds(20);

    /** Stands before a back end that serves, and does to each eventfd that goes by what a hostile one would. */
    private static final class Hostile implements Connector, AutoCloseable {
        private final LocalBackEnd backEnd = new LocalBackEnd(() -> new EchoDevice(1, 0));
        private final List<MessageChannel> channels = new ArrayList<>();
        private final List<Integer> taken = new ArrayList<>();
        private int count;

        @Override
        public synchronized DescriptorChannel connect(int failures) throws IOException {
            if (count++ == 3) throw new IOException("no more back ends");
            List<DescriptorChannel> pair = DescriptorChannel.pair("hostile");
            MessageChannel front = new MessageChannel(pair.get(1)),
                    back = new MessageChannel(backEnd.connect(failures));
            channels.addAll(List.of(front, back));
            Thread.ofPlatform().daemon().start(() -> pass(front, back));
            Thread.ofPlatform().daemon().start(() -> pass(back, front));
            return pair.get(0);
        }

        private void pass(MessageChannel from, MessageChannel to) {
            try {
                while (passOne(from, to)) {}
            } catch (IOException e) {
                // the other side is gone
            } finally {
                from.end();
                to.end();
            }
        }

        private boolean passOne(MessageChannel from, MessageChannel to) throws IOException {
            try (Message message = from.receive(-1, _ -> 4096)) {
                if (message == null) return false;
                int[] descriptors = new int[message.descriptorCount()];
                for (int i = 0; i < descriptors.length; i++) descriptors[i] = message.take(i);
                Request request = Request.of(message.request());
                boolean eventfd = request == Request.SET_VRING_KICK
                        || request == Request.SET_VRING_CALL
                        || request == Request.SET_VRING_ERR;
                int flags = message.isReply() ? Message.REPLY : message.needsReply() ? Message.NEED_REPLY : 0;
                for (int i = 0; eventfd && i < descriptors.length; i++) descriptors[i] = keep(descriptors[i]);
                to.send(message.request(), flags, message.payload(), descriptors);
                for (int descriptor : descriptors) Descriptors.close(descriptor);
            }
            return true;
        }

        /** @return what the back end gets in its place, which would take from it again what is put in */
        private synchronized int keep(int eventfd) throws IOException {
            taken.add(eventfd);
            return Events.eventfd("instead", 0, Events.EFD_NONBLOCK);
        }

        /** Writes to them wait from now on, unless they are told not to. */
        synchronized void fill() throws IOException {
            for (int eventfd : taken) {
                Descriptors.nonBlocking("hostile", eventfd, true);
                Events.tryDrain(eventfd);
                Events.trySignal(eventfd, -2);
                Descriptors.nonBlocking("hostile", eventfd, false);
            }
        }

        /** Reads wait from now on. */
        synchronized void empty() throws IOException {
            for (int eventfd : taken) {
                Events.tryDrainShared(eventfd);
                Descriptors.nonBlocking("hostile", eventfd, false);
            }
        }

        void kill() {
            backEnd.kill();
        }

        @Override
        public synchronized void close() {
            backEnd.close();
            channels.forEach(MessageChannel::close);
            taken.forEach(Descriptors::close);
            taken.clear(); // the front end closes its connector as well
        }
    }

    /** Notifies, stops, starts, has another back end told everything. */
    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void noThreadOfTheFrontEndWaitsForAnEventfd(boolean eventfds) throws Exception {
        assertTimeoutPreemptively(PATIENCE, () -> {
            try (Hostile hostile = new Hostile();
                    DriverMemory memory = new DriverMemory()) {
                FrontEndOptions options = FrontEndOptions.of(EchoDevice.TYPE, "echo", 1, 64, hostile)
                        .withConfigBytes(EchoDevice.CONFIG_BYTES);
                FrontEnd front = FrontEnd.connect(options);
                TestDriver driver = eventfds
                        ? TestDriver.start(front, memory, Features.VERSION_1, 8)
                        : TestDriver.startWithoutEventfds(front, memory, Features.VERSION_1, 8);
                for (int round = 0; round < 3; round++) {
                    hostile.fill();
                    for (int i = 0; i < 100; i++) driver.forceKick(0);
                    hostile.fill();
                    driver.stopQueue(0);
                    hostile.fill();
                    driver.startQueue(0);
                    hostile.empty();
                    driver.stopQueue(0);
                    driver.startQueue(0);
                    hostile.fill();
                    if (round < 2) hostile.kill();
                }
                front.config().write(4, 1, 1);
                driver.close();
                front.close();
            }
        });
    }

    /** A byte now and then is no message: all of one must come soon, and not each piece of it. */
    @Test
    void aMessageThatNeverEndsIsNotWaitedForPieceByPiece() throws Exception {
        List<DescriptorChannel> pair = DescriptorChannel.pair("slow");
        Thread slow = Thread.ofPlatform().daemon().start(() -> {
            try {
                while (true) {
                    pair.get(1).send(new byte[] {1});
                    pair.get(0).awaitMessage(50);
                    Thread.sleep(50);
                }
            } catch (IOException | InterruptedException e) {
                // it is over
            }
        });
        try (MessageChannel channel = new MessageChannel(pair.get(0))) {
            String said = assertTimeoutPreemptively(
                    PATIENCE,
                    () -> org.junit.jupiter.api.Assertions.assertThrows(
                                    ProtocolException.class, () -> channel.receive(-1, 200, _ -> 64))
                            .getMessage());
            assertEquals("socket \"slow\": half a message", said);
        } finally {
            slow.interrupt();
            pair.get(1).close();
        }
    }
}
