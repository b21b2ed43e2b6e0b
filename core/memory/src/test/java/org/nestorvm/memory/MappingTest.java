package org.nestorvm.memory;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import org.junit.jupiter.api.Test;
import org.nestorvm.memory.sys.Errno;
import org.nestorvm.memory.sys.ErrnoException;
import org.nestorvm.memory.sys.FaultPoints;
import org.nestorvm.memory.sys.HostMemory;
import org.nestorvm.memory.sys.MemoryCalls;
import org.nestorvm.memory.sys.Primitive;

class MappingTest {
    private static final int PAGE = MemoryCalls.PAGE_BYTES;

    @Test
    void twoMappingsOfOneObjectShowTheSameMemory() throws IOException {
        MemoryObject object = MemoryObject.create("twice", 16 * PAGE);
        Mapping one = AddressSpace.map(object, false);
        Mapping two = AddressSpace.map(object, false);
        object.release();
        HostMemory.putLong(one.hostAddress() + 5 * PAGE - 4, 0x1122334455667788L); // across a page border, unaligned
        assertEquals(0x1122334455667788L, HostMemory.getLong(two.hostAddress() + 5 * PAGE - 4));
        one.unmap();
        assertEquals(0x1122334455667788L, HostMemory.getLong(two.hostAddress() + 5 * PAGE - 4));
        two.unmap();
        assertThat(Proc.maps("twice")).isEmpty();
        assertThat(Proc.memoryFiles("twice")).isEmpty();
    }

    @Test
    void mappingIsKeptOutOfForksAndCoreDumps() throws IOException {
        MemoryObject object = MemoryObject.create("flags", 4 * PAGE);
        Mapping mapping = AddressSpace.map(object, false);
        assertThat(Proc.flags(mapping.hostAddress()))
                .contains("rd", "wr", "sh", "dc", "dd")
                .doesNotContain("ex", "sl");
        mapping.unmap();
        object.release();
    }

    @Test
    void unmapTwiceDropsOneReference() throws IOException {
        MemoryObject object = MemoryObject.create("unmap-twice", PAGE);
        Mapping mapping = AddressSpace.map(object, false);
        assertEquals(2, object.referenceCount());
        mapping.unmap();
        mapping.unmap();
        assertEquals(1, object.referenceCount());
        object.release();
    }

    @Test
    void sealedMappingCanNeitherBeUnmappedNorReprotectedNorMappedOver() throws IOException {
        assumeTrue(Primitive.MSEAL.present(), "this kernel has no mseal(2), which came with Linux 6.10");
        MemoryObject object = MemoryObject.create("sealed", 4 * PAGE);
        int sealedBefore = AddressSpace.sealedCount();
        Mapping mapping = AddressSpace.map(object, true);
        assertTrue(mapping.sealed());
        assertThat(Proc.flags(mapping.hostAddress())).contains("sl", "dc", "dd");

        assertEquals(-Errno.EPERM, MemoryCalls.tryMunmap(mapping.hostAddress(), mapping.sizeBytes()));
        assertEquals(-Errno.EPERM, MemoryCalls.tryMunmap(mapping.hostAddress() + PAGE, PAGE));
        assertEquals(
                -Errno.EPERM,
                MemoryCalls.tryMmap(
                        mapping.hostAddress(),
                        PAGE,
                        MemoryCalls.PROT_READ,
                        MemoryCalls.MAP_FIXED | MemoryCalls.MAP_PRIVATE | MemoryCalls.MAP_ANONYMOUS,
                        -1,
                        0));
        assertThatThrownBy(() -> MemoryCalls.mprotect(object, mapping.hostAddress(), PAGE, MemoryCalls.PROT_READ))
                .isInstanceOfSatisfying(ErrnoException.class, e -> assertEquals(Errno.EPERM, e.errno()));

        mapping.unmap();
        mapping.unmap();
        assertEquals(2, object.referenceCount(), "the mapping is still there, and so is its reference");
        assertEquals(sealedBefore + 1, AddressSpace.sealedCount());
        assertThat(Proc.maps("sealed")).hasSize(1);
        HostMemory.putInt(mapping.hostAddress(), 42);
        assertEquals(42, HostMemory.getInt(mapping.hostAddress()));
        object.release();
    }

    @Test
    void mappingCanBeSealedLaterOnceAndNotAfterItsEnd() throws IOException {
        assumeTrue(Primitive.MSEAL.present(), "this kernel has no mseal(2), which came with Linux 6.10");
        MemoryObject object = MemoryObject.create("later", 4 * PAGE);
        Mapping gone = AddressSpace.map(object, false);
        gone.unmap();
        assertThatThrownBy(gone::seal).isInstanceOf(IllegalStateException.class).hasMessageContaining("\"later\"");

        Mapping mapping = AddressSpace.map(object, false);
        int mapped = AddressSpace.mappedCount(), sealed = AddressSpace.sealedCount();
        try (FaultPoints.Plan _ = FaultPoints.failAt(1, Errno.ENOMEM)) {
            assertThatThrownBy(mapping::seal)
                    .isInstanceOf(ErrnoException.class)
                    .hasMessageStartingWith("mseal of guest memory \"later\"");
        }
        assertFalse(mapping.sealed());
        assertEquals(mapped, AddressSpace.mappedCount());
        mapping.seal();
        mapping.seal();
        assertTrue(mapping.sealed());
        assertEquals(mapped - 1, AddressSpace.mappedCount());
        assertEquals(sealed + 1, AddressSpace.sealedCount());
        assertThat(Proc.flags(mapping.hostAddress())).contains("sl");
        object.release();
    }

    @Test
    void withoutMsealTheMappingIsMadeUnsealedAndSaysSo() throws IOException {
        MemoryObject object = MemoryObject.create("no-mseal", PAGE);
        try (Primitive.Absence _ = Primitive.MSEAL.assumeAbsent()) {
            assertFalse(Primitive.MSEAL.present());
            Mapping mapping = AddressSpace.map(object, true);
            assertFalse(mapping.sealed());
            mapping.unmap();
        }
        object.release();
        assertThat(Proc.maps("no-mseal")).isEmpty();
    }

    @Test
    void pagesBecomeResidentOneRangeAtATime() throws IOException {
        MemoryObject object = MemoryObject.create("resident", 64 * PAGE);
        Mapping mapping = AddressSpace.map(object, false);
        assertEquals(0, object.residentBytes());
        mapping.makeResident(3 * PAGE + 5, 2 * PAGE); // touches parts of three pages
        assertEquals(3 * PAGE, object.residentBytes());
        assertEquals(3 * PAGE, Proc.rssBytes(mapping.hostAddress()));
        mapping.touch(40 * PAGE);
        assertEquals(4 * PAGE, object.residentBytes());
        mapping.makeResident(7, 0);
        mapping.unmap();
        object.release();
    }

    @Test
    void withoutPopulateWritePagesBecomeResidentAllTheSame() throws IOException {
        MemoryObject object = MemoryObject.create("no-populate", 64 * PAGE);
        Mapping mapping = AddressSpace.map(object, false);
        HostMemory.putInt(mapping.hostAddress() + 4 * PAGE, 0xabad1dea);
        try (Primitive.Absence _ = Primitive.POPULATE_WRITE.assumeAbsent()) {
            mapping.makeResident(3 * PAGE + 5, 2 * PAGE);
        }
        assertEquals(3 * PAGE, object.residentBytes());
        assertEquals(3 * PAGE, Proc.rssBytes(mapping.hostAddress()));
        assertEquals(
                0xabad1dea,
                HostMemory.getInt(mapping.hostAddress() + 4 * PAGE),
                "making resident leaves the contents alone");
        mapping.unmap();
        object.release();
    }

    @Test
    void residencyOutsideTheObjectIsRefused() throws IOException {
        MemoryObject object = MemoryObject.create("outside", 2 * PAGE);
        Mapping mapping = AddressSpace.map(object, false);
        for (long[] range : new long[][] {
            {-1, 1}, {0, 2 * PAGE + 1}, {2 * PAGE, 1}, {Long.MAX_VALUE, 2}, {1, -1}, {1, Long.MAX_VALUE}
        }) {
            assertThatThrownBy(() -> mapping.makeResident(range[0], range[1]))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageContaining("offset=" + range[0]);
        }
        assertThatThrownBy(() -> mapping.touch(2 * PAGE)).isInstanceOf(IllegalArgumentException.class);
        mapping.unmap();
        object.release();
    }
}
