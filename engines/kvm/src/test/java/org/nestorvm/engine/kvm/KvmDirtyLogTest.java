package org.nestorvm.engine.kvm;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.UncheckedIOException;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.FutureTask;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.nestorvm.vmm.CpuState;
import org.nestorvm.vmm.EngineOptions.Interrupts;
import org.nestorvm.vmm.Exit;
import org.nestorvm.vmm.InterruptController;
import org.nestorvm.vmm.MemoryMap;
import org.nestorvm.vmm.MemoryRange;
import org.nestorvm.vmm.MemorySlot;

/** The dirty log as the kernel's bitmap and as rings of the processors: the same answers from both. */
@Timeout(60)
final class KvmDirtyLogTest {
    private static final int PAGE = 4096, FIRST = 0x200, RING_BYTES = 16 << 10;
    /** mov [edi], eax; add edi, 1000h; loop; hlt: writes ECX pages from EDI on. */
    private static final int[] WRITE_PAGES = {0x89, 0x07, 0x81, 0xc7, 0x00, 0x10, 0, 0, 0xe2, 0xf6, 0xf4};
    /** again: mov edi, ebx; mov ecx, esi; next: inc dword [edi]; add edi, 1000h; loop next; jmp again. */
    private static final int[] COUNT_FOR_EVER = {
        0x89, 0xdf, 0x89, 0xf1, 0xff, 0x07, 0x81, 0xc7, 0x00, 0x10, 0, 0, 0xe2, 0xf6, 0xeb, 0xf0
    };

    enum Log {
        BITMAP,
        RING
    }

    private static Guest guest(Log log, int vcpus, int... code) throws Exception {
        Guest.assumeKvm();
        int ringBytes = log == Log.RING ? RING_BYTES : 0;
        if (ringBytes > KvmHost.get().dirtyRingBytes())
            System.out.println("skipped: this host's KVM has no dirty ring");
        assumeTrue(ringBytes <= KvmHost.get().dirtyRingBytes(), "skipped: no dirty ring");
        MemoryMap map = MemoryMap.of(
                new MemoryRange(0, Guest.RAM_BYTES, MemoryRange.Type.RAM),
                new MemoryRange(0x2000000, 0x100000, MemoryRange.Type.RAM));
        return Guest.on(
                new KvmEngine(false, ringBytes, true), map, vcpus, Interrupts.NONE, InterruptController.NONE, code);
    }

    private static void write(Guest guest, int firstPage, int pages) {
        guest.protectedMode(state -> {
            state.gpr[CpuState.RDI] = (long) firstPage * PAGE;
            state.gpr[CpuState.RCX] = pages;
        });
        assertEquals(new Exit.HaltForever(), guest.run());
    }

    private static List<Integer> pages(long[] words) {
        List<Integer> pages = new ArrayList<>();
        for (int page = 0; page < 64 * words.length; page++) if ((words[page / 64] >>> page & 1) != 0) pages.add(page);
        return pages;
    }

    private static List<Integer> collect(Guest guest, MemorySlot slot) {
        return pages(guest.vm.collectDirty(slot));
    }

    @ParameterizedTest
    @EnumSource
    void whatGuestAndHostWriteIsToldOnce(Log log) throws Exception {
        try (Guest guest = guest(log, 1, WRITE_PAGES)) {
            MemorySlot slot = guest.vm.slots().get(0);
            write(guest, FIRST, 1);
            guest.vm.startDirtyLog(slot);
            for (int round = 0; round < 3; round++) {
                write(guest, FIRST, 1);
                write(guest, 0x445, 2);
                guest.vm.memory().putInt(0x300000, round);
                assertThat(collect(guest, slot))
                        .as("round " + round)
                        .contains(FIRST, 0x300, 0x445, 0x446)
                        .doesNotContain(FIRST + 1, 0x301, 0x447);
                assertThat(collect(guest, slot)).doesNotContain(FIRST, 0x300, 0x445);
            }
            guest.vm.stopDirtyLog(slot);
        }
    }

    @ParameterizedTest
    @EnumSource
    void eachSlotHasItsOwnLog(Log log) throws Exception {
        try (Guest guest = guest(log, 1, WRITE_PAGES)) {
            MemorySlot low = guest.vm.slots().get(0), high = guest.vm.slots().get(1);
            guest.vm.startDirtyLog(high);
            write(guest, 0x2000, 3);
            write(guest, FIRST, 3);
            assertThat(collect(guest, high)).containsExactly(0, 1, 2);
            guest.vm.startDirtyLog(low);
            write(guest, 0x2005, 1);
            write(guest, FIRST, 1);
            assertThat(collect(guest, low)).contains(FIRST).doesNotContain(FIRST + 1);
            assertThat(collect(guest, high)).containsExactly(5);
            write(guest, 0x2006, 1);
            guest.vm.stopDirtyLog(high);
            guest.vm.startDirtyLog(high);
            assertThat(collect(guest, high)).as("a new log begins empty").isEmpty();
            write(guest, 0x2006, 1);
            assertThat(collect(guest, high)).containsExactly(6);
        }
    }

    /**
     * The invariant that a migration lives by: whoever copies the pages that were told, and after the end those of a
     * last collection, has the memory.
     */
    @ParameterizedTest
    @EnumSource
    void aCopyKeptByTheLogIsTheMemory(Log log) throws Exception {
        int count = 700;
        try (Guest guest = guest(log, 1, COUNT_FOR_EVER)) {
            MemorySlot slot = guest.vm.slots().get(0);
            int[] copy = new int[(int) (Guest.RAM_BYTES / PAGE)];
            guest.vm.startDirtyLog(slot);
            guest.protectedMode(state -> {
                state.gpr[CpuState.RBX] = (long) FIRST * PAGE;
                state.gpr[CpuState.RSI] = count;
            });
            FutureTask<Exit> run = new FutureTask<>(guest::run);
            Thread.ofPlatform().daemon().start(run);
            try {
                for (int round = 0; round < 50; round++) update(guest, slot, copy);
                guest.vcpu().kick();
                Exit exit = run.get();
                if (log == Log.RING && wasOverrun(exit)) return;
                assertEquals(new Exit.Interrupted(), exit);
                update(guest, slot, copy);
            } catch (UncheckedIOException e) {
                if (log != Log.RING) throw e;
                assertThat(e).hasMessageContaining("overrun");
                guest.vcpu().kick();
                run.get();
                return;
            }
            for (int page = FIRST; page < FIRST + count; page++)
                assertEquals(guest.vm.memory().getInt((long) page * PAGE), copy[page], "page " + page);
        }
    }

    /** On a kernel that writes on where nobody has read the log fails, which is not to tell too little. */
    private static boolean wasOverrun(Exit exit) {
        if (!(exit instanceof Exit.InternalError error)) return false;
        assertThat(error.detail()).contains("overrun");
        return true;
    }

    private static void update(Guest guest, MemorySlot slot, int[] copy) {
        for (int page : collect(guest, slot)) copy[page] = guest.vm.memory().getInt((long) page * PAGE);
    }

    /** The guest leaves for the bus after each page, so that every kernel looks at the ring in time. */
    @Test
    void aFullRingIsEmptiedAndTheGuestGoesOn() throws Exception {
        try (Guest guest = guest(
                Log.RING, 1, 0x89, 0x07, 0xe6, 0x01, 0x81, 0xc7, 0x00, 0x10, 0, 0, 0xe2, 0xf4,
                0xf4)) { // as WRITE_PAGES, with out 1, al
            MemorySlot slot = guest.vm.slots().get(0);
            guest.vm.startDirtyLog(slot);
            write(guest, FIRST, 3000);
            assertThat(guest.kvm().dirtyRings().timesFull())
                    .as("a ring has 1,024 entries")
                    .isGreaterThanOrEqualTo(2);
            assertThat(collect(guest, slot))
                    .containsAll(IntStream.range(FIRST, FIRST + 3000).boxed().toList());
            write(guest, FIRST, 1);
            assertThat(collect(guest, slot))
                    .as("protected again")
                    .contains(FIRST)
                    .doesNotContain(FIRST + 1);
        }
    }

    /**
     * A guest that only writes fills a ring faster than some kernels look at it: the log is whole or fails, and nothing
     * hangs.
     */
    @Test
    void aRingThatWasOverrunFailsInsteadOfTellingTooLittle() throws Exception {
        try (Guest guest = guest(Log.RING, 1, WRITE_PAGES)) {
            MemorySlot slot = guest.vm.slots().get(0);
            guest.vm.startDirtyLog(slot);
            guest.protectedMode(state -> {
                state.gpr[CpuState.RDI] = (long) FIRST * PAGE;
                state.gpr[CpuState.RCX] = 3000;
            });
            Exit exit = guest.run();
            if (wasOverrun(exit)) return;
            List<Integer> told;
            try {
                told = collect(guest, slot);
            } catch (UncheckedIOException e) { // by the last pages, after the processor's last look at its ring
                assertThat(e).hasMessageContaining("overrun");
                return;
            }
            assertThat(told)
                    .containsAll(IntStream.range(FIRST, FIRST + 3000).boxed().toList());
        }
    }

    @Test
    void ringsLargerThanTheHostAllowsAreRefused() throws Exception {
        Guest.assumeKvm();
        assertThatThrownBy(() -> Guest.on(
                        new KvmEngine(false, 1 << 30, true),
                        MemoryMap.of(new MemoryRange(0, 1 << 20, MemoryRange.Type.RAM)),
                        1,
                        Interrupts.NONE,
                        InterruptController.NONE))
                .hasMessageContaining("1073741824")
                .hasMessageContaining(KvmEngine.DIRTY_LOG);
    }

    @Test
    void theBitmapCanBeClearedPieceByPiece() throws Exception {
        try (Guest guest = guest(Log.BITMAP, 1, WRITE_PAGES)) {
            KvmMemory memory = guest.kvm().memory();
            guest.kvm().clearDirtyByHand();
            memory.logDirtyPages(0, true);
            write(guest, FIRST, 1);
            write(guest, 0x445, 1);
            assertThat(pages(memory.dirtyPages(0))).contains(FIRST, 0x445).doesNotContain(FIRST + 1, 0x300);
            assertThat(pages(memory.dirtyPages(0))).as("not cleared by reading").contains(FIRST, 0x445);
            memory.clearDirty(0, FIRST / 64, new long[] {1});
            assertThat(pages(memory.dirtyPages(0))).contains(0x445).doesNotContain(FIRST);
            write(guest, FIRST, 1);
            assertThat(pages(memory.dirtyPages(0))).contains(FIRST, 0x445);
            memory.logDirtyPages(0, false);
        }
    }
}
