package org.nestorvm.memory;

import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.nestorvm.memory.sys.Descriptors;
import org.nestorvm.memory.sys.Errno;
import org.nestorvm.memory.sys.Events;
import org.nestorvm.memory.sys.FaultPoints;
import org.nestorvm.memory.sys.HostMemory;
import org.nestorvm.memory.sys.MemoryCalls;

/**
 * What a process takes from another as guest memory, and what it must not. A refused descriptor is closed, whatever the
 * reason.
 */
class AdoptionTest {
    private static final int PAGE = MemoryCalls.PAGE_BYTES;
    private static final int SIZE = 4 * PAGE;
    private Proc.Leftovers before;

    @BeforeEach
    void remember() throws IOException {
        before = Proc.Leftovers.of("adopt");
    }

    @AfterEach
    void nothingIsLeft() throws IOException {
        assertEquals(before, Proc.Leftovers.of("adopt"));
    }

    @Test
    void sealedMemoryIsTaken() throws IOException {
        MemoryObject object = MemoryObject.create("adopt", SIZE);
        MemoryObject adopted = MemoryObject.adopt("adopt", Descriptors.duplicate(object, object.descriptor()), SIZE);
        Mapping one = AddressSpace.map(object, false);
        Mapping two = AddressSpace.map(adopted, false);
        object.release();
        one.unmap();
        HostMemory.putInt(two.hostAddress(), 5);
        assertEquals(PAGE, adopted.residentBytes());
        two.unmap();
        adopted.release();
    }

    @Test
    void memoryThatItsSenderCouldShrinkIsRefused() throws IOException {
        refused(memoryFile(SIZE, 0), "not sealed against shrinking");
        refused(memoryFile(SIZE, Descriptors.F_SEAL_GROW), "not sealed against shrinking");
    }

    @Test
    void memoryThatCannotBeWrittenIsRefused() throws IOException {
        refused(memoryFile(SIZE, Descriptors.F_SEAL_SHRINK | Descriptors.F_SEAL_WRITE), "sealed against writing");
        refused(
                memoryFile(SIZE, Descriptors.F_SEAL_SHRINK | Descriptors.F_SEAL_FUTURE_WRITE),
                "sealed against writing");
        int writable = memoryFile(SIZE, Descriptors.F_SEAL_SHRINK);
        int readOnly = Descriptors.open("/proc/self/fd/" + writable, Descriptors.O_RDONLY);
        Descriptors.close(writable);
        refused(readOnly, "not open for reading and writing");
    }

    @Test
    void anotherSizeThanAnnouncedIsRefused() throws IOException {
        refused(memoryFile(SIZE - PAGE, Descriptors.F_SEAL_SHRINK), "its size is " + (SIZE - PAGE));
        refused(memoryFile(SIZE + PAGE, Descriptors.F_SEAL_SHRINK), "its size is " + (SIZE + PAGE));
    }

    @Test
    void sizeThatIsNotWholePagesIsRefused() throws IOException {
        int odd = memoryFile(PAGE + 100, Descriptors.F_SEAL_SHRINK);
        assertThatThrownBy(() -> MemoryObject.adopt("adopt", odd, PAGE + 100))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("size=" + (PAGE + 100));
        int empty = memoryFile(0, Descriptors.F_SEAL_SHRINK);
        assertThatThrownBy(() -> MemoryObject.adopt("adopt", empty, 0)).isInstanceOf(IllegalArgumentException.class);
    }

    @Test
    void whatIsNoMemoryFileIsRefused(@TempDir Path directory) throws IOException {
        Path file = Files.write(directory.resolve("adopt"), new byte[SIZE]);
        // A temporary directory may itself be a tmpfs; then the file has no seal that stops shrinking.
        int ordinary = Descriptors.open(file.toString(), Descriptors.O_RDWR);
        assertThatThrownBy(() -> MemoryObject.adopt("adopt", ordinary, SIZE))
                .isInstanceOf(UntrustedMemoryException.class)
                .hasMessageContaining("\"adopt\"");
        refused(Events.eventfd("adopt", 0, 0), "not a memory file");
        refused(Descriptors.open("/dev/zero", Descriptors.O_RDWR), "not a memory file");
        int[] pipe = Descriptors.pipe("adopt");
        refused(pipe[0], "not a memory file");
        refused(pipe[1], "not a memory file");
    }

    @Test
    void inheritableDescriptorIsNotInheritedAnyMore() throws IOException {
        int descriptor = memoryFile(SIZE, Descriptors.F_SEAL_SHRINK);
        Descriptors.fcntl("adopt", descriptor, Descriptors.F_SETFD, 0);
        MemoryObject adopted = MemoryObject.adopt("adopt", descriptor, SIZE);
        assertEquals(Descriptors.FD_CLOEXEC, Descriptors.fcntl(adopted, descriptor, Descriptors.F_GETFD, 0));
        adopted.release();
    }

    @Test
    void everyFailingStepClosesTheDescriptor() throws IOException {
        int steps = 0;
        for (int step = 1; ; step++) {
            int descriptor = memoryFile(SIZE, Descriptors.F_SEAL_SHRINK);
            try (FaultPoints.Plan plan = FaultPoints.failAt(step, Errno.EMFILE)) {
                MemoryObject.adopt("adopt", descriptor, SIZE).release();
                if (!plan.fired()) break;
                throw new AssertionError(plan + " was swallowed");
            } catch (IOException | OutOfMemoryError expected) {
                steps++;
                assertEquals(before, Proc.Leftovers.of("adopt"), "after step " + step);
            }
        }
        assertEquals(5, steps, "allocation, statx, seals, access mode, close on exec");
    }

    @Test
    void foreignMemoryIsSealedWhereItsCreatorHasLeftThatOpen() throws IOException {
        int descriptor = memoryFile(SIZE, 0);
        int kept = Descriptors.duplicate("adopt", descriptor);
        MemoryObject adopted = MemoryObject.adoptForeign("adopt", descriptor);
        assertEquals(true, adopted.sizeIsFinal());
        assertEquals(SIZE, adopted.sizeBytes());
        assertThrows(IOException.class, () -> Descriptors.ftruncate("adopt", kept, 0));
        Descriptors.close(kept);
        adopted.release();
    }

    @Test
    void foreignMemoryThatTakesNoSealsIsTakenAndSaysSo() throws IOException {
        int descriptor = MemoryCalls.memfdCreate("adopt", MemoryCalls.MFD_CLOEXEC);
        Descriptors.ftruncate("adopt", descriptor, SIZE);
        MemoryObject adopted = MemoryObject.adoptForeign("adopt", descriptor);
        assertEquals(false, adopted.sizeIsFinal());
        AddressSpace.map(adopted, false).unmap();
        adopted.release();
    }

    @Test
    void foreignThingsThatAreNoMemoryAreRefused() throws IOException {
        foreignRefused(Events.eventfd("adopt", 0, 0), "not a memory file");
        foreignRefused(Descriptors.open("/dev/zero", Descriptors.O_RDWR), "not a memory file");
        foreignRefused(Descriptors.pipe("adopt"), "not a memory file");
        foreignRefused(memoryFile(SIZE, Descriptors.F_SEAL_WRITE), "sealed against writing");
        foreignRefused(memoryFile(0, 0), "not a multiple");
        foreignRefused(memoryFile(PAGE + 1, 0), "not a multiple");
    }

    private static void foreignRefused(int[] pipe, String reason) {
        for (int end : pipe) foreignRefused(end, reason);
    }

    private static void foreignRefused(int descriptor, String reason) {
        assertThatThrownBy(() -> MemoryObject.adoptForeign("adopt", descriptor))
                .isInstanceOf(UntrustedMemoryException.class)
                .hasMessageContaining(reason);
    }

    private static void refused(int descriptor, String reason) {
        UntrustedMemoryException e =
                assertThrows(UntrustedMemoryException.class, () -> MemoryObject.adopt("adopt", descriptor, SIZE));
        org.assertj.core.api.Assertions.assertThat(e)
                .hasMessageContaining("guest memory \"adopt\"")
                .hasMessageContaining(reason);
    }

    /** A memory file as a peer may make it: any size, any seals. */
    private static int memoryFile(long size, int seals) throws IOException {
        int descriptor = MemoryCalls.memfdCreate("adopt", MemoryCalls.MFD_CLOEXEC | MemoryCalls.MFD_ALLOW_SEALING);
        Descriptors.ftruncate("adopt", descriptor, size);
        Descriptors.fcntl("adopt", descriptor, Descriptors.F_ADD_SEALS, seals);
        return descriptor;
    }
}
