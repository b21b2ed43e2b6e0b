package org.nestorvm.vmm;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.nestorvm.vmm.MemoryRange.Type.RAM;

import java.io.IOException;
import java.util.BitSet;
import java.util.concurrent.FutureTask;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.nestorvm.paging.EntryFormat;

@Timeout(60)
class DirtyLogTest {
    private static final long M = 1 << 20, BASE = 4 * M, SIZE = M;
    private static final MemoryMap MAP = MemoryMap.of(new MemoryRange(0, M, RAM), new MemoryRange(BASE, SIZE, RAM));

    private final Vmm vmm = new Vmm();

    static java.util.stream.Stream<EntryFormat> formats() {
        return NestedFaultTest.formats();
    }

    /** The guest of these tests does nothing by itself: the test takes it in hand. */
    private VirtualMachine machine(EntryFormat format, ScriptedEngine.Guest[] hand) throws IOException {
        ScriptedEngine engine = new ScriptedEngine((guest, bus) -> {
            hand[guest.index] = guest;
            return new Exit.Halt();
        });
        VirtualMachine vm = vmm.create(VmConfig.of("log", MAP)
                .withFormat(format)
                .withVcpus(hand.length)
                .withEngine(engine, ScriptedEngine.options()));
        for (Vcpu vcpu : vm.vcpus()) vcpu.run(GuestBus.EMPTY);
        return vm;
    }

    @ParameterizedTest
    @MethodSource("formats")
    void writesOfEveryKindAreToldOnce(EntryFormat format) throws IOException {
        ScriptedEngine.Guest[] hand = new ScriptedEngine.Guest[2];
        try (VirtualMachine vm = machine(format, hand)) {
            MemorySlot slot = vm.slots().get(1);
            hand[0].store(BASE, 1);
            hand[1].load(BASE);
            vm.startDirtyLog(slot);
            assertThat(BitSet.valueOf(vm.collectDirty(slot)).isEmpty()).isTrue();
            hand[0].store(BASE + 8, 2); // was writable before
            hand[0].load(BASE + 4096); // read only: not there before
            hand[1].store(BASE + 2 * 4096, 3); // not there before
            hand[1].load(BASE + 3 * 4096);
            hand[1].store(BASE + 3 * 4096, 4); // read, then written
            vm.memory().putLong(BASE + 5 * 4096, 5); // a device
            vm.memory().write(BASE + 8 * 4096 - 4, new byte[8], 0, 8); // over a border of pages
            vm.memory().view(BASE + 10 * 4096, 8);
            vm.memory().markDirty(BASE + 11 * 4096, 1);
            hand[0].store(SIZE - 4096, 6); // another slot
            hand[0].store(BASE + SIZE - 8, 7); // the last page
            assertEquals(
                    "{0, 2, 3, 5, 7, 8, 11, 255}",
                    BitSet.valueOf(vm.collectDirty(slot)).toString());
            assertEquals("{}", BitSet.valueOf(vm.collectDirty(slot)).toString());
            hand[1].store(BASE, 8);
            assertEquals("{0}", BitSet.valueOf(vm.collectDirty(slot)).toString());
            vm.stopDirtyLog(slot);
            assertEquals(NestedFaultHandler.RESIDENT, hand[0].store(BASE, 9));
            assertEquals(9, hand[1].load(BASE));
            assertThrows(IllegalStateException.class, () -> vm.collectDirty(slot));
        }
    }

    @Test
    void logsOfSlotsAreTheirOwn() throws IOException {
        ScriptedEngine.Guest[] hand = new ScriptedEngine.Guest[1];
        try (VirtualMachine vm = machine(EntryFormat.EPT, hand)) {
            for (MemorySlot slot : vm.slots()) vm.startDirtyLog(slot);
            assertThrows(
                    IllegalStateException.class,
                    () -> vm.startDirtyLog(vm.slots().getFirst()));
            vm.memory().putInt(0, 1);
            hand[0].store(BASE + 4096, 1);
            assertEquals(
                    "{0}", BitSet.valueOf(vm.collectDirty(vm.slots().get(0))).toString());
            vm.stopDirtyLog(vm.slots().get(0));
            assertEquals(
                    "{1}", BitSet.valueOf(vm.collectDirty(vm.slots().get(1))).toString());
        }
    }

    /**
     * A migration: two processors count up in the pages while the test copies what the log names, round after round.
     * When they have stopped, one more round makes the copy equal. A write that the log lost would show as a
     * difference.
     */
    @ParameterizedTest
    @MethodSource("formats")
    void noWriteIsLostWhileTheLogIsCollected(EntryFormat format) throws Exception {
        ScriptedEngine.Guest[] hand = new ScriptedEngine.Guest[2];
        byte[] copy = new byte[(int) SIZE];
        int pages = (int) (SIZE >> 12);
        try (VirtualMachine vm = machine(format, hand)) {
            MemorySlot slot = vm.slots().get(1);
            vm.startDirtyLog(slot);
            vm.memory().read(BASE, copy, 0, copy.length);
            FutureTask<?>[] writers = new FutureTask<?>[2];
            long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(1);
            for (int w = 0; w < 2; w++) {
                ScriptedEngine.Guest guest = hand[w];
                writers[w] = new FutureTask<>(() -> {
                    java.util.Random random = new java.util.Random(guest.index);
                    for (long n = 1; System.nanoTime() < end; n++)
                        guest.store(BASE + random.nextInt(pages) * 4096L + 8 * guest.index, n);
                    return null;
                });
                Thread.ofPlatform().daemon().start(writers[w]);
            }
            int rounds = 0, told = 0;
            while (System.nanoTime() < end) {
                told += copyDirty(vm, slot, copy);
                rounds++;
                if (rounds % 8 == 0) vm.discard(BASE + SIZE / 2, 4096); // pulls a page away beneath both
                if (rounds % 8 == 0) vm.memory().markDirty(BASE + SIZE / 2, 4096);
            }
            for (FutureTask<?> writer : writers) writer.get();
            copyDirty(vm, slot, copy);
            byte[] now = new byte[copy.length];
            vm.memory().read(BASE, now, 0, now.length);
            assertThat(copy).isEqualTo(now);
            assertThat(rounds).isGreaterThan(5);
            assertThat(told).isGreaterThan(pages);
        }
    }

    private static int copyDirty(VirtualMachine vm, MemorySlot slot, byte[] copy) {
        BitSet dirty = BitSet.valueOf(vm.collectDirty(slot));
        dirty.stream().forEach(page -> vm.memory().read(BASE + page * 4096L, copy, page * 4096, 4096));
        return dirty.cardinality();
    }
}
