package org.nestorvm.memory.sys;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.IOException;
import java.lang.foreign.Arena;
import org.junit.jupiter.api.Test;

class SocketsTest {
    @Test
    void bothEndsSeeWhatIsUnread() throws IOException {
        int[] ends = Sockets.pair("pair");
        try (Arena arena = Arena.ofConfined()) {
            long bytes = arena.allocate(1000).address();
            assertEquals(0, Sockets.tryUnsent(ends[0]));
            assertEquals(0, Sockets.tryUnread(ends[1]));
            Descriptors.write("pair", ends[0], bytes, 1000);
            assertThat(Sockets.tryUnsent(ends[0])).isGreaterThanOrEqualTo(1000);
            assertEquals(1000, Sockets.tryUnread(ends[1]));
            assertEquals(0, Sockets.tryUnsent(ends[1]));
            assertEquals(1000, Descriptors.read("pair", ends[1], bytes, 1000));
            assertEquals(0, Sockets.tryUnsent(ends[0]));
            assertEquals(0, Sockets.tryUnread(ends[1]));
        } finally {
            for (int end : ends) Descriptors.close(end);
        }
        assertEquals(-Errno.EBADF, Sockets.tryUnsent(ends[0]));
    }

    @Test
    void anotherDescriptorShowsHowFarSomebodyReads() throws IOException {
        int[] ends = Sockets.pair("pair");
        int other = Descriptors.duplicate("pair", ends[1]);
        try (Arena arena = Arena.ofConfined()) {
            long bytes = arena.allocate(1000).address();
            assertEquals(0, Sockets.trySetPeekOffset(other, 5000));
            Descriptors.write("pair", ends[0], bytes, 1000);
            assertEquals(5000, Sockets.tryPeekOffset(other));
            assertEquals(300, Descriptors.read("pair", ends[1], bytes, 300));
            assertEquals(4700, Sockets.tryPeekOffset(other));
            Descriptors.write("pair", ends[0], bytes, 300);
            assertEquals(1000, Sockets.tryUnread(other));
            assertEquals(1000, Descriptors.read("pair", ends[1], bytes, 1000));
            assertEquals(3700, Sockets.tryPeekOffset(other));
        } finally {
            for (int end : ends) Descriptors.close(end);
            Descriptors.close(other);
        }
        assertEquals(-Errno.EBADF, Sockets.tryPeekOffset(other));
        assertEquals(-Errno.EBADF, Sockets.trySetPeekOffset(other, 0));
    }
}
