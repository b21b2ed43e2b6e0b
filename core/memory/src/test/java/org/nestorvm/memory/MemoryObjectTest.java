package org.nestorvm.memory;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.nestorvm.memory.sys.Descriptors;
import org.nestorvm.memory.sys.Errno;
import org.nestorvm.memory.sys.ErrnoException;
import org.nestorvm.memory.sys.HostMemory;
import org.nestorvm.memory.sys.MemoryCalls;
import org.nestorvm.memory.sys.Primitive;

class MemoryObjectTest {
    private static final int PAGE = MemoryCalls.PAGE_BYTES;
    private static final int GROW_SHRINK_SEAL = 0x7, EXEC = 0x20;

    @Test
    void nameShowsInProc() throws IOException {
        MemoryObject object = MemoryObject.create("vm1.ram0", PAGE);
        assertThat(Proc.memoryFiles("vm1.ram0"))
                .containsOnlyKeys(object.descriptor())
                .containsValue("/memfd:vm1.ram0 (deleted)");
        assertEquals(Descriptors.FD_CLOEXEC, Descriptors.fcntl(object, object.descriptor(), Descriptors.F_GETFD, 0));
        object.release();
        assertThat(Proc.memoryFiles("vm1.ram0")).isEmpty();
    }

    @Test
    void sizeIsFinal() throws IOException {
        MemoryObject object = MemoryObject.create("final", 4 * PAGE);
        for (long size : new long[] {0, PAGE, 5 * PAGE}) {
            assertThatThrownBy(() -> Descriptors.ftruncate(object, object.descriptor(), size))
                    .isInstanceOfSatisfying(ErrnoException.class, e -> assertEquals(Errno.EPERM, e.errno()));
        }
        assertEquals(
                -Errno.EPERM,
                Descriptors.tryFallocate(object.descriptor(), 0, 4 * PAGE, PAGE),
                "allocating beyond the end would grow it");
        assertThatThrownBy(() -> Descriptors.fcntl(
                        object, object.descriptor(), Descriptors.F_ADD_SEALS, Descriptors.F_SEAL_WRITE))
                .isInstanceOfSatisfying(ErrnoException.class, e -> assertEquals(Errno.EPERM, e.errno()));
        object.release();
    }

    @Test
    void objectCanNeverBeExecuted() throws IOException {
        assumeTrue(Primitive.NOEXEC_SEAL.present(), "this kernel has no MFD_NOEXEC_SEAL, which came with Linux 6.3");
        MemoryObject object = MemoryObject.create("noexec", PAGE);
        assertEquals(
                GROW_SHRINK_SEAL | EXEC, Descriptors.fcntl(object, object.descriptor(), Descriptors.F_GET_SEALS, 0));
        assertThatThrownBy(() -> Descriptors.fchmod(object, object.descriptor(), 0700))
                .isInstanceOf(ErrnoException.class)
                .hasMessageContaining("EPERM");
        object.release();
    }

    @Test
    void withoutNoexecSealTheSizeIsSealedAllTheSame() throws IOException {
        try (Primitive.Absence _ = Primitive.NOEXEC_SEAL.assumeAbsent()) {
            MemoryObject object = MemoryObject.create("older-kernel", PAGE);
            assertEquals(
                    GROW_SHRINK_SEAL,
                    Descriptors.fcntl(object, object.descriptor(), Descriptors.F_GET_SEALS, 0) & ~EXEC);
            object.release();
        }
    }

    /** P9: after everything is given back, resident memory is what it was. */
    @Test
    void p9_discardGivesPagesBackAndReadsZero() throws IOException {
        MemoryObject object = MemoryObject.create("discard", 8 * PAGE);
        Mapping mapping = AddressSpace.map(object, false);
        for (int page = 0; page < 8; page++) HostMemory.putLong(mapping.hostAddress() + page * PAGE, page + 1);
        assertEquals(8 * PAGE, object.residentBytes());
        object.discard(2 * PAGE, 3 * PAGE);
        assertEquals(5 * PAGE, object.residentBytes());
        assertEquals(5 * PAGE, Proc.rssBytes(mapping.hostAddress()));
        for (int page = 0; page < 8; page++) {
            long expected = page >= 2 && page < 5 ? 0 : page + 1;
            assertEquals(expected, HostMemory.getLong(mapping.hostAddress() + page * PAGE), "page " + page);
        }
        object.discard(0, 8 * PAGE);
        assertEquals(0, object.residentBytes());
        mapping.unmap();
        object.release();
    }

    @Test
    void discardTakesWholePagesInsideTheObjectOnly() throws IOException {
        MemoryObject object = MemoryObject.create("ranges", 2 * PAGE);
        for (long[] range : new long[][] {
            {1, PAGE},
            {0, PAGE - 1},
            {0, 0},
            {0, 3 * PAGE},
            {2 * PAGE, PAGE},
            {-PAGE, PAGE},
            {PAGE, -PAGE},
            {PAGE, Long.MAX_VALUE & -PAGE}
        }) {
            assertThatThrownBy(() -> object.discard(range[0], range[1]))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageContaining("offset=" + range[0]);
        }
        object.release();
    }

    @ParameterizedTest
    @ValueSource(longs = {0, -1, 1, 4095, 4097, -4096, Long.MIN_VALUE, Long.MAX_VALUE})
    void sizesThatAreNotWholePagesAreRefused(long size) {
        int before = MemoryObject.liveCount();
        assertThatThrownBy(() -> MemoryObject.create("odd", size))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("\"odd\"")
                .hasMessageContaining("size=" + size);
        assertEquals(before, MemoryObject.liveCount());
    }

    @Test
    void sizeBeyondWhatTheKernelTakesIsAnErrorThatLeavesNothing() throws IOException {
        int before = Proc.descriptorCount();
        assertThatThrownBy(() -> {
                    MemoryObject object = MemoryObject.create(
                            "huge", Long.MAX_VALUE & -PAGE); // Linux allows this as a size; no address space has it
                    try {
                        AddressSpace.map(object, false);
                    } finally {
                        object.release();
                    }
                })
                .isInstanceOf(ErrnoException.class)
                .hasMessageContaining("guest memory \"huge\"");
        assertEquals(before, Proc.descriptorCount());
    }

    @Test
    void namesThatTheKernelCannotShowAreRefused() throws IOException {
        for (String name : new String[] {"", "n".repeat(250), "ä".repeat(125), "a\0b"}) {
            assertThatThrownBy(() -> MemoryObject.create(name, PAGE)).isInstanceOf(IllegalArgumentException.class);
        }
        MemoryObject longest = MemoryObject.create("n".repeat(249), PAGE);
        assertThat(Proc.memoryFiles("n".repeat(249))).hasSize(1);
        longest.release();
    }

    @Test
    void referencesEndForGood() throws IOException {
        MemoryObject object = MemoryObject.create("once", PAGE);
        assertEquals(object, object.reference());
        object.release();
        object.release();
        assertThatThrownBy(object::reference)
                .isInstanceOf(IllegalStateException.class)
                .hasMessageContaining("\"once\"");
        assertThatThrownBy(object::release)
                .isInstanceOf(IllegalStateException.class)
                .hasMessageContaining("\"once\"");
        assertThatThrownBy(() -> AddressSpace.map(object, false)).isInstanceOf(IllegalStateException.class);
    }

    @Test
    void liveCountAndBytesFollow() throws IOException {
        int count = MemoryObject.liveCount();
        long bytes = MemoryObject.liveBytes();
        MemoryObject object = MemoryObject.create("live", 512L << 20);
        assertEquals(count + 1, MemoryObject.liveCount());
        assertEquals(bytes + (512L << 20), MemoryObject.liveBytes());
        assertEquals(0, object.residentBytes(), "no page before the first touch");
        assertEquals("guest memory \"live\" (512 MiB)", object.toString());
        object.release();
        assertEquals(count, MemoryObject.liveCount());
        assertEquals(bytes, MemoryObject.liveBytes());
    }

    @Test
    void failureNamesCallObjectAndErrno() throws IOException {
        MemoryObject object = MemoryObject.create("vm1.ram0", 512L << 20);
        assertThatThrownBy(() -> MemoryCalls.mmap(
                        object, object.sizeBytes(), MemoryCalls.PROT_READ, MemoryCalls.MAP_SHARED, -1, 0))
                .hasMessage("mmap of guest memory \"vm1.ram0\" (512 MiB): EBADF (9), bad descriptor");
        object.release();
    }

    @Test
    void transparentHugePagesAreAdvised() throws IOException {
        assumeTrue(Primitive.HUGEPAGE_ADVICE.present(), "this kernel was built without transparent huge pages");
        MemoryObject object = MemoryObject.create("thp", 4L << 20, Pages.TRANSPARENT_HUGE);
        Mapping mapping = AddressSpace.map(object, false);
        assertThat(Proc.flags(mapping.hostAddress())).contains("hg");
        mapping.unmap();
        object.release();
    }

    /**
     * With a pool of reserved pages the object works; without one the mapping fails at once, and not later with a
     * signal.
     */
    @Test
    void reservedHugePagesComeFromThePoolOrFailCleanly() throws IOException {
        Proc.Leftovers before = Proc.Leftovers.of("hugetlb");
        long free = Proc.freeHugePages();
        MemoryObject object = MemoryObject.create("hugetlb", 2L << 20, Pages.HUGE_2M);
        if (free == 0) {
            assertThatThrownBy(() -> AddressSpace.map(object, false))
                    .isInstanceOfSatisfying(ErrnoException.class, e -> assertEquals(Errno.ENOMEM, e.errno()));
        } else {
            Mapping mapping = AddressSpace.map(object, false);
            mapping.makeResident(0, 1);
            assertEquals(2L << 20, object.residentBytes());
            MemoryObject adopted =
                    MemoryObject.adopt("hugetlb", Descriptors.duplicate(object, object.descriptor()), 2L << 20);
            assertEquals(Pages.HUGE_2M, adopted.pages());
            adopted.release();
            assertThatThrownBy(() -> object.discard(0, PAGE)).isInstanceOf(IllegalArgumentException.class);
            object.discard(0, 2L << 20);
            assertEquals(0, object.residentBytes());
            mapping.unmap();
        }
        object.release();
        assertEquals(before, Proc.Leftovers.of("hugetlb"));
        assertThatThrownBy(() -> MemoryObject.create("hugetlb", PAGE, Pages.HUGE_2M))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("2097152");
    }

    @Test
    void objectAsLargeAsAGuestMayBeCostsNothingUntilTouched() throws IOException {
        MemoryObject object = MemoryObject.create("large", 1L << 40);
        Mapping mapping = AddressSpace.map(object, false);
        HostMemory.putByte(mapping.hostAddress() + (1L << 40) - 1, (byte) 7);
        assertEquals(PAGE, object.residentBytes());
        assertTrue(mapping.hostAddress() > 0);
        mapping.unmap();
        object.release();
    }
}
