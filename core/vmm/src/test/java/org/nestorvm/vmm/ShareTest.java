package org.nestorvm.vmm;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.nestorvm.vmm.MemoryRange.Type.MMIO;
import static org.nestorvm.vmm.MemoryRange.Type.RAM;
import static org.nestorvm.vmm.MemoryRange.Type.RESERVED;

import java.io.EOFException;
import java.io.IOException;
import java.net.ProtocolException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.FutureTask;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.nestorvm.memory.AddressSpace;
import org.nestorvm.memory.DescriptorChannel;
import org.nestorvm.memory.Mapping;
import org.nestorvm.memory.MemoryObject;
import org.nestorvm.memory.UntrustedMemoryException;
import org.nestorvm.memory.sys.Descriptors;
import org.nestorvm.memory.sys.Errno;
import org.nestorvm.memory.sys.FaultPoints;
import org.nestorvm.memory.sys.HostMemory;
import org.nestorvm.memory.sys.MemoryCalls;

@Timeout(60)
class ShareTest {
    private static final long P = 4096, M = 1 << 20;
    private static final MemoryMap MAP = MemoryMap.of(
            new MemoryRange(0, M, RAM),
            new MemoryRange(2 * M, M, MMIO),
            new MemoryRange(4 * M, M, RESERVED),
            new MemoryRange(8 * M, 2 * M, RAM));

    private final Vmm vmm = new Vmm();
    private Host before;
    private DescriptorChannel here, there;
    private VirtualMachine vm;

    @BeforeEach
    void connect() throws IOException {
        before = Host.now();
        List<DescriptorChannel> pair = DescriptorChannel.pair("share");
        here = pair.get(0);
        there = pair.get(1);
        vm = vmm.create(VmConfig.of("shared", MAP));
    }

    @AfterEach
    void nothingIsLeft() {
        vm.close();
        here.close();
        there.close();
        before.assertUnchanged("the test");
    }

    @Test
    void bothSidesSeeWhatTheOtherWrites() throws IOException {
        vmm.share(vm.id(), here);
        try (AttachedMemory other = GuestMemory.attach(there, MAP, false)) {
            assertEquals("shared", other.name());
            assertEquals(vm.id(), other.id());
            assertEquals(MAP, other.map());
            for (MemorySlot slot : vm.slots())
                for (long gpa : new long[] {slot.gpa(), slot.gpa() + slot.sizeBytes() - 8}) {
                    vm.memory().putLong(gpa, gpa ^ 0x5555);
                    assertEquals(gpa ^ 0x5555, other.memory().getLong(gpa));
                    other.memory().putLong(gpa, gpa ^ 0xaaaa);
                    assertEquals(gpa ^ 0xaaaa, vm.memory().getLong(gpa));
                }
            assertFalse(other.memory().contains(2 * M, 1), "MMIO is not shared");
            vm.close();
            assertEquals(0xaaaa, other.memory().getLong(0), "the pages outlive the machine");
        }
    }

    private static MemoryMap with(int index, MemoryRange range) {
        List<MemoryRange> ranges = new ArrayList<>(MAP.ranges());
        ranges.set(index, range);
        return new MemoryMap(ranges);
    }

    static Stream<Arguments> mismatches() {
        return Stream.of(
                Arguments.of(
                        "one range less",
                        new MemoryMap(MAP.ranges().subList(0, 3)),
                        List.of("4 memory ranges", "3 were expected")),
                Arguments.of(
                        "one range more",
                        new MemoryMap(Stream.concat(MAP.ranges().stream(), Stream.of(new MemoryRange(16 * M, P, MMIO)))
                                .toList()),
                        List.of("4 memory ranges", "5 were")),
                Arguments.of(
                        "type of memory",
                        with(2, new MemoryRange(4 * M, M, RAM)),
                        List.of("range 2", "type RESERVED", "RAM was expected")),
                Arguments.of(
                        "type of a device",
                        with(1, new MemoryRange(2 * M, M, RAM)),
                        List.of("range 1", "type MMIO", "RAM was expected")),
                Arguments.of(
                        "address",
                        with(3, new MemoryRange(8 * M + P, 2 * M, RAM)),
                        List.of("range 3", "gpa 0x800000", "0x801000 was expected")),
                Arguments.of(
                        "address of a device",
                        with(1, new MemoryRange(2 * M + P, M, MMIO)),
                        List.of("range 1", "gpa 0x200000", "0x201000")),
                Arguments.of(
                        "size, larger",
                        with(3, new MemoryRange(8 * M, 2 * M + P, RAM)),
                        List.of("range 3", "2097152 bytes", "2101248 were expected")),
                Arguments.of(
                        "size, smaller",
                        with(0, new MemoryRange(0, M - P, RAM)),
                        List.of("range 0", "1048576 bytes", "1044480 were expected")),
                Arguments.of(
                        "size of a device",
                        with(1, new MemoryRange(2 * M, P, MMIO)),
                        List.of("range 1", "1048576 bytes", "4096 were expected")));
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("mismatches")
    void p1_eachMismatchAloneIsRefusedAndMapsNothing(String what, MemoryMap expected, List<String> words)
            throws IOException {
        Host start = Host.now();
        vmm.share(vm.id(), here);
        assertThatThrownBy(() -> GuestMemory.attach(there, expected, false))
                .as(what)
                .isInstanceOf(VmRefusedException.class)
                .message()
                .contains(words)
                .contains("\"shared\"", "nothing was mapped");
        start.assertUnchanged(what);
        vmm.share(vm.id(), here);
        try (AttachedMemory good = GuestMemory.attach(there, MAP, false)) {
            for (MemorySlot slot : good.slots())
                assertThat(slot.hostAddress())
                        .as("success maps every range of memory")
                        .isPositive();
            assertEquals(3, good.slots().size());
        }
    }

    /** The caller's own memory, with a word in it that must survive. */
    private record Canary(MemoryObject object, Mapping mapping) implements AutoCloseable {
        static Canary make() throws IOException {
            MemoryObject object = MemoryObject.create("canary", M);
            Canary canary = new Canary(object, AddressSpace.map(object, false));
            HostMemory.putLong(canary.mapping.hostAddress(), 0xc0ffee);
            return canary;
        }

        @Override
        public void close() throws IOException {
            assertEquals(0xc0ffee, HostMemory.getLong(mapping.hostAddress()));
            mapping.unmap();
            object.release();
        }
    }

    /**
     * Every step of sharing fails once: sending, receiving, adopting, mapping. The MMIO range lies before the ranges
     * that fail last.
     */
    @Test
    void p2_p5_p6_aShareThatFailsAnywhereLeavesTheCallersMappingsAsTheyWere() throws IOException {
        int failures = 0;
        for (int step = 1; ; step++) {
            List<DescriptorChannel> pair = DescriptorChannel.pair("step");
            try (Canary canary = Canary.make();
                    DescriptorChannel out = pair.get(0);
                    DescriptorChannel in = pair.get(1)) {
                assertEquals(0xc0ffee, HostMemory.getLong(canary.mapping().hostAddress()));
                Host start = Host.now();
                FaultPoints.Plan plan = FaultPoints.failAt(step, Errno.ENOMEM);
                try (plan) {
                    vmm.share(vm.id(), out);
                    GuestMemory.attach(in, MAP, false).close();
                    if (!plan.fired()) break;
                    throw new AssertionError(plan + " was swallowed");
                } catch (IOException | OutOfMemoryError expected) {
                    failures++;
                    in.close(); // descriptors that were sent and not received go with the socket
                    pair.get(0).close();
                    HostMemory.putLong(canary.mapping().hostAddress(), 0xc0ffee);
                }
                assertEquals(start.mappings(), Host.now().mappings(), plan::toString);
                assertEquals(start.objects(), Host.now().objects(), plan::toString);
                assertEquals(start.mapped(), Host.now().mapped(), plan::toString);
                assertThat(Host.now().descriptors().entrySet())
                        .as(plan.toString())
                        .isSubsetOf(start.descriptors().entrySet());
            }
        }
        assertThat(failures).as("steps that failed once").isGreaterThanOrEqualTo(3 * 5);
        assertEquals(1, vmm.info().size());
    }

    @Test
    void p4_aFirstSealThatFailsLeavesNothingAndALaterOneLeavesAWholeAttachment() throws IOException {
        int wholly = 0, failures = 0;
        for (int step = 1; ; step++) {
            List<DescriptorChannel> pair = DescriptorChannel.pair("seal");
            try (DescriptorChannel out = pair.get(0);
                    DescriptorChannel in = pair.get(1)) {
                vmm.share(vm.id(), out);
                Host start = Host.now();
                try (FaultPoints.Plan plan = FaultPoints.failAt(step, Errno.ENOMEM);
                        AttachedMemory attached = GuestMemory.attach(in, MAP, true)) {
                    long sealed = attached.slots().stream()
                            .filter(slot -> slot.mapping().sealed())
                            .count();
                    assertEquals(plan.fired() ? 2 : 3, sealed, "later seals are refused one at a time");
                    wholly++;
                    if (!plan.fired()) break;
                } catch (IOException | OutOfMemoryError expected) {
                    failures++;
                    assertEquals(start.mappings(), Host.now().mappings());
                    assertEquals(start.objects(), Host.now().objects());
                }
            }
        }
        assertEquals(3, wholly, "two with a later seal refused, one with none");
        assertThat(failures).isGreaterThan(10);
        vm.close();
        here.close();
        there.close();
        before = Host.now(); // sealed mappings stay as long as this process
    }

    @Test
    void p3_theObjectIsHeldWhileOthersTerminateTheMachine() throws Exception {
        int shared = 0, gone = 0;
        for (int round = 0; round < 300; round++) {
            VirtualMachine victim = vmm.create(VmConfig.of("victim", MAP));
            victim.memory().putLong(8 * M, round);
            int id = victim.id();
            FutureTask<Void> end = new FutureTask<>(victim::close, null);
            Thread.ofPlatform().daemon().start(end);
            if (round % 3 == 0) Thread.yield();
            try {
                vmm.share(id, here);
                try (AttachedMemory other = GuestMemory.attach(there, MAP, false)) {
                    assertEquals(round, other.memory().getLong(8 * M), "the pages are there, whole");
                    shared++;
                }
            } catch (NoSuchVmException e) {
                gone++;
            }
            end.get();
        }
        assertEquals(300, shared + gone);
        assertThat(shared).as("rounds in which the share came first").isPositive();
    }

    @Test
    void aMachineThatIsNotThereCannotBeShared() {
        assertThrows(NoSuchVmException.class, () -> vmm.share(vm.id() + 1, here));
        here.close();
        assertThatThrownBy(() -> GuestMemory.attach(there, MAP, false))
                .isInstanceOf(ProtocolException.class)
                .hasMessageContaining("may have ended");
    }

    private byte[] message() throws IOException {
        vmm.share(vm.id(), here);
        try (DescriptorChannel.Message message = there.receive(MemoryOffer.BYTES, 16)) {
            return message.bytes();
        }
    }

    private void offer(byte[] bytes, int... descriptors) throws IOException {
        here.send(bytes, descriptors);
    }

    @Test
    void aPeerThatLiesIsRefused() throws IOException {
        byte[] good = message();
        int[] descriptors =
                vm.slots().stream().mapToInt(slot -> slot.object().descriptor()).toArray();
        Host start = Host.now();
        record Lie(int offset, int value, String word) {}
        for (Lie lie : List.of(
                new Lie(0, 0, "does not offer"),
                new Lie(4, 2, "version 2"),
                new Lie(12, 0, "0 memory ranges"),
                new Lie(12, 17, "17 memory ranges"),
                new Lie(12, -1, "-1 memory ranges"),
                new Lie(16, 0, "name"),
                new Lie(80, 1, "multiple of 4096"),
                new Lie(80 + 8, 0, "size 0"),
                new Lie(80 + 16, 3, "type 3"),
                new Lie(80 + 24, 0, "overlaps"),
                new Lie(80 + 8 + 4, 0x7fffffff, "address width"),
                new Lie(80 + 48 + 16, 2, "3 descriptors for 2"),
                new Lie(80 + 8, (int) (M + P), "size"))) {
            byte[] bad = good.clone();
            ByteBuffer.wrap(bad).order(ByteOrder.LITTLE_ENDIAN).putInt(lie.offset(), lie.value());
            offer(bad, descriptors);
            assertThatThrownBy(() -> GuestMemory.attach(there, null, false))
                    .as(lie.toString())
                    .hasMessageContaining(lie.word());
            start.assertUnchanged(lie.toString());
        }
        offer(good, descriptors[0], descriptors[1]);
        assertThatThrownBy(() -> GuestMemory.attach(there, null, false))
                .isInstanceOf(ProtocolException.class)
                .hasMessageContaining("2 descriptors for 3");
        offer(good, descriptors[2], descriptors[1], descriptors[0]);
        assertThatThrownBy(() -> GuestMemory.attach(there, null, false))
                .as("sizes that do not fit")
                .isInstanceOf(UntrustedMemoryException.class);
        offer(good, descriptors);
        GuestMemory.attach(there, null, false).close();
        start.assertUnchanged("all of it");
        here.send(new byte[10]);
        here.close();
        assertThatThrownBy(() -> GuestMemory.attach(there, null, false)).isInstanceOf(EOFException.class);
    }

    /** Whoever could shorten the file later could make every access to it a SIGBUS. */
    @Test
    void memoryThatItsSenderCouldShrinkIsRefused() throws IOException {
        byte[] good = message();
        int loose = MemoryCalls.memfdCreate("loose", MemoryCalls.MFD_CLOEXEC | MemoryCalls.MFD_ALLOW_SEALING);
        Descriptors.ftruncate("loose", loose, M);
        int[] descriptors =
                vm.slots().stream().mapToInt(slot -> slot.object().descriptor()).toArray();
        offer(good, loose, descriptors[1], descriptors[2]);
        assertThatThrownBy(() -> GuestMemory.attach(there, null, false))
                .isInstanceOf(UntrustedMemoryException.class)
                .hasMessageContaining("shrinking");
        Descriptors.close(loose);
    }
}
