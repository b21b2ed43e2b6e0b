package org.nestorvm.vhost;

import static org.junit.jupiter.api.Assertions.assertEquals;

import com.code_intelligence.jazzer.junit.FuzzTest;
import java.io.IOException;
import java.util.SplittableRandom;
import java.util.stream.Stream;
import org.junit.jupiter.params.provider.MethodSource;
import org.nestorvm.memory.AddressSpace;
import org.nestorvm.memory.MemoryObject;

/**
 * Whatever a front end says, and whatever is in the memory it gives, a back end ends with one line that says why, or
 * goes on, and leaves nothing behind (P49).
 */
class MessagesFuzzTest {
    @MethodSource("seeds")
    @FuzzTest
    void messages(byte[] data) throws IOException {
        int mapped = AddressSpace.mappedCount(),
                objects = MemoryObject.liveCount(),
                descriptors = OpenDescriptors.count();
        try (EchoDevice device = new EchoDevice(2, 1);
                HostileConversation conversation = new HostileConversation()) {
            conversation.hold(data, device);
        } catch (IOException said) {
            assertEquals(1, said.getMessage().lines().count());
        }
        assertEquals(mapped, AddressSpace.mappedCount());
        assertEquals(objects, MemoryObject.liveCount());
        OpenDescriptors.assertAtMost(descriptors);
    }

    static Stream<byte[]> seeds() {
        SplittableRandom random = new SplittableRandom(49);
        Stream<byte[]> good = Stream.of(HostileConversation.seed(false), HostileConversation.seed(true));
        return Stream.concat(good, Stream.generate(() -> broken(random)).limit(300));
    }

    private static byte[] broken(SplittableRandom random) {
        byte[] data = HostileConversation.seed(random.nextBoolean());
        for (int i = random.nextInt(8); i >= 0; i--) {
            int at = random.nextInt(data.length);
            switch (random.nextInt(3)) {
                case 0 -> data[at] = (byte) random.nextInt(256);
                case 1 -> data[at] ^= (byte) (1 << random.nextInt(8));
                default -> {
                    int from = random.nextInt(data.length),
                            size = random.nextInt(Math.min(40, data.length - Math.max(at, from)));
                    System.arraycopy(data, from, data, at, size);
                }
            }
        }
        return data;
    }
}
