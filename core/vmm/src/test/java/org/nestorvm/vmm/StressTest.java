package org.nestorvm.vmm;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.nestorvm.vmm.MemoryRange.Type.MMIO;
import static org.nestorvm.vmm.MemoryRange.Type.RAM;
import static org.nestorvm.vmm.MemoryRange.Type.RESERVED;

import java.io.IOException;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.FutureTask;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicIntegerArray;
import java.util.concurrent.atomic.LongAdder;
import org.junit.jupiter.api.Test;
import org.nestorvm.memory.DescriptorChannel;
import org.nestorvm.paging.EntryFormat;

/**
 * Threads that run, fault, share, discard, log, look up, read info of and terminate the same few machines, without any
 * order between them. An object that is freed twice throws in its reference count; memory that goes while somebody uses
 * it is a SIGSEGV; what leaks shows at the end.
 *
 * <p>20 seconds; {@code -Dnestor.stress.seconds=N} for longer.
 */
class StressTest {
    private enum Deed {
        CREATED,
        REFUSED_BY_LIMIT,
        RUN,
        BUSY,
        FAULTED,
        STORED,
        DEVICE_COPIED,
        SHARED,
        ATTACHED,
        LOOKED_UP,
        INFO_READ,
        DISCARDED,
        LOGGED,
        TERMINATED,
        TERMINATED_BY_ANOTHER,
        MET_THE_END
    }

    private static final long K = 1 << 10, M = 1 << 20;
    private static final MemoryMap MAP = MemoryMap.of(
            new MemoryRange(0, 640 * K, RAM),
            new MemoryRange(640 * K, 384 * K, RESERVED),
            new MemoryRange(M, M, RAM),
            new MemoryRange(4 * M, M, MMIO),
            new MemoryRange(16 * M, M, RAM));
    private static final int MACHINES = 3;

    private final Vmm vmm = new Vmm();
    private final AtomicIntegerArray ids = new AtomicIntegerArray(MACHINES);
    private final Map<Deed, LongAdder> deeds = new EnumMap<>(Deed.class);
    private final ScriptedEngine engine = new ScriptedEngine(this::guest);

    StressTest() {
        for (Deed deed : Deed.values()) deeds.put(deed, new LongAdder());
    }

    private void count(Deed deed) {
        deeds.get(deed).increment();
    }

    /**
     * Stores and loads all over memory until it is kicked or tired. Every word that is not zero holds its own address,
     * so foreign memory would show.
     */
    private Exit guest(ScriptedEngine.Guest guest, GuestBus bus) {
        Random random = new Random(System.nanoTime());
        for (int i = 0; i < 400 && !guest.takeKick(); i++) {
            long gpa = random.nextLong(18 * M) & -8;
            if (random.nextBoolean()) {
                if (guest.store(gpa, gpa) == NestedFaultHandler.RESIDENT) count(Deed.STORED);
            } else {
                long value = guest.load(gpa);
                boolean memory = guest.vm().memory().containsObject(gpa, 8);
                if (memory ? value != 0 && value != gpa : value != -1)
                    throw new AssertionError("0x" + Long.toHexString(gpa) + " holds 0x" + Long.toHexString(value));
            }
        }
        return new Exit.Interrupted();
    }

    private interface Work {
        void once(Random random) throws Exception;
    }

    @Test
    void threadsThatDoEverythingToTheSameMachinesLeaveNothing() throws Exception {
        long seconds = Long.getLong("nestor.stress.seconds", 20);
        Host before = Host.now();
        vmm.limitMemory("stress", (MACHINES + 1) * MAP.memoryBytes());
        long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(seconds);
        List<FutureTask<?>> tasks = new ArrayList<>();
        for (Work work : List.<Work>of(
                this::create,
                this::create,
                this::run,
                this::run,
                this::run,
                this::share,
                this::lookUp,
                this::readInfo,
                this::disturb,
                this::terminate,
                this::terminate)) {
            int seed = tasks.size();
            FutureTask<?> task = new FutureTask<>(() -> {
                Random random = new Random(seed);
                while (System.nanoTime() < end) {
                    try {
                        work.once(random);
                    } catch (NoSuchVmException | VmTerminatedException e) {
                        count(Deed.MET_THE_END);
                        Thread.yield();
                    }
                }
                return null;
            });
            tasks.add(task);
        }
        List<Thread> threads = new ArrayList<>();
        for (FutureTask<?> task : tasks)
            threads.add(Thread.ofPlatform().daemon().start(task));
        for (FutureTask<?> task : tasks) task.get(seconds + 60, TimeUnit.SECONDS);
        deeds.get(Deed.FAULTED).add(engine.faults.get());
        for (VmInfo info : vmm.info()) {
            vmm.terminate(info.id());
            count(Deed.TERMINATED);
        }
        System.out.println("stress, " + seconds + " s: " + deeds);
        assertThat(deeds)
                .allSatisfy(
                        (deed, count) -> assertThat(count.sum()).as(deed.name()).isPositive());
        assertEquals(0, vmm.memoryHeldBy("stress"));
        assertEquals(0, engine.openVms.get());
        assertEquals(0, engine.openVcpus.get());
        assertEquals(
                deeds.get(Deed.CREATED).sum(), deeds.get(Deed.TERMINATED).sum(), "each machine was terminated once");
        before.assertUnchanged("the stress");
    }

    private int someId(Random random) {
        return ids.get(random.nextInt(MACHINES));
    }

    private void create(Random random) throws Exception {
        int place = random.nextInt(MACHINES);
        if (ids.get(place) != 0) {
            Thread.yield();
            if (random.nextInt(64) != 0) return;
        }
        VmConfig config = VmConfig.of("stress" + place, MAP)
                .withOwner("stress")
                .withVcpus(2)
                .withFormat(random.nextBoolean() ? EntryFormat.EPT : EntryFormat.NPT);
        VirtualMachine vm;
        try {
            vm = vmm.create(config.withEngine(engine, ScriptedEngine.options()));
        } catch (MemoryLimitException e) {
            count(Deed.REFUSED_BY_LIMIT);
            return;
        }
        count(Deed.CREATED);
        if (!ids.compareAndSet(place, 0, vm.id())) {
            vm.close();
            count(Deed.TERMINATED);
        }
    }

    private void run(Random random) {
        try (VmReference reference = vmm.find(someId(random))) {
            reference.vm().vcpu(random.nextInt(2)).run(GuestBus.EMPTY);
            count(Deed.RUN);
        } catch (VcpuBusyException e) {
            count(Deed.BUSY);
        }
    }

    private void share(Random random) throws IOException {
        List<DescriptorChannel> pair = DescriptorChannel.pair("stress");
        try (DescriptorChannel out = pair.get(0);
                DescriptorChannel in = pair.get(1)) {
            vmm.share(someId(random), out);
            count(Deed.SHARED);
            try (AttachedMemory attached = GuestMemory.attach(in, MAP, false)) {
                for (int i = 0; i < 50; i++) {
                    long gpa = M + (random.nextLong(M) & -8);
                    attached.memory().putLong(gpa, gpa);
                    if (attached.memory().getLong(gpa) != gpa
                            && attached.memory().getLong(gpa) != 0) throw new AssertionError("foreign memory");
                }
                count(Deed.ATTACHED);
            }
        }
    }

    private void lookUp(Random random) {
        try (VmReference reference = vmm.find(someId(random))) {
            GuestMemory memory = reference.vm().memory();
            byte[] bytes = new byte[4096];
            memory.read(640 * K - 2048, bytes, 0, bytes.length);
            long gpa = random.nextLong(M) & -8;
            memory.putLong(gpa, gpa);
            count(Deed.LOOKED_UP);
            count(Deed.DEVICE_COPIED);
        }
    }

    private void readInfo(Random random) {
        for (VmInfo info : vmm.info()) {
            if (info.id() <= 0
                    || info.totalBytes() != MAP.memoryBytes()
                    || info.states().size() != 2
                    || !info.name().startsWith("stress")) throw new AssertionError(info);
            if (info.residentBytes() > info.totalBytes() || info.enteredBytes() > info.totalBytes())
                throw new AssertionError(info);
        }
        count(Deed.INFO_READ);
        Thread.yield();
    }

    private void disturb(Random random) throws IOException {
        try (VmReference reference = vmm.find(someId(random))) {
            VirtualMachine vm = reference.vm();
            vm.discard(M + (random.nextLong(M / 2) & -4096), M / 4);
            count(Deed.DISCARDED);
            MemorySlot slot = vm.slots().get(random.nextInt(vm.slots().size()));
            vm.startDirtyLog(slot);
            for (int i = 0; i < 3; i++) vm.collectDirty(slot);
            vm.stopDirtyLog(slot);
            count(Deed.LOGGED);
        }
    }

    private void terminate(Random random) throws InterruptedException {
        TimeUnit.MICROSECONDS.sleep(random.nextInt(4_000));
        int place = random.nextInt(MACHINES);
        int id = ids.get(place);
        if (id == 0) return;
        try {
            vmm.terminate(id);
            count(Deed.TERMINATED);
        } catch (NoSuchVmException | VmTerminatedException e) {
            count(Deed.TERMINATED_BY_ANOTHER);
        }
        ids.compareAndSet(place, id, 0);
    }
}
