package org.nestorvm.vmm;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.nestorvm.vmm.MemoryRange.Type.MMIO;
import static org.nestorvm.vmm.MemoryRange.Type.RAM;
import static org.nestorvm.vmm.MemoryRange.Type.RESERVED;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CyclicBarrier;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.nestorvm.memory.Pages;
import org.nestorvm.memory.sys.Errno;
import org.nestorvm.memory.sys.ErrnoException;
import org.nestorvm.memory.sys.FaultPoints;
import org.nestorvm.memory.sys.HostMemory;
import org.nestorvm.memory.sys.MemoryCalls;
import org.nestorvm.paging.Access;
import org.nestorvm.paging.EntryFormat;
import org.nestorvm.paging.NestedPageTable;
import org.nestorvm.paging.NestedWalk;
import org.nestorvm.paging.PageSize;

@Timeout(60)
class NestedFaultTest {
    private static final long K = 1 << 10, M = 1 << 20;
    private static final MemoryMap MAP = MemoryMap.of(
            new MemoryRange(0, 640 * K, RAM),
            new MemoryRange(640 * K, 384 * K, RESERVED),
            new MemoryRange(M, 3 * M, RAM),
            new MemoryRange(8 * M, M, MMIO),
            new MemoryRange(16 * M, M, RAM));

    private final Vmm vmm = new Vmm();
    private Host before;

    @BeforeEach
    void remember() {
        before = Host.now();
    }

    @AfterEach
    void nothingIsLeft() {
        assertThat(vmm.info()).isEmpty();
        before.assertUnchanged("the test");
    }

    static Stream<EntryFormat> formats() {
        return Stream.of(EntryFormat.EPT, EntryFormat.NPT);
    }

    private VirtualMachine machine(EntryFormat format) throws IOException {
        return vmm.create(VmConfig.of("faulty", MAP).withFormat(format));
    }

    /**
     * What a processor does on an access: a walk, and when that ends early, a fault with the exit information of the
     * format.
     */
    private static int access(VirtualMachine vm, long gpa, int access) {
        NestedWalk walk = new NestedWalk();
        NestedPageTable table = vm.nestedPageTable();
        if (table.walk(gpa, access, walk) != -1) return -1;
        return vm.nestedFaultHandler().handle(gpa, table.format().faultInfo(walk, access, true, true, false));
    }

    @ParameterizedTest
    @MethodSource("formats")
    void memoryIsEnteredWithAllRightsAndTheAccessSucceedsNextTime(EntryFormat format) throws IOException {
        try (VirtualMachine vm = machine(format)) {
            for (long gpa : new long[] {0, 640 * K - 1, 640 * K, M - 8, M + 12345, 4 * M - 1, 17 * M - 1}) {
                assertEquals(
                        NestedFaultHandler.RESIDENT,
                        access(vm, gpa, Access.READ),
                        () -> "gpa 0x" + Long.toHexString(gpa));
                NestedWalk walk = new NestedWalk();
                assertEquals(vm.memory().translate(gpa), vm.nestedPageTable().walk(gpa, Access.WRITE, walk));
                assertEquals(Access.ALL, walk.rights);
                assertEquals(vm.memory().translate(gpa), vm.nestedPageTable().walk(gpa, Access.EXECUTE, walk));
            }
        }
    }

    @ParameterizedTest
    @MethodSource("formats")
    void everyKindOfAccessBringsAPageIn(EntryFormat format) throws IOException {
        try (VirtualMachine vm = machine(format)) {
            assertEquals(NestedFaultHandler.RESIDENT, access(vm, M, Access.READ));
            assertEquals(NestedFaultHandler.RESIDENT, access(vm, M + 4096, Access.WRITE));
            assertEquals(NestedFaultHandler.RESIDENT, access(vm, M + 8192, Access.EXECUTE));
            assertEquals(NestedFaultHandler.RESIDENT, access(vm, M + 12288, Access.READ | Access.WRITE));
            assertEquals(4, vm.nestedPageTable().residentCount());
        }
    }

    @ParameterizedTest
    @MethodSource("formats")
    void deviceRangesAndHolesAreToldApartAndEnterNothing(EntryFormat format) throws IOException {
        try (VirtualMachine vm = machine(format)) {
            for (int access : new int[] {Access.READ, Access.WRITE, Access.EXECUTE}) {
                for (long gpa : new long[] {8 * M, 9 * M - 1})
                    assertEquals(NestedFaultHandler.MMIO, access(vm, gpa, access));
                for (long gpa : new long[] {4 * M, 8 * M - 1, 9 * M, 16 * M - 1, 17 * M, 1L << 40, (1L << 48) - 1})
                    assertEquals(NestedFaultHandler.HOLE, access(vm, gpa, access));
            }
            assertEquals(0, vm.nestedPageTable().residentCount());
        }
    }

    @ParameterizedTest
    @MethodSource("formats")
    void protectionThatSomebodyElseMadeIsReported(EntryFormat format) throws IOException {
        try (VirtualMachine vm = machine(format)) {
            access(vm, M, Access.READ);
            vm.nestedPageTable().writeProtect(M, 4096);
            assertEquals(-1, access(vm, M, Access.READ), "reads go on");
            assertEquals(NestedFaultHandler.PROTECTION, access(vm, M, Access.WRITE));
            assertEquals(-1, access(vm, M, Access.EXECUTE));
        }
    }

    @ParameterizedTest
    @MethodSource("formats")
    void faultWhoseCauseIsGoneByNowIsRetried(EntryFormat format) throws IOException {
        try (VirtualMachine vm = machine(format)) {
            access(vm, M, Access.READ);
            vm.nestedPageTable().writeProtect(M, 4096);
            NestedWalk walk = new NestedWalk();
            assertEquals(-1, vm.nestedPageTable().walk(M, Access.WRITE, walk));
            long info = format.faultInfo(walk, Access.WRITE, true, true, false);
            vm.nestedPageTable().enter(M, vm.memory().translate(M), PageSize.SIZE_4K, Access.ALL);
            assertEquals(
                    NestedFaultHandler.RESIDENT,
                    vm.nestedFaultHandler().handle(M, info),
                    "another processor was faster");
            vm.nestedPageTable().remove(M, 4096);
            assertEquals(
                    NestedFaultHandler.RESIDENT,
                    vm.nestedFaultHandler().handle(M, info),
                    "the page went away: it comes back");
            assertEquals(vm.memory().translate(M), vm.nestedPageTable().extract(M));
        }
    }

    @ParameterizedTest
    @MethodSource("formats")
    void damagedEntryIsReported(EntryFormat format) throws IOException {
        try (VirtualMachine vm = machine(format)) {
            NestedWalk walk = new NestedWalk();
            walk.misconfigured = true;
            assertEquals(
                    NestedFaultHandler.MISCONFIGURED,
                    vm.nestedFaultHandler().handle(M, format.faultInfo(walk, Access.READ, true, true, false)));
        }
    }

    @ParameterizedTest
    @MethodSource("formats")
    void p7_pageNOfTheGuestIsPageNOfTheObjectWhicheverThreadFaults(EntryFormat format) throws Exception {
        try (VirtualMachine vm = machine(format);
                ExecutorService threads = Executors.newFixedThreadPool(3)) {
            List<Future<?>> done = new ArrayList<>();
            for (int t = 0; t < 3; t++) {
                int first = t;
                done.add(threads.submit(() -> {
                    for (MemorySlot slot : vm.slots())
                        for (long page = first; page < slot.sizeBytes() >> 12; page += 3) {
                            access(vm, slot.gpa() + (page << 12), Access.WRITE);
                            HostMemory.putLong(
                                    vm.nestedPageTable().extract(slot.gpa() + (page << 12)), slot.gpa() + page);
                        }
                }));
            }
            for (Future<?> future : done) future.get();
            for (MemorySlot slot : vm.slots())
                for (long page = 0; page < slot.sizeBytes() >> 12; page++) {
                    assertEquals(
                            slot.hostAddress() + (page << 12),
                            vm.nestedPageTable().extract(slot.gpa() + (page << 12)));
                    assertEquals(slot.gpa() + page, vm.memory().getLong(slot.gpa() + (page << 12)));
                }
        }
    }

    @ParameterizedTest
    @MethodSource("formats")
    void manyThreadsThatFaultOnTheSamePagesEnterEachOnce(EntryFormat format) throws Exception {
        int threads = 4;
        try (VirtualMachine vm = machine(format);
                ExecutorService pool = Executors.newFixedThreadPool(threads)) {
            CyclicBarrier start = new CyclicBarrier(threads);
            List<Future<?>> done = new ArrayList<>();
            for (int t = 0; t < threads; t++)
                done.add(pool.submit(() -> {
                    start.await();
                    for (long gpa = M; gpa < 4 * M; gpa += 4096)
                        assertThat(access(vm, gpa, Access.WRITE)).isLessThanOrEqualTo(NestedFaultHandler.RESIDENT);
                    return null;
                }));
            for (Future<?> future : done) future.get();
            assertEquals(3 * M / 4096, vm.nestedPageTable().residentCount());
        }
    }

    /**
     * P8, P9 and P10 here: what is reachable is revoked before it is reused, the count returns to where it was, and an
     * error in a fault touches nobody else.
     */
    @Test
    void p8_discardReachesEveryProcessorBeforeItReturns() throws IOException {
        List<ScriptedEngine.Guest> guests = new ArrayList<>();
        ScriptedEngine engine = new ScriptedEngine((guest, bus) -> {
            guests.add(guest);
            assertEquals(NestedFaultHandler.RESIDENT, guest.store(M + 8 * guest.index, 7));
            return new Exit.Halt();
        });
        try (VirtualMachine vm =
                vmm.create(VmConfig.of("balloon", MAP).withVcpus(2).withEngine(engine, ScriptedEngine.options()))) {
            for (Vcpu vcpu : vm.vcpus()) vcpu.run(GuestBus.EMPTY);
            assertEquals(4096, vm.info().residentBytes());
            long before = engine.invalidations.get();
            vm.discard(M, 4096);
            assertTrue(engine.invalidations.get() > before, "the processors were told");
            assertEquals(0, vm.info().residentBytes());
            assertEquals(0, vm.info().enteredBytes());
            for (ScriptedEngine.Guest guest : guests)
                assertEquals(0, guest.load(M + 8 * guest.index), "a new page, of zeros");
        }
    }

    @Test
    void p9_residentAndEnteredReturnToNothing() throws IOException {
        try (VirtualMachine vm = machine(EntryFormat.EPT)) {
            for (long gpa = M; gpa < 2 * M; gpa += 4096) access(vm, gpa, Access.WRITE);
            assertEquals(M, vm.info().residentBytes());
            vm.discard(M, M);
            assertEquals(0, vm.info().residentBytes());
            assertEquals(0, vm.info().enteredBytes());
        }
    }

    /**
     * Faults that a discard overtakes must not leave an entry for a page that is gone. Rounds of a race, each looked at
     * when it has come to rest.
     */
    @Test
    void p9_whatIsEnteredIsResidentWhateverRacedWithADiscard() throws Exception {
        try (VirtualMachine vm = machine(EntryFormat.NPT);
                ExecutorService threads = Executors.newFixedThreadPool(2)) {
            int overtaken = 0;
            for (int round = 0; round < 150; round++) {
                AtomicBoolean stop = new AtomicBoolean();
                CyclicBarrier start = new CyclicBarrier(3);
                List<Future<?>> done = new ArrayList<>();
                for (int t = 0; t < 2; t++)
                    done.add(threads.submit(() -> {
                        start.await();
                        while (!stop.get())
                            for (long gpa = M; gpa < M + 32 * 4096; gpa += 4096) access(vm, gpa, Access.WRITE);
                        return null;
                    }));
                start.await();
                for (int i = 0; i < 20; i++) vm.discard(M, 32 * 4096);
                stop.set(true);
                for (Future<?> future : done) future.get();
                VmInfo info = vm.info();
                assertThat(info.enteredBytes())
                        .as("bytes entered, round " + round)
                        .isLessThanOrEqualTo(info.residentBytes());
                if (info.enteredBytes() < 32 * 4096) overtaken++;
                vm.discard(M, 32 * 4096);
            }
            assertThat(vm.nestedFaultHandler().faultCount())
                    .as("faults; rounds that ended in the middle: " + overtaken)
                    .isGreaterThan(1_000);
        }
    }

    @Test
    void p12_whatABalloonGivesIsCutToWholePages() throws IOException {
        try (VirtualMachine vm = machine(EntryFormat.EPT)) {
            for (long gpa = M; gpa < 2 * M; gpa += 4096) access(vm, gpa, Access.WRITE);
            vm.discardWithin(M + 4096, 2 * 4096);
            assertEquals(M - 2 * 4096, vm.info().residentBytes());
            vm.discardWithin(M + 8 * 4096 + 1, 2 * 4096);
            assertEquals(M - 3 * 4096, vm.info().residentBytes());
            vm.discardWithin(M + 16 * 4096 + 1, 4096);
            vm.discardWithin(M, 4095);
            assertEquals(M - 3 * 4096, vm.info().residentBytes());
            assertEquals(M - 3 * 4096, vm.info().enteredBytes());
            for (long[] bad : new long[][] {{4 * M, 4096}, {4 * M - 4096, 8192}, {M, 0}, {M, -4096}})
                org.junit.jupiter.api.Assertions.assertThrows(
                        GuestAddressException.class, () -> vm.discardWithin(bad[0], bad[1]));
        }
    }

    @ParameterizedTest
    @MethodSource("formats")
    void aPageThatIsUnmappedKeepsItsContentAndFaultsAgain(EntryFormat format) throws IOException {
        try (VirtualMachine vm = machine(format)) {
            for (int i = 0; i < 3; i++) access(vm, M + i * 4096, Access.WRITE);
            vm.memory().putLong(M + 4096, 42);
            long faults = vm.nestedFaultHandler().faultCount();
            vm.unmapPage(M + 4096 + 123);
            assertEquals(-1, vm.nestedPageTable().extract(M + 4096));
            assertEquals(vm.memory().translate(M), vm.nestedPageTable().extract(M));
            assertEquals(
                    vm.memory().translate(M + 2 * 4096), vm.nestedPageTable().extract(M + 2 * 4096));
            access(vm, M + 4096, Access.READ);
            assertEquals(faults + 1, vm.nestedFaultHandler().faultCount());
            assertEquals(42, vm.memory().getLong(M + 4096));
            for (long nowhere : new long[] {4 * M, 0xfee00000L, -1}) vm.unmapPage(nowhere);
        }
    }

    @Test
    void discardIsOfWholePagesInsideOneRange() throws IOException {
        try (VirtualMachine vm = machine(EntryFormat.EPT)) {
            for (long[] bad : new long[][] {
                {4 * M, 4096}, {4 * M - 4096, 8192}, {8 * M, 4096}, {M, 0}, {M, -4096}, {640 * K - 4096, 8192}
            })
                org.junit.jupiter.api.Assertions.assertThrows(
                        GuestAddressException.class, () -> vm.discard(bad[0], bad[1]));
            org.junit.jupiter.api.Assertions.assertThrows(
                    IllegalArgumentException.class, () -> vm.discard(M + 1, 4096));
            org.junit.jupiter.api.Assertions.assertThrows(IllegalArgumentException.class, () -> vm.discard(M, 4097));
        }
    }

    @ParameterizedTest
    @MethodSource("formats")
    void p11_aMomentWithoutMemoryIsARetry(EntryFormat format) throws IOException {
        try (VirtualMachine vm = machine(format)) {
            for (int step = 1; ; step++) {
                long gpa = M + step * 4096L;
                try (FaultPoints.Plan plan = FaultPoints.failAt(step, Errno.ENOMEM)) {
                    assertEquals(NestedFaultHandler.RESIDENT, access(vm, gpa, Access.WRITE), () -> "step " + plan);
                    if (!plan.fired()) {
                        assertTrue(step > 1, "a fault takes at least one step that can fail");
                        break;
                    }
                }
                assertEquals(vm.memory().translate(gpa), vm.nestedPageTable().extract(gpa));
            }
        }
    }

    /**
     * The host refuses the page for longer than a fault waits: nothing has changed, the guest lives, and later it goes
     * on.
     */
    @Test
    void p11_aLastingShortageIsReportedAndLeavesNothingBehind() throws IOException {
        try (VirtualMachine vm = machine(EntryFormat.EPT)) {
            long gpa = M + 5 * 4096;
            MemoryCalls.mprotect("guest memory", vm.memory().translate(gpa), 4096, MemoryCalls.PROT_NONE);
            long start = System.nanoTime();
            assertEquals(NestedFaultHandler.SHORTAGE, access(vm, gpa, Access.WRITE));
            assertThat(System.nanoTime() - start)
                    .as("ns of patience")
                    .isBetween(NestedFaultHandler.PATIENCE_MS * 900_000, NestedFaultHandler.PATIENCE_MS * 10_000_000);
            assertEquals(0, vm.nestedPageTable().residentCount());
            assertEquals(
                    NestedFaultHandler.RESIDENT, access(vm, gpa + 4096, Access.WRITE), "other pages do not suffer");
            MemoryCalls.mprotect(
                    "guest memory", vm.memory().translate(gpa), 4096, MemoryCalls.PROT_READ | MemoryCalls.PROT_WRITE);
            assertEquals(NestedFaultHandler.RESIDENT, access(vm, gpa, Access.WRITE));
        }
    }

    /**
     * An entry holds a host-virtual address, so the frame behind it may move or be swapped and nobody need be told. The
     * host is asked to do both: to write back and drop all of the memory's frames, and, where the test may, to compact
     * memory, which moves frames.
     */
    @Test
    void p8_theHostMayMoveFramesBehindEntries() throws IOException {
        int pageOut = 21; // MADV_PAGEOUT, asm-generic/mman-common.h
        try (VirtualMachine vm = machine(EntryFormat.EPT)) {
            MemorySlot slot = vm.slots().get(2);
            for (long gpa = slot.gpa(); gpa < slot.range().end(); gpa += 4096) {
                access(vm, gpa, Access.WRITE);
                HostMemory.putLong(vm.nestedPageTable().extract(gpa), gpa ^ 0x1234567);
            }
            for (int round = 0; round < 3; round++) {
                MemoryCalls.tryMadvise(slot.hostAddress(), slot.sizeBytes(), pageOut);
                java.nio.file.Path compact = java.nio.file.Path.of("/proc/sys/vm/compact_memory");
                if (round == 0 && java.nio.file.Files.isWritable(compact))
                    java.nio.file.Files.writeString(compact, "1");
                for (long gpa = slot.gpa(); gpa < slot.range().end(); gpa += 4096) {
                    assertEquals(
                            gpa ^ 0x1234567,
                            HostMemory.getLong(vm.nestedPageTable().extract(gpa)));
                    assertEquals(-1, access(vm, gpa, Access.WRITE), "no new fault");
                }
            }
        }
    }

    /** Where the host has huge pages in reserve, one fault enters 2 MiB. */
    @ParameterizedTest
    @MethodSource("formats")
    void hugePagesOfTheHostAreEnteredWhole(EntryFormat format) throws IOException {
        MemoryMap map = MemoryMap.of(new MemoryRange(4 * M, 4 * M, RAM));
        try (VirtualMachine vm =
                vmm.create(VmConfig.of("huge", map).withFormat(format).withPages(Pages.HUGE_2M))) {
            assertEquals(NestedFaultHandler.RESIDENT, access(vm, 5 * M, Access.READ));
            NestedWalk walk = new NestedWalk();
            assertEquals(vm.memory().translate(6 * M - 1), vm.nestedPageTable().lookup(6 * M - 1, walk));
            assertEquals(PageSize.SIZE_2M.shift, walk.pageShift);
            assertEquals(512, vm.nestedPageTable().residentCount());
            MemorySlot slot = vm.slots().getFirst();
            vm.startDirtyLog(slot);
            assertEquals(
                    NestedFaultHandler.RESIDENT, access(vm, 5 * M, Access.WRITE), "the whole page counts as written");
            assertEquals(512, java.util.BitSet.valueOf(vm.collectDirty(slot)).cardinality());
            vm.stopDirtyLog(slot);
            vm.discardWithin(4 * M + 4096, 2 * M - 4096);
            assertEquals(2 * M, vm.info().residentBytes(), "a part of a huge page does not go");
            vm.discard(4 * M, 2 * M);
            assertEquals(0, vm.info().residentBytes());
        } catch (ErrnoException e) {
            Assumptions.assumeTrue(
                    e.errno() != Errno.ENOMEM && e.errno() != Errno.EINVAL,
                    "this host has no huge pages in reserve (vm.nr_hugepages): " + e.getMessage());
            throw e;
        }
    }

    @Test
    void p10_aFaultThatFailsLeavesOtherProcessorsAlone() throws IOException {
        try (VirtualMachine vm = machine(EntryFormat.EPT)) {
            access(vm, 16 * M, Access.WRITE);
            long entry = vm.nestedPageTable().extract(16 * M);
            try (FaultPoints.Plan plan = FaultPoints.failAt(1, Errno.ENOMEM)) {
                access(vm, M, Access.WRITE);
                assertTrue(plan.fired());
            }
            assertEquals(entry, vm.nestedPageTable().extract(16 * M));
            assertEquals(2, vm.nestedPageTable().residentCount());
            assertNotEquals(-1, entry);
        }
    }

    @ParameterizedTest
    @MethodSource("formats")
    void p12_removeNeverTouchesTheNextPage(EntryFormat format) throws IOException {
        try (VirtualMachine vm = machine(format)) {
            long page = M + 100 * 4096;
            for (int i = -1; i <= 1; i++) access(vm, page + i * 4096, Access.WRITE);
            for (long gpa : new long[] {640 * K - 4096, 640 * K}) {
                access(vm, gpa, Access.WRITE);
                vm.memory().putLong(gpa, 0x1122334455667788L);
            }
            vm.memory().putLong(page + 4096, 42);
            vm.discard(page, 4096);
            assertEquals(-1, vm.nestedPageTable().extract(page));
            assertEquals(
                    vm.memory().translate(page - 4096), vm.nestedPageTable().extract(page - 4096));
            assertEquals(
                    vm.memory().translate(page + 4096), vm.nestedPageTable().extract(page + 4096));
            assertEquals(42, vm.memory().getLong(page + 4096));
            vm.discard(0, 640 * K);
            assertEquals(-1, vm.nestedPageTable().extract(640 * K - 4096));
            assertEquals(
                    vm.memory().translate(640 * K),
                    vm.nestedPageTable().extract(640 * K),
                    "the first page of the range that adjoins");
            assertEquals(0x1122334455667788L, vm.memory().getLong(640 * K));
        }
    }
}
