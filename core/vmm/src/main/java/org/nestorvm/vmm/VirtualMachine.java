package org.nestorvm.vmm;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.nestorvm.memory.MemoryObject;
import org.nestorvm.memory.sys.MemoryCalls;
import org.nestorvm.paging.NestedPageTable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A virtual machine: memory slots, a nested page table, virtual CPUs.
 *
 * <p>It lives as long as somebody holds a reference. The monitor's list holds the first, which {@link #close} drops;
 * whoever uses the machine beside the thread that closes it holds another. The last one to go tears down: virtual CPUs,
 * then the table (its root is cleared and its pages go back as a whole, which is faster than wiping each range and
 * leaves the same), then one reference for each memory object, then the mappings.
 */
public final class VirtualMachine implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(VirtualMachine.class);
    /**
     * For virtual CPUs to leave the guest. An engine that does not come back by then keeps its reference, and the
     * teardown follows when it does.
     */
    static final long TERMINATION_NS = TimeUnit.SECONDS.toNanos(10);

    private final Vmm vmm;
    private final VmConfig config;
    private final long creatorPid = ProcessHandle.current().pid();
    private final List<MemorySlot> slots;
    private final GuestMemory memory;
    private final NestedPageTable table;
    private final NestedFaultHandler faults;
    private final AtomicInteger references = new AtomicInteger(1);
    private final Object logControl = new Object();
    private final Object lifeCycle = new Object();
    private volatile int id;
    private volatile boolean dying;
    private volatile EngineVm engine;
    private volatile List<Vcpu> vcpus = List.of();

    VirtualMachine(Vmm vmm, VmConfig config, List<MemorySlot> slots, NestedPageTable table) {
        this.vmm = vmm;
        this.config = config;
        this.slots = List.copyOf(slots);
        this.memory = new GuestMemory(slots);
        this.table = table;
        this.faults = new NestedFaultHandler(config.memory(), memory, table);
    }

    /** Positive, never used twice by one monitor; 0 while the machine is still being made. */
    public int id() {
        return id;
    }

    public String name() {
        return config.name();
    }

    public VmConfig config() {
        return config;
    }

    public GuestMemory memory() {
        return memory;
    }

    /** RAM and RESERVED ranges with what backs them, ascending. */
    public List<MemorySlot> slots() {
        return slots;
    }

    public NestedPageTable nestedPageTable() {
        return table;
    }

    public NestedFaultHandler nestedFaultHandler() {
        return faults;
    }

    /** Empty until an engine is attached. */
    public List<Vcpu> vcpus() {
        return vcpus;
    }

    public Vcpu vcpu(int index) {
        return vcpus.get(index);
    }

    /** The engine's side, or null before {@link #attach}. */
    public EngineVm engine() {
        return engine;
    }

    /**
     * Has the engine make its side and all virtual CPUs. All or nothing. @throws IllegalStateException when an engine
     * is attached already
     */
    public void attach(Engine with, EngineOptions options) throws IOException {
        if (!tryReference()) throw new VmTerminatedException(this + " has been terminated");
        try {
            synchronized (lifeCycle) {
                if (dying) throw new VmTerminatedException(this + " is being terminated");
                if (engine != null) throw new IllegalStateException(this + " has an engine already");
                attachLocked(with, options);
            }
        } finally {
            release();
        }
    }

    private void attachLocked(Engine with, EngineOptions options) throws IOException {
        try (Undo undo = new Undo()) {
            EngineVm made = with.create(this, options);
            undo.add(made::close);
            undo.add(() -> table.setInvalidationListener(null));
            table.setInvalidationListener(made::invalidate);
            List<Vcpu> processors = new ArrayList<>(config.vcpus());
            for (int i = 0; i < config.vcpus(); i++) {
                EngineVcpu processor = made.createVcpu(i);
                undo.add(processor::close);
                processors.add(new Vcpu(this, i, processor));
            }
            synchronized (logControl) {
                for (int i = 0; i < slots.size(); i++) if (memory.index().log(i) != null) made.logDirty(i, true);
                engine = made;
            }
            vcpus = List.copyOf(processors);
            undo.keep();
        }
    }

    /** Takes the engine's side away again, of a machine that nobody has seen. */
    void detachEngine() {
        for (Vcpu vcpu : vcpus) vcpu.close();
        table.setInvalidationListener(null);
        engine.close();
    }

    /**
     * Takes a reference for a thread or a device that goes on using the machine. @throws VmTerminatedException when it
     * is being torn down
     */
    public VmReference reference() {
        if (!tryReference()) throw new VmTerminatedException(this + " has been terminated");
        return new VmReference(this);
    }

    public VmInfo info() {
        if (!tryReference()) throw new VmTerminatedException(this + " has been terminated");
        try {
            long resident = 0;
            for (MemorySlot slot : slots) resident += slot.object().residentBytes();
            List<Vcpu.State> states = vcpus.stream().map(Vcpu::state).toList();
            return new VmInfo(
                    id,
                    name(),
                    config.owner(),
                    creatorPid,
                    config.memory().memoryBytes(),
                    resident,
                    table.residentCount() * MemoryRange.PAGE_BYTES,
                    config.vcpus(),
                    states);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        } finally {
            release();
        }
    }

    /**
     * Gives memory that the guest does not need back to the host: it reads zero afterwards. For a balloon.
     *
     * <p>In this order: no virtual CPU has a translation any more, the pages are freed, and what a fault in flight has
     * entered meanwhile is taken out again, so that the table maps only what is resident.
     *
     * @throws GuestAddressException unless all of it lies in one slot
     * @throws IllegalArgumentException unless it is whole pages
     */
    public void discard(long gpa, long sizeBytes) throws IOException {
        if (!tryReference()) throw new VmTerminatedException(this + " has been terminated");
        try {
            int slot = memory.index().find(gpa);
            if (slot < 0 || !memory.containsObject(gpa, sizeBytes)) throw new GuestAddressException(gpa, sizeBytes);
            MemoryObject object = slots.get(slot).object();
            table.remove(gpa, sizeBytes);
            object.discard(gpa - slots.get(slot).gpa(), sizeBytes);
            faults.revoke(gpa, sizeBytes);
        } finally {
            release();
        }
    }

    /**
     * Takes the translation of one page from every virtual CPU; its content stays, and the next access to it is a
     * nested fault. Where there is no memory nothing happens. KVM has a table of its own, from which the page goes when
     * the host's mapping loses it.
     */
    public void unmapPage(long gpa) {
        if (!tryReference()) return;
        try {
            long page = gpa & -MemoryRange.PAGE_BYTES;
            int slot = memory.index().find(page);
            if (slot < 0) return;
            MemorySlot in = slots.get(slot);
            long hostAddress = in.hostAddress() + (page - in.gpa());
            MemoryCalls.tryMadvise(hostAddress, MemoryRange.PAGE_BYTES, MemoryCalls.MADV_DONTNEED);
            faults.revoke(page, MemoryRange.PAGE_BYTES);
        } finally {
            release();
        }
    }

    /**
     * {@link #discard} for as much of the range as is whole pages of the host's: a balloon's guest counts in 4 KiB,
     * whatever its memory consists of.
     */
    public void discardWithin(long gpa, long sizeBytes) throws IOException {
        int slot = memory.index().find(gpa);
        if (slot < 0 || !memory.containsObject(gpa, sizeBytes)) throw new GuestAddressException(gpa, sizeBytes);
        long base = slots.get(slot).gpa(),
                page = slots.get(slot).object().pages().bytes();
        long from = gpa - base + page - 1 & -page, end = gpa - base + sizeBytes & -page;
        if (from < end) discard(base + from, end - from);
    }

    /**
     * From here on the pages of the slot that are written to are recorded: by the guest, on an engine that runs over
     * the nested page table, and through {@link GuestMemory}. An engine with a log in hardware keeps its own, and
     * another process that maps the memory tells its writes itself, as vhost-user has it.
     */
    public void startDirtyLog(MemorySlot slot) {
        withEngine(side -> {
            int index = indexOf(slot);
            if (memory.index().log(index) != null)
                throw new IllegalStateException("a dirty log of " + slot.range() + " runs already");
            if (side != null) side.logDirty(index, true);
            faults.startLog(index);
        });
    }

    /**
     * The slot's pages written since the start or the last collection: bit n of word n/64 is page n. Read them after
     * this returns. A page that is written at this moment may be told now or next time; once the virtual CPUs are
     * stopped, the next collection has them all.
     */
    public long[] collectDirty(MemorySlot slot) {
        long[][] words = new long[1][];
        withEngine(side -> {
            int index = indexOf(slot);
            if (memory.index().log(index) == null)
                throw new IllegalStateException("no dirty log of " + slot.range() + " runs");
            words[0] = faults.collectLog(index);
            if (side != null) side.collectDirty(index, words[0]);
        });
        return words[0];
    }

    public void stopDirtyLog(MemorySlot slot) {
        withEngine(side -> {
            int index = indexOf(slot);
            if (memory.index().log(index) == null) return;
            faults.stopLog(index);
            if (side != null) side.logDirty(index, false);
        });
    }

    private interface LogAction {
        void on(EngineVm side) throws IOException;
    }

    /** One at a time, and with a reference, so that the engine's side is there meanwhile. */
    private void withEngine(LogAction action) {
        if (!tryReference()) throw new VmTerminatedException(this + " has been terminated");
        try {
            synchronized (logControl) {
                action.on(engine);
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        } finally {
            release();
        }
    }

    private int indexOf(MemorySlot slot) {
        int index = slots.indexOf(slot);
        if (index < 0) throw new IllegalArgumentException(slot.range() + " is no slot of " + this);
        return index;
    }

    /** Terminates the machine, unless that has happened. Returns in bounded time: see {@link Vmm#terminate}. */
    @Override
    public void close() {
        if (markDying()) end();
    }

    /** True for the one caller who is to {@link #end} it. */
    boolean markDying() {
        synchronized (lifeCycle) {
            if (dying) return false;
            dying = true;
            return true;
        }
    }

    void end() {
        vmm.forget(this);
        for (Vcpu vcpu : vcpus) vcpu.requestTermination();
        boolean interrupted = false;
        long deadline = System.nanoTime() + TERMINATION_NS;
        for (Vcpu vcpu : vcpus) {
            try {
                if (!vcpu.awaitTermination(deadline))
                    LOG.error("{} did not leave the guest; {} is torn down when it does", vcpu, this);
            } catch (InterruptedException e) {
                interrupted = true; // the virtual CPU holds its own reference: teardown waits for it without us
            }
        }
        release();
        if (interrupted) Thread.currentThread().interrupt();
    }

    void publish(int newId) {
        id = newId;
    }

    boolean tryReference() {
        for (; ; ) {
            int now = references.get();
            if (now == 0) return false;
            if (references.compareAndSet(now, now + 1)) return true;
        }
    }

    void release() {
        int left = references.decrementAndGet();
        if (left < 0) throw new IllegalStateException("a reference to " + this + " is dropped that nobody holds");
        if (left == 0) tearDown();
    }

    /** Nobody else is left. Undo runs the steps last one first, and all of them. */
    private void tearDown() {
        try (Undo steps = new Undo()) {
            steps.add(() -> vmm.credit(this));
            for (MemorySlot slot : slots) steps.add(slot.mapping()::unmap);
            steps.add(memory::detach);
            for (MemorySlot slot : slots) steps.add(slot.object()::release);
            steps.add(table::close);
            steps.add(() -> table.setInvalidationListener(null));
            if (engine != null) steps.add(engine::close);
            for (Vcpu vcpu : vcpus) steps.add(vcpu::close);
        }
    }

    @Override
    public String toString() {
        return "machine \"" + name() + "\"" + (id == 0 ? "" : " (id " + id + ")");
    }
}
