package org.nestorvm.vmm;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.nestorvm.vmm.MemoryRange.Type.MMIO;
import static org.nestorvm.vmm.MemoryRange.Type.RAM;
import static org.nestorvm.vmm.MemoryRange.Type.RESERVED;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.CyclicBarrier;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.nestorvm.memory.sys.Errno;
import org.nestorvm.memory.sys.FaultPoints;

@Timeout(120)
class LifeCycleTest {
    private static final long M = 1 << 20, G = 1 << 30;
    private static final MemoryMap MAP = MemoryMap.of(
            new MemoryRange(0, M, RAM),
            new MemoryRange(M, M, RESERVED),
            new MemoryRange(4 * M, M, MMIO),
            new MemoryRange(8 * M, 2 * M, RAM));

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

    @Test
    void infoTellsWhatIsThere() throws IOException {
        ScriptedEngine engine = new ScriptedEngine((guest, bus) -> {
            guest.store(8 * M, 1);
            return new Exit.Halt();
        });
        try (VirtualMachine vm = vmm.create(
                VmConfig.of("info", MAP).withOwner("anna").withVcpus(3).withEngine(engine, ScriptedEngine.options()))) {
            VmInfo fresh = vmm.info().getFirst();
            assertEquals(
                    new VmInfo(
                            vm.id(),
                            "info",
                            "anna",
                            ProcessHandle.current().pid(),
                            4 * M,
                            0,
                            0,
                            3,
                            List.of(Vcpu.State.STOPPED, Vcpu.State.STOPPED, Vcpu.State.STOPPED)),
                    fresh);
            vm.vcpu(1).run(GuestBus.EMPTY);
            vm.memory().putByte(0, (byte) 1);
            VmInfo used = vmm.info().getFirst();
            assertEquals(8192, used.residentBytes(), "one page by the guest, one by a device");
            assertEquals(4096, used.enteredBytes(), "of these the guest has reached one");
        }
    }

    @Test
    void namesThatAreNoneAreRefused() {
        for (String bad : new String[] {
            "", "1vm", "-vm", ".", "vm one", "vm/1", "vm\n", "vm\0", "\u00e4", "v\u00e4", "a".repeat(64)
        })
            assertThatThrownBy(() -> VmConfig.of(bad, MAP))
                    .as(bad)
                    .isInstanceOf(VmRefusedException.class)
                    .hasMessageContaining("name");
        assertThatThrownBy(() -> VmConfig.of("a".repeat(64), MAP))
                .hasMessageContaining("64 characters")
                .hasMessageContaining("63");
        assertThatThrownBy(() -> VmConfig.of("1vm", MAP))
                .hasMessageContaining("\"1vm\"")
                .hasMessageContaining("begin with a letter");
        assertThatThrownBy(() -> VmConfig.of(null, MAP)).isInstanceOf(VmRefusedException.class);
        for (String good : new String[] {"a", "Z", "vm1.example-host_2", "a".repeat(63)})
            assertEquals(good, VmConfig.of(good, MAP).name());
    }

    @ParameterizedTest
    @ValueSource(ints = {0, -1, 65, Integer.MAX_VALUE})
    void numbersOfProcessorsThatAreNoneAreRefused(int count) {
        assertThatThrownBy(() -> VmConfig.of("vm", MAP).withVcpus(count))
                .isInstanceOf(VmRefusedException.class)
                .hasMessageContaining("" + count)
                .hasMessageContaining("1 to 64");
    }

    @Test
    void sixtyFourProcessorsAreFine() throws IOException {
        ScriptedEngine engine = new ScriptedEngine(ScriptedEngine.HALT);
        try (VirtualMachine vm =
                vmm.create(VmConfig.of("vm", MAP).withVcpus(64).withEngine(engine, ScriptedEngine.options()))) {
            assertEquals(64, vm.vcpus().size());
            assertEquals(new Exit.Halt(), vm.vcpu(63).run(GuestBus.EMPTY));
        }
        assertEquals(0, engine.openVcpus.get());
    }

    @Test
    void p13_theLimitCountsAllMachinesOfAnOwner() throws IOException {
        vmm.limitMemory("anna", 10 * M);
        try (VirtualMachine first = vmm.create(VmConfig.of("first", MAP).withOwner("anna"));
                VirtualMachine second = vmm.create(VmConfig.of("second", MAP).withOwner("anna"))) {
            assertEquals(8 * M, vmm.memoryHeldBy("anna"));
            assertThatThrownBy(() -> vmm.create(VmConfig.of("third", MAP).withOwner("anna")))
                    .isInstanceOf(MemoryLimitException.class)
                    .hasMessageContaining("anna")
                    .hasMessageContaining("limit is 10485760")
                    .hasMessageContaining("4194304")
                    .hasMessageContaining("8388608");
            assertEquals(8 * M, vmm.memoryHeldBy("anna"));
            try (VirtualMachine other = vmm.create(VmConfig.of("other", MAP).withOwner("bert"))) {
                assertEquals(4 * M, vmm.memoryHeldBy(other.config().owner()));
            }
            second.close();
            vmm.create(VmConfig.of("third", MAP).withOwner("anna")).close();
            assertEquals(4 * M, vmm.memoryHeldBy(first.config().owner()));
        }
        assertEquals(0, vmm.memoryHeldBy("anna"));
        vmm.limitMemoryByDefault(4 * M - 1);
        assertThrows(
                MemoryLimitException.class,
                () -> vmm.create(VmConfig.of("vm", MAP).withOwner("carl")));
        vmm.limitMemory("carl", 4 * M);
        vmm.create(VmConfig.of("vm", MAP).withOwner("carl")).close();
    }

    @Test
    void p13_memoryCountsUntilTheLastReferenceIsGone() throws IOException {
        VirtualMachine vm = vmm.create(VmConfig.of("held", MAP).withOwner("anna"));
        try (VmReference reference = vm.reference()) {
            vm.close();
            assertEquals(4 * M, vmm.memoryHeldBy("anna"));
            reference.vm().memory().putLong(8 * M, 7);
            assertEquals(7, reference.vm().memory().getLong(8 * M));
        }
        assertEquals(0, vmm.memoryHeldBy("anna"));
    }

    static List<Long> sizes() {
        return MemoryMapTest.acceptedSizes().toList();
    }

    @ParameterizedTest
    @MethodSource("sizes")
    void p15_p16_everySizeThatIsAcceptedStarts(long size) throws IOException {
        MemoryMap map = MemoryMap.pc(size);
        try (VirtualMachine vm = vmm.create(VmConfig.of("size", map))) {
            assertEquals(size, vmm.info().getFirst().totalBytes());
            for (MemoryRange range : map.ranges()) {
                if (!range.isMemory()) continue;
                vm.memory().putByte(range.end() - 1, (byte) 1);
                assertEquals(1, vm.memory().getByte(range.end() - 1));
            }
        }
    }

    private static long residentKb() throws IOException {
        for (String line : Files.readAllLines(Path.of("/proc/self/status")))
            if (line.startsWith("RssAnon:")) return Long.parseLong(line.replaceAll("\\D", ""));
        throw new AssertionError("no RssAnon");
    }

    /** Ten thousand machines made and ended, and as many that fail somewhere in the middle. */
    @Test
    void p17_tenThousandRoundsOfCreateAndOfFailureLeaveNothing() throws IOException {
        ScriptedEngine engine = new ScriptedEngine(ScriptedEngine.HALT);
        VmConfig config = VmConfig.of("round", MAP).withVcpus(2).withEngine(engine, ScriptedEngine.options());
        int steps;
        try (FaultPoints.Plan plan = FaultPoints.count()) {
            vmm.create(config).close();
            steps = plan.reached();
        }
        assertThat(steps).isGreaterThan(10);
        long kb = 0;
        for (int round = 0; round < 10_000; round++) {
            if (round == 2_000) kb = residentKb();
            vmm.create(config).close();
            try (FaultPoints.Plan plan = FaultPoints.failAt(1 + round % steps, Errno.ENOMEM)) {
                assertThrows(Throwable.class, () -> vmm.create(config));
                assertTrue(plan.fired());
            }
        }
        before.assertUnchanged("20,000 rounds");
        assertEquals(0, engine.openVms.get());
        assertEquals(0, engine.openVcpus.get());
        assertEquals(0, vmm.memoryHeldBy(config.owner()));
        assertThat(residentKb() - kb)
                .as("KiB of heap and native memory more than after 2,000 rounds")
                .isLessThan(600_000);
    }

    @Test
    void p22_ofManyThatTerminateOneSucceeds() throws Exception {
        int threads = 8;
        try (ExecutorService pool = Executors.newFixedThreadPool(threads)) {
            for (int round = 0; round < 200; round++) {
                int id = vmm.create(VmConfig.of("contended", MAP)).id();
                CyclicBarrier start = new CyclicBarrier(threads);
                AtomicInteger won = new AtomicInteger(), busy = new AtomicInteger(), gone = new AtomicInteger();
                List<Future<?>> done = new ArrayList<>();
                for (int t = 0; t < threads; t++)
                    done.add(pool.submit(() -> {
                        start.await();
                        try {
                            vmm.terminate(id);
                            won.incrementAndGet();
                        } catch (VmTerminatedException e) {
                            assertThat(e).hasMessageContaining("contended").hasMessageContaining("already");
                            busy.incrementAndGet();
                        } catch (NoSuchVmException e) {
                            assertThat(e).hasMessageContaining("" + id);
                            gone.incrementAndGet();
                        }
                        return null;
                    }));
                for (Future<?> future : done) future.get();
                assertEquals(1, won.get(), busy + " busy, " + gone + " gone");
                assertEquals(threads - 1, busy.get() + gone.get());
                before.assertUnchanged("round " + round);
            }
        }
    }

    @Test
    void p23_infoIsCompleteAndWholeWhileMachinesComeAndGo() throws Exception {
        AtomicBoolean stop = new AtomicBoolean();
        AtomicInteger created = new AtomicInteger();
        try (VirtualMachine constant = vmm.create(VmConfig.of("constant", MAP));
                ExecutorService pool = Executors.newFixedThreadPool(2)) {
            List<Future<?>> done = new ArrayList<>();
            for (int t = 0; t < 2; t++)
                done.add(pool.submit(() -> {
                    while (!stop.get()) {
                        vmm.create(VmConfig.of("passing", MAP)).close();
                        created.incrementAndGet();
                    }
                    return null;
                }));
            long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(1);
            int looks = 0, more = 0;
            while (System.nanoTime() < end || more == 0) {
                List<VmInfo> infos = vmm.info();
                Set<Integer> ids = new HashSet<>();
                for (VmInfo info : infos) {
                    assertTrue(info.id() > 0 && ids.add(info.id()), () -> "id of " + info);
                    assertEquals(info.id() == constant.id() ? "constant" : "passing", info.name());
                    assertEquals(4 * M, info.totalBytes());
                    assertEquals(ProcessHandle.current().pid(), info.creatorPid());
                    assertEquals(1, info.vcpus());
                }
                assertTrue(ids.contains(constant.id()));
                assertThat(infos.size()).isBetween(1, 3);
                if (infos.size() > 1) more++;
                looks++;
            }
            stop.set(true);
            for (Future<?> future : done) future.get();
            assertThat(created.get()).isGreaterThan(10);
            assertThat(looks).isGreaterThan(10);
        }
    }

    @Test
    void idsAreNeverUsedTwiceAndAFailureUsesNone() throws IOException {
        int first;
        try (VirtualMachine vm = vmm.create(VmConfig.of("a", MAP))) {
            first = vm.id();
            assertThat(first).isPositive();
        }
        // Which step the third is, a call or an allocation, is the business of the rooms below.
        try (FaultPoints.Plan plan = FaultPoints.failAt(3, Errno.EMFILE);
                VirtualMachine vm = vmm.create(VmConfig.of("b", MAP))) {
            throw new AssertionError(vm.id() + " was created although " + plan);
        } catch (IOException | OutOfMemoryError expected) {
            assertNotNull(expected.getMessage());
        }
        try (VirtualMachine vm = vmm.create(VmConfig.of("c", MAP))) {
            assertEquals(first + 1, vm.id());
            assertThrows(NoSuchVmException.class, () -> vmm.find(first));
            try (VmReference found = vmm.find(vm.id())) {
                assertEquals(vm, found.vm());
            }
        }
        for (int id : new int[] {0, -1, first, first + 1, Integer.MAX_VALUE, Integer.MIN_VALUE})
            assertThatThrownBy(() -> vmm.terminate(id))
                    .isInstanceOf(NoSuchVmException.class)
                    .hasMessageContaining("" + id);
    }

    @Test
    void monitorsInOneProcessKnowNothingOfEachOther() throws IOException {
        Vmm other = new Vmm();
        try (VirtualMachine vm = vmm.create(VmConfig.of("mine", MAP))) {
            assertThat(other.info()).isEmpty();
            assertThrows(NoSuchVmException.class, () -> other.find(vm.id()));
            assertEquals(0, other.memoryHeldBy(vm.config().owner()));
        }
    }

    @Test
    void whatIsClosedTwiceIsClosedOnce() throws IOException {
        VirtualMachine vm = vmm.create(VmConfig.of("twice", MAP));
        VmReference reference = vm.reference();
        vm.close();
        vm.close();
        reference.close();
        reference.close();
        assertThrows(VmTerminatedException.class, vm::reference);
        assertThrows(VmTerminatedException.class, vm::info);
        assertThrows(VmTerminatedException.class, () -> vm.discard(0, 4096));
        assertThrows(
                VmTerminatedException.class,
                () -> vm.attach(new ScriptedEngine(ScriptedEngine.HALT), ScriptedEngine.options()));
    }

    @Test
    void anEngineIsAttachedOnceAndWholly() throws IOException {
        ScriptedEngine engine = new ScriptedEngine(ScriptedEngine.HALT);
        try (VirtualMachine vm = vmm.create(VmConfig.of("late", MAP).withVcpus(2))) {
            assertNull(vm.engine());
            for (int step = 1; ; step++) {
                try (FaultPoints.Plan plan = FaultPoints.failAt(step, Errno.ENOMEM)) {
                    vm.attach(engine, ScriptedEngine.options());
                    assertFalse(plan.fired(), () -> plan + " was swallowed");
                    assertThat(step).isGreaterThan(3);
                    break;
                } catch (IOException expected) {
                    assertNull(vm.engine());
                    assertThat(vm.vcpus()).isEmpty();
                    assertEquals(0, engine.openVms.get());
                    assertEquals(0, engine.openVcpus.get());
                }
            }
            assertEquals(2, vm.vcpus().size());
            assertThrows(IllegalStateException.class, () -> vm.attach(engine, ScriptedEngine.options()));
        }
        assertEquals(0, engine.openVms.get());
        assertEquals(0, engine.openVcpus.get());
    }

    @Test
    void hugePagesNeedRangesOfWholePages() {
        assertThatThrownBy(() -> VmConfig.of("huge", MAP).withPages(org.nestorvm.memory.Pages.HUGE_2M))
                .isInstanceOf(VmRefusedException.class)
                .hasMessageContaining("RAM[0x0 +0x100000]")
                .hasMessageContaining("2097152");
        assertEquals(G, 1 << 30);
    }
}
