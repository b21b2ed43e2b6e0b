package org.nestorvm.virtio.queue;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import net.jqwik.api.EdgeCasesMode;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.ShrinkingMode;
import org.nestorvm.virtio.testkit.Buffer;
import org.nestorvm.virtio.testkit.DriverMemory;
import org.nestorvm.virtio.testkit.DriverQueue;
import org.nestorvm.virtio.testkit.Used;

/**
 * Driver and device take turns at random, and a plain model says what each must see: requests in the order they were
 * offered, answers in the order they were given, and a notification exactly when the other side has asked for one. The
 * model counts without end where the rings count in 16 bits or less.
 */
class QueueModelTest {
    private record Request(int id, int slots, long bytes) {}

    /**
     * Both sides' wishes as the specification has them: notify when the entry with index {@code at} is written. Indices
     * come again after {@code period}, and so does the wish.
     */
    private static final class Wish {
        long written, asked, at;
        boolean on, exact;

        /** Whether one side, asking now, must notify; null when it may. */
        Boolean due(long period) {
            long from = asked;
            asked = written;
            if (written == from) return null;
            if (!exact) return on;
            if (!on) return null;
            long last = written - 1 - Math.floorMod(written - 1 - at, period);
            if (last < from) return false;
            return last < at ? null : Boolean.TRUE; // from the index alone one cannot tell that it lies ahead
        }
    }

    private final class Play {
        final Ring ring;
        final Random random;
        final DriverMemory memory;
        final DriverQueue driver;
        final ArrayDeque<Request> offered = new ArrayDeque<>(), used = new ArrayDeque<>();
        final List<Chain> taken = new ArrayList<>();
        final Map<Chain, Request> requests = new HashMap<>();
        final Wish interrupt = new Wish(), kick = new Wish();
        final long buffer;
        Virtqueue queue;
        long reaped, polled;
        int free;

        Play(Ring ring, Random random, DriverMemory memory) throws QueueViolation {
            this.ring = ring;
            this.random = random;
            this.memory = memory;
            driver = DriverQueue.create(memory, 0, ring.size, ring.features);
            queue = Virtqueue.open(driver.setup(-1), memory.memory(), ring.features);
            buffer = memory.allocate(256, 16);
            free = ring.size;
            interrupt.exact = kick.exact =
                    ring == Ring.SPLIT_EVENT; // rings begin with zeros: index 0 in one, and all events in the others
            interrupt.on = kick.on = true;
        }

        /** What an index of this ring counts: descriptors in a packed one, chains in a split one. */
        int units(Request request) {
            return ring.isPacked() ? request.slots() : 1;
        }

        void offer() {
            int count = 1 + random.nextInt(3);
            boolean indirect = random.nextInt(4) == 0;
            int slots = indirect ? 1 : count;
            if (slots > free) return;
            List<Buffer> buffers = new ArrayList<>();
            long bytes = 0;
            for (int i = 0; i < count; i++) {
                int size = random.nextInt(64);
                buffers.add(new Buffer(buffer, size, i == count - 1));
                bytes += size;
            }
            Request request =
                    new Request(indirect ? driver.offerIndirect(buffers) : driver.offer(buffers), slots, bytes);
            offered.add(request);
            free -= slots;
            kick.written += units(request);
        }

        void poll() throws QueueViolation {
            Chain chain = queue.poll();
            if (offered.isEmpty()) {
                assertNull(chain);
                return;
            }
            Request request = offered.remove();
            assertEquals(request.id(), chain.id());
            assertEquals(
                    request.bytes(),
                    chain.readable().totalBytes() + chain.writable().totalBytes());
            if (random.nextInt(8) == 0) {
                queue.unpoll(chain);
                offered.addFirst(request);
                return;
            }
            polled += units(request);
            taken.add(chain);
            requests.put(chain, request);
        }

        void push() {
            if (taken.isEmpty()) return;
            Chain chain = taken.remove(random.nextInt(taken.size()));
            Request request = requests.remove(chain);
            long written = random.nextInt(9);
            queue.push(chain, written);
            used.add(new Request(request.id(), request.slots(), written));
            interrupt.written += units(request);
        }

        void reap() {
            Used got = driver.take();
            if (used.isEmpty()) {
                assertNull(got);
                return;
            }
            Request request = used.remove();
            assertEquals(new Used(request.id(), request.bytes()), got);
            free += request.slots();
            reaped += units(request);
        }

        void wantInterrupt(boolean on) {
            driver.wantInterrupt(on);
            interrupt.on = on;
            interrupt.exact = ring.hasEventIndex();
            interrupt.at = reaped;
        }

        void wantKick(boolean on) {
            if (on) assertEquals(!offered.isEmpty(), queue.enableNotifications());
            else queue.disableNotifications();
            kick.on = on;
            kick.exact = ring.hasEventIndex();
            kick.at = polled;
        }

        void check(Wish wish, boolean answer) {
            Boolean due = wish.due(ring.isPacked() ? 2 * ring.size : 65_536);
            if (due != null) assertEquals(due, answer);
        }

        void checkInterrupt() {
            boolean pushed = interrupt.written > interrupt.asked;
            boolean answer = queue.needsInterrupt();
            assertTrue(pushed || !answer);
            check(interrupt, answer);
        }

        void restart() throws QueueViolation {
            if (!taken.isEmpty()) return;
            checkInterrupt();
            queue = Virtqueue.open(driver.setup(-1).withPosition(queue.position()), memory.memory(), ring.features);
        }

        void step() throws QueueViolation {
            switch (random.nextInt(14)) {
                case 0, 1, 2 -> offer();
                case 3, 4 -> poll();
                case 5, 6 -> push();
                case 7, 8 -> reap();
                case 9 -> checkInterrupt();
                case 10 -> check(kick, driver.needsKick());
                case 11 -> wantInterrupt(random.nextBoolean());
                case 12 -> wantKick(random.nextBoolean());
                default -> restart();
            }
            assertEquals(taken.size(), queue.inFlight());
        }

        /** Brings a split ring's indices near the end of their 16 bits. */
        void age(int chains) throws QueueViolation {
            for (int i = 0; i < chains; i++) {
                int id = driver.offer(List.of(new Buffer(buffer, 1, false)));
                queue.push(queue.poll(), 0);
                assertEquals(id, driver.take().id());
            }
            queue.needsInterrupt();
            driver.needsKick();
            interrupt.written = interrupt.asked = kick.written = kick.asked = reaped = polled = chains;
            wantInterrupt(true);
            wantKick(true);
        }
    }

    @Property(tries = 300, edgeCases = EdgeCasesMode.NONE, shrinking = ShrinkingMode.OFF)
    void bothSidesSeeWhatTheModelSays(@ForAll Ring ring, @ForAll long seed) throws Exception {
        try (DriverMemory memory = new DriverMemory()) {
            Random random = new Random(seed);
            Play play = new Play(ring, random, memory);
            if (random.nextInt(8) == 0) play.age(65_536 - random.nextInt(100));
            for (int i = 0; i < 400; i++) play.step();
        }
    }

    /** Far more than 16 bits can count between two questions: the answer is still yes. */
    @Property(tries = 4, edgeCases = EdgeCasesMode.NONE)
    void aDriverThatAsksLateIsNotForgotten(@ForAll Ring ring) throws Exception {
        try (DriverMemory memory = new DriverMemory()) {
            Play play = new Play(ring, new Random(1), memory);
            for (int i = 0; i < 65_536; i++) {
                play.driver.offer(List.of(new Buffer(play.buffer, 1, false)));
                play.queue.push(play.queue.poll(), 0);
                play.driver.wantInterrupt(true);
                play.driver.take();
            }
            assertTrue(play.queue.needsInterrupt());
        }
    }
}
