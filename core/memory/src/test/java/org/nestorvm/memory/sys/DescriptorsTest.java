package org.nestorvm.memory.sys;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class DescriptorsTest {
    @Test
    void closingTwiceIsCaught() throws IOException {
        int eventfd = Events.eventfd("twice", 0, 0);
        Descriptors.close(eventfd);
        assertThatThrownBy(() -> Descriptors.close(-1))
                .isInstanceOf(IllegalStateException.class)
                .hasMessageContaining("descriptor=-1");
    }

    @Test
    void readAndWriteAtOffsetsAndInVectors(@TempDir Path directory) throws IOException {
        Path file = Files.write(directory.resolve("disk"), new byte[16]);
        int descriptor = Descriptors.open(file.toString(), Descriptors.O_RDWR);
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment text = arena.allocateFrom("nestor");
            assertEquals(6, Descriptors.tryPwrite(descriptor, text.address(), 6, 4));
            MemorySegment one = arena.allocate(8), two = arena.allocate(8);
            MemorySegment vector = arena.allocateFrom(ValueLayout.JAVA_LONG, one.address(), 7, two.address(), 8);
            assertEquals(12, Descriptors.tryPreadv(descriptor, vector.address(), 2, 4));
            assertEquals("nestor", one.getString(0));
            assertEquals(12, Descriptors.tryPreadv2(descriptor, vector.address(), 2, 4, 0));
            assertThat(Descriptors.tryPreadv2(descriptor, vector.address(), 2, 4, Descriptors.RWF_NOWAIT))
                    .as("in memory, where the file system can say")
                    .isIn(12L, (long) -Errno.EOPNOTSUPP);
            assertEquals(15, Descriptors.tryPwritev(descriptor, vector.address(), 2, 4));
            assertEquals(0, Descriptors.tryPread(descriptor, one.address(), 8, 100), "the end of the file");
            assertEquals(-Errno.EINVAL, Descriptors.tryPread(descriptor, one.address(), 8, -1));
            Descriptors.fdatasync(file, descriptor);
        }
        FileStatus status = FileStatus.of(file, descriptor);
        assertEquals(4 + 15, status.sizeBytes());
        assertEquals(FileStatus.S_IFREG, status.mode() & FileStatus.S_IFMT);
        assertEquals(Files.getAttribute(file, "unix:ino"), status.inode());
        Descriptors.close(descriptor);
        assertEquals("nestor", new String(Files.readAllBytes(file), 4, 6));
    }

    @Test
    void pipeBlocksOrNotAsAsked() throws IOException {
        int[] pipe = Descriptors.pipe("pipe");
        Descriptors.nonBlocking("pipe", pipe[0], true);
        try (Arena arena = Arena.ofConfined()) {
            long buffer = arena.allocate(8).address();
            assertEquals(-Errno.EAGAIN, Descriptors.tryRead(pipe[0], buffer, 8));
            assertEquals(3, Descriptors.write("pipe", pipe[1], buffer, 3));
            assertEquals(3, Descriptors.read("pipe", pipe[0], buffer, 8));
            Descriptors.nonBlocking("pipe", pipe[0], false);
            assertEquals(0, Descriptors.fcntl("pipe", pipe[0], Descriptors.F_GETFL, 0) & Descriptors.O_NONBLOCK);
            assertEquals(Descriptors.FD_CLOEXEC, Descriptors.fcntl("pipe", pipe[0], Descriptors.F_GETFD, 0));
            Descriptors.close(pipe[0]);
            assertThatThrownBy(() -> Descriptors.write("the log", pipe[1], buffer, 1))
                    .hasMessage("write of the log: EPIPE (32), the peer has closed");
        }
        Descriptors.close(pipe[1]);
    }

    @Test
    void vectorsGoThroughPipes() throws IOException {
        int[] pipe = Descriptors.pipe("pipe");
        Descriptors.nonBlocking("pipe", pipe[0], true);
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment out = arena.allocateFrom("nestor"), one = arena.allocate(4), two = arena.allocate(4);
            IoVector from = new IoVector(2).add(out.address(), 2).add(out.address() + 2, 5),
                    to = new IoVector(2).add(one.address(), 4).add(two.address(), 4);
            assertEquals(-Errno.EAGAIN, Descriptors.tryReadv(pipe[0], to.address(), to.count()));
            assertEquals(7, Descriptors.tryWritev(pipe[1], from.address(), from.count()));
            assertEquals(7, Descriptors.tryReadv(pipe[0], to.address(), to.count()));
            assertEquals("or", two.getString(0));
            Descriptors.close(pipe[1]);
            assertEquals(0, Descriptors.tryReadv(pipe[0], to.address(), to.count()), "the end");
        }
        Descriptors.close(pipe[0]);
    }

    @Test
    void vectorsKeepTheBordersOfMessages() throws IOException {
        int[] pair = Sockets.messagePair("pair");
        Sockets.buffers("pair", pair[0], 1 << 16);
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment text = arena.allocateFrom("nestor"), one = arena.allocate(4), two = arena.allocate(8);
            assertEquals(
                    5,
                    tryWritev(
                            pair[0], new IoVector(2).add(text.address() + 2, 4).add(text.address(), 1)));
            assertEquals(2, Descriptors.tryWrite(pair[0], text.address(), 2));
            assertEquals(
                    5, tryReadv(pair[1], new IoVector(2).add(one.address(), 3).add(two.address(), 8)));
            assertEquals("sto", one.getString(0));
            assertEquals("rn", two.getString(0));
            assertEquals(2, Descriptors.tryRead(pair[1], two.address(), 8));
            Descriptors.nonBlocking("pair", pair[1], true);
            assertEquals(-Errno.EAGAIN, tryReadv(pair[1], new IoVector(1).add(one.address(), 4)));
            Descriptors.close(pair[1]);
            assertEquals(-Errno.EPIPE, tryWritev(pair[0], new IoVector(1).add(text.address(), 4)));
        }
        Descriptors.close(pair[0]);
    }

    private static long tryReadv(int descriptor, IoVector into) {
        return Descriptors.tryReadv(descriptor, into.address(), into.count());
    }

    private static long tryWritev(int descriptor, IoVector from) {
        return Descriptors.tryWritev(descriptor, from.address(), from.count());
    }

    @Test
    void acceptingWithoutWaiting(@TempDir Path directory) throws IOException {
        String path = directory.resolve("socket").toString();
        int listening = Sockets.stream(path);
        Sockets.bind(listening, path);
        Sockets.listen(path, listening, 1);
        Descriptors.nonBlocking(path, listening, true);
        assertThatThrownBy(() -> Sockets.accept(path, listening)).hasMessageContaining("EAGAIN");
        int one = Sockets.stream(path);
        Sockets.connect(one, path);
        int other = Sockets.accept(path, listening);
        for (int socket : new int[] {other, one, listening}) Descriptors.close(socket);
    }

    @Test
    void lockBelongsToTheOpenFileAndEndsWithIt(@TempDir Path directory) throws IOException {
        assumeTrue(Primitive.OFD_LOCKS.present(), "F_OFD_SETLK is missing, or switched off by nestor.without");
        String file = Files.write(directory.resolve("disk"), new byte[200]).toString();
        int one = Descriptors.open(file, Descriptors.O_RDWR);
        int two = Descriptors.open(file, Descriptors.O_RDWR);
        assertTrue(FileLocks.lock(file, one, true, 100, 1));
        assertTrue(FileLocks.lock(file, one, true, 100, 1), "again by the same open file");
        assertFalse(FileLocks.lock(file, two, true, 100, 1), "even of the same process");
        assertFalse(FileLocks.lock(file, two, false, 0, 0));
        assertTrue(FileLocks.lock(file, two, true, 101, 1), "the byte beside it");
        FileLocks.unlock(file, one, 100, 1);
        assertTrue(FileLocks.lock(file, two, false, 100, 1));
        assertTrue(FileLocks.lock(file, one, false, 100, 1), "shared");
        assertFalse(FileLocks.lock(file, one, true, 100, 1));
        Descriptors.close(two);
        assertTrue(FileLocks.lock(file, one, true, 0, 0));
        Descriptors.close(one);
    }

    @Test
    void withoutOfdLocksTheWholeFileIsLocked(@TempDir Path directory) throws IOException {
        String file = Files.write(directory.resolve("disk"), new byte[200]).toString();
        int one = Descriptors.open(file, Descriptors.O_RDWR);
        int two = Descriptors.open(file, Descriptors.O_RDWR);
        try (Primitive.Absence _ = Primitive.OFD_LOCKS.assumeAbsent()) {
            assertTrue(FileLocks.lock(file, one, true, 100, 1));
            assertFalse(FileLocks.lock(file, two, true, 150, 1), "another byte, but the same file");
            FileLocks.unlock(file, one, 100, 1);
            assertTrue(FileLocks.lock(file, two, false, 0, 0));
            assertTrue(FileLocks.lock(file, one, false, 0, 0));
            Descriptors.close(two);
            assertTrue(FileLocks.lock(file, one, true, 0, 0));
        }
        Descriptors.close(one);
    }

    @Test
    void limitsOfThisProcessCanBeReadAndLowered() throws IOException {
        Processes.Limit core = Processes.limit(Processes.RLIMIT_CORE);
        Processes.setLimit(Processes.RLIMIT_CORE, new Processes.Limit(0, core.hard()));
        assertEquals(new Processes.Limit(0, core.hard()), Processes.limit(Processes.RLIMIT_CORE));
        Processes.setLimit(Processes.RLIMIT_CORE, core);
        assertThat(Processes.limit(Processes.RLIMIT_NOFILE).soft()).isPositive();
        assertThatThrownBy(() -> Processes.limit(1000))
                .isInstanceOf(ErrnoException.class)
                .hasMessageContaining("resource 1000");
    }

    @Test
    void processesAreAskedForTheirProperties() throws IOException {
        assertEquals(ProcessHandle.current().pid(), Processes.getpid());
        assertEquals(0, Processes.tryKill(Processes.getpid(), 0));
        assertEquals(-Errno.ESRCH, Processes.tryKill(Integer.MAX_VALUE, 0));
        int dumpable = Processes.prctl("PR_GET_DUMPABLE", Processes.PR_GET_DUMPABLE, 0, 0);
        assertThat(dumpable).isBetween(0, 2);
        assertThatThrownBy(() -> Processes.prctl("PR_SET_DUMPABLE", Processes.PR_SET_DUMPABLE, 77, 0))
                .hasMessageContaining("EINVAL");
    }

    @Test
    void lockedMemoryIsResident() throws IOException {
        int size = 4 * MemoryCalls.PAGE_BYTES;
        long address = MemoryCalls.mmap(
                "locked",
                size,
                MemoryCalls.PROT_READ | MemoryCalls.PROT_WRITE,
                MemoryCalls.MAP_SHARED | MemoryCalls.MAP_ANONYMOUS,
                -1,
                0);
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment vector = arena.allocate(4);
            MemoryCalls.mincore("locked", address, size, vector.address());
            for (int page = 0; page < 4; page++) assertEquals(0, vector.get(ValueLayout.JAVA_BYTE, page) & 1);
            MemoryCalls.mlock("locked", address, size);
            MemoryCalls.mincore("locked", address, size, vector.address());
            for (int page = 0; page < 4; page++) assertEquals(1, vector.get(ValueLayout.JAVA_BYTE, page) & 1);
            MemoryCalls.munlock("locked", address, size);
        }
        MemoryCalls.munmap("locked", address, size);
    }
}
