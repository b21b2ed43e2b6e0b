package org.nestorvm.virtio.net;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.lang.foreign.Arena;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.nestorvm.memory.sys.Descriptors;
import org.nestorvm.memory.sys.Sockets;

class UnreadWatchTest {
    private final UnreadWatch watch = new UnreadWatch(3);
    private final Arena arena = Arena.ofConfined();
    private final long bytes = arena.allocate(1000).address();
    private int ours, programs, look;

    @BeforeEach
    void connect() throws IOException {
        int[] ends = Sockets.pair("test");
        ours = ends[0];
        programs = ends[1];
        look = Descriptors.duplicate("test", programs);
        assertFalse(watch.look(look), "nothing has happened");
    }

    @AfterEach
    void close() {
        for (int descriptor : new int[] {ours, programs, look}) Descriptors.close(descriptor);
        arena.close();
    }

    private void send() throws IOException {
        Descriptors.write("test", ours, bytes, 100);
    }

    private void read(int socket, int count) throws IOException {
        assertEquals(count, Descriptors.read("test", socket, bytes, count));
    }

    private void assertHangsAtTheThirdLook() {
        assertFalse(watch.look(look));
        assertTrue(watch.isSuspicious());
        assertFalse(watch.look(look));
        assertTrue(watch.look(look));
    }

    @Test
    void whatIsThereAndNotRead() throws IOException {
        send();
        assertHangsAtTheThirdLook();
    }

    @Test
    void thoughMoreComes() throws IOException {
        send();
        assertFalse(watch.look(look));
        send();
        assertFalse(watch.look(look));
        send();
        assertTrue(watch.look(look));
    }

    /** Each look finds as much as the one before. */
    @Test
    void whoReadsBetweenTwoLooksWorks() throws IOException {
        send();
        for (int i = 0; i < 20; i++) {
            watch.look(look);
            send();
            read(programs, 100);
            assertFalse(watch.look(look));
            assertFalse(watch.isSuspicious());
        }
        assertHangsAtTheThirdLook();
    }

    @Test
    void aByteIsEnough() throws IOException {
        send();
        for (int i = 0; i < 40; i++) {
            assertFalse(watch.look(look));
            if (i % 2 == 1) read(programs, 1);
        }
    }

    @Test
    void whoWaitsForUsWorks() throws IOException {
        send();
        Descriptors.write("test", programs, bytes, 1);
        for (int i = 0; i < 10; i++) assertFalse(watch.look(look));
        read(ours, 1);
        assertHangsAtTheThirdLook();
    }

    @Test
    void whoHasNothingToReadWorks() throws IOException {
        for (int i = 0; i < 10; i++) assertFalse(watch.look(look));
        send();
        read(programs, 100);
        for (int i = 0; i < 10; i++) assertFalse(watch.look(look));
    }
}
