package org.nestorvm.memory;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.nestorvm.memory.GuestMemoryPeer.Command;
import org.nestorvm.memory.sys.Errno;
import org.nestorvm.memory.sys.HostMemory;
import org.nestorvm.memory.sys.MemoryCalls;
import org.nestorvm.memory.sys.Primitive;

/** A real second process: it gets an object over a Unix socket, or owns one and is killed. */
@Timeout(120)
class SecondProcessTest {
    private static final int PAGE = MemoryCalls.PAGE_BYTES;
    private static final int SIZE = 64 * PAGE;
    /** What the owner calls its object, told apart from other runs of this test. */
    private static final String OWNED = "owner" + ProcessHandle.current().pid();

    private static final int SIGKILL_STATUS = 128 + 9;

    @Test
    void peerSeesWritesBothWaysAndKeepsItsPagesAfterTheOwnerLetsGo(@TempDir Path directory) throws Exception {
        MemoryObject object = MemoryObject.create("shared", SIZE);
        Mapping mapping = AddressSpace.map(object, false);
        HostMemory.putLong(mapping.hostAddress() + 8 * PAGE, 0x1234_5678_9abc_def0L);
        try (Peer peer = Peer.start(directory)) {
            peer.ask(Command.MAP, SIZE, 0, object.descriptor());
            assertEquals(0x1234_5678_9abc_def0L, peer.ask(Command.READ, 8 * PAGE, 0));
            peer.ask(Command.WRITE, 9 * PAGE, -77);
            assertEquals(-77, HostMemory.getLong(mapping.hostAddress() + 9 * PAGE));
            HostMemory.putLong(mapping.hostAddress() + 9 * PAGE, 78);
            assertEquals(78, peer.ask(Command.READ, 9 * PAGE, 0));

            object.discard(9 * PAGE, PAGE);
            assertEquals(0, peer.ask(Command.READ, 9 * PAGE, 0), "a discarded page is gone in every process");

            mapping.unmap();
            object.release();
            assertEquals(0x1234_5678_9abc_def0L, peer.ask(Command.READ, 8 * PAGE, 0));
            peer.ask(Command.WRITE, 0, 5);
            assertEquals(5, peer.ask(Command.READ, 0, 0));
            peer.endsNormally();
        }
    }

    @Test
    void peerCannotUnmapOrReprotectASealedMapping(@TempDir Path directory) throws Exception {
        assumeTrue(Primitive.MSEAL.present(), "this kernel has no mseal(2), which came with Linux 6.10");
        MemoryObject object = MemoryObject.create("shared", SIZE);
        try (Peer peer = Peer.start(directory)) {
            assertEquals(1, peer.ask(Command.MAP, SIZE, 1, object.descriptor()), "sealed");
            assertEquals(1, peer.ask(Command.FLAGS_SHOWN, 0, 0), "sl, dc, dd in /proc/self/smaps");
            assertEquals(Errno.EPERM, peer.ask(Command.UNMAP, 0, SIZE));
            assertEquals(Errno.EPERM, peer.ask(Command.UNMAP, 5 * PAGE, PAGE));
            assertEquals(Errno.EPERM, peer.ask(Command.PROTECT, 0, SIZE));
            assertEquals(Errno.EPERM, peer.ask(Command.PROTECT, 63 * PAGE, PAGE));
            assertEquals(Errno.EPERM, peer.ask(Command.MAP_OVER, PAGE, PAGE));
            peer.ask(Command.WRITE, 5 * PAGE, 9);
            assertEquals(9, peer.ask(Command.READ, 5 * PAGE, 0), "and it still works");
            peer.endsNormally();
        }
        object.release();
    }

    /** The control of the test above: without the seal every one of these succeeds. */
    @Test
    void peerCanDoAllThatToAMappingWithoutSeal(@TempDir Path directory) throws Exception {
        MemoryObject object = MemoryObject.create("shared", SIZE);
        try (Peer peer = Peer.start(directory)) {
            assertEquals(0, peer.ask(Command.MAP, SIZE, 0, object.descriptor()));
            assertEquals(0, peer.ask(Command.FLAGS_SHOWN, 0, 0));
            assertEquals(0, peer.ask(Command.PROTECT, 63 * PAGE, PAGE));
            assertEquals(0, peer.ask(Command.MAP_OVER, PAGE, PAGE));
            assertEquals(0, peer.ask(Command.UNMAP, 0, SIZE));
            peer.endsNormally();
        }
        object.release();
    }

    /**
     * P25: the owner is killed. Who maps its memory keeps it; when the last of them ends, the kernel has it back. Other
     * programs take and give shared memory while this looks at the sum, so that it may look again; memory that is never
     * freed fails each time.
     */
    @Test
    void p25_memoryOfAKilledOwnerGoesWithTheLastMapper(@TempDir Path directory) throws Exception {
        long size = 256L << 20;
        long freed = 0;
        for (int attempt = 0; attempt < 5 && freed < size / 2; attempt++) {
            MemoryObject adopted = objectOfAKilledOwner(directory, size);
            Mapping mapping = AddressSpace.map(adopted, false);
            assertEquals(0xfeed, HostMemory.getLong(mapping.hostAddress() + 100 * PAGE));
            assertEquals(size, adopted.residentBytes());
            assertThat(holders(OWNED)).containsOnly(ProcessHandle.current().pid());

            long before = Proc.sharedMemoryOfTheHost();
            mapping.unmap();
            adopted.release();
            freed = before - Proc.sharedMemoryOfTheHost();
            assertThat(holders(OWNED)).isEmpty();
        }
        assertTrue(freed >= size / 2, "shared memory of the host shrank by " + freed + " bytes only");
    }

    private static MemoryObject objectOfAKilledOwner(Path directory, long size) throws Exception {
        try (Peer owner = Peer.start(directory)) {
            MemoryObject adopted =
                    owner.askForObject(size, ProcessHandle.current().pid());
            assertEquals(size, owner.ask(Command.FILL, size, 0));
            owner.ask(Command.WRITE, 100 * PAGE, 0xfeed);
            owner.kill();
            return adopted;
        }
    }

    /** The same when all of them are killed: nobody is left to clean up, and nothing is left. */
    @Test
    void p25_memoryGoesWhenOwnerAndMapperAreBothKilled(@TempDir Path directory) throws Exception {
        try (Peer owner = Peer.start(directory);
                Peer mapper = Peer.start(directory)) {
            MemoryObject adopted =
                    owner.askForObject(SIZE, ProcessHandle.current().pid());
            mapper.ask(Command.MAP, SIZE, 1, adopted.descriptor());
            adopted.release();
            owner.ask(Command.WRITE, 0, 3);
            assertThat(holders(OWNED)).containsOnly(owner.pid(), mapper.pid());
            owner.kill();
            assertEquals(3, mapper.ask(Command.READ, 0, 0));
            assertThat(holders(OWNED)).containsOnly(mapper.pid());
            mapper.kill();
        }
        assertThat(holders(OWNED)).isEmpty();
    }

    @Test
    void peerThatDiesInTheMiddleIsAnErrorHere(@TempDir Path directory) throws Exception {
        MemoryObject object = MemoryObject.create("shared", SIZE);
        try (Peer peer = Peer.start(directory)) {
            peer.ask(Command.MAP, SIZE, 1, object.descriptor());
            peer.kill();
            assertThatThrownBy(() -> peer.ask(Command.READ, 0, 0)).isInstanceOf(IOException.class);
        }
        assertEquals(1, object.referenceCount());
        object.release();
    }

    /** Processes that have a memory file of this name open or mapped. */
    private static List<Long> holders(String name) throws IOException {
        try (Stream<ProcessHandle> processes = ProcessHandle.allProcesses()) {
            return processes
                    .map(ProcessHandle::pid)
                    .filter(pid -> holds(pid, name))
                    .toList();
        }
    }

    private static boolean holds(long pid, String name) {
        Path process = Path.of("/proc", Long.toString(pid));
        String target = "memfd:" + name + " (deleted)";
        try (Stream<Path> descriptors = Files.list(process.resolve("fd"))) {
            if (descriptors.anyMatch(each -> linksTo(each, target))) return true;
            return Files.readAllLines(process.resolve("maps")).stream().anyMatch(line -> line.endsWith(target));
        } catch (IOException | UncheckedIOException gone) {
            return false; // it ended, or belongs to another user
        }
    }

    private static boolean linksTo(Path link, String target) {
        try {
            return Files.readSymbolicLink(link).toString().endsWith(target);
        } catch (IOException gone) {
            return false;
        }
    }

    /** The second process and the channel to it. */
    private record Peer(Process process, DescriptorChannel channel) implements AutoCloseable {
        static Peer start(Path directory) throws IOException {
            Path path = directory.resolve("peer" + System.nanoTime());
            Path java = Path.of(System.getProperty("java.home"), "bin", "java");
            try (DescriptorListener listener = DescriptorListener.listen(path)) {
                Process process = new ProcessBuilder(
                                java.toString(),
                                "--enable-native-access=ALL-UNNAMED",
                                "-Xmx64m",
                                "-XX:+UseSerialGC",
                                "-XX:TieredStopAtLevel=1",
                                "-cp",
                                System.getProperty("java.class.path"),
                                GuestMemoryPeer.class.getName(),
                                path.toString())
                        .inheritIO()
                        .start();
                process.onExit()
                        .thenRun(() ->
                                closeQuietly(listener)); // a process that cannot start must not leave accept waiting
                return new Peer(process, listener.accept());
            }
        }

        private static void closeQuietly(DescriptorListener listener) {
            try {
                listener.close();
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        }

        long pid() {
            return process.pid();
        }

        long ask(Command command, long first, long second, int... descriptors) throws IOException {
            try (DescriptorChannel.Message answer = exchange(command, first, second, 0, descriptors)) {
                return ByteBuffer.wrap(answer.bytes()).getLong();
            }
        }

        MemoryObject askForObject(long size, long number) throws IOException {
            try (DescriptorChannel.Message answer = exchange(Command.CREATE, size, number, 1)) {
                return MemoryObject.adopt("adopted", answer.take(0), size);
            }
        }

        private DescriptorChannel.Message exchange(
                Command command, long first, long second, int limit, int... descriptors) throws IOException {
            channel.send(
                    ByteBuffer.allocate(GuestMemoryPeer.COMMAND_BYTES)
                            .putLong(command.ordinal())
                            .putLong(first)
                            .putLong(second)
                            .array(),
                    descriptors);
            DescriptorChannel.Message answer = channel.receive(GuestMemoryPeer.ANSWER_BYTES, limit);
            if (answer == null) throw new IOException("the peer ended without an answer");
            return answer;
        }

        void endsNormally() throws Exception {
            channel.close();
            assertTrue(process.waitFor(30, TimeUnit.SECONDS));
            assertEquals(0, process.exitValue());
        }

        void kill() throws InterruptedException {
            process.destroyForcibly();
            assertEquals(SIGKILL_STATUS, process.waitFor());
        }

        @Override
        public void close() {
            channel.close();
            process.destroyForcibly();
        }
    }
}
