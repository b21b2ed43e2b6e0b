package org.nestorvm.engine.tests;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import java.util.Queue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.ScheduledFuture;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.nestorvm.asm.Asm;
import org.nestorvm.asm.Reg;
import org.nestorvm.devices.PortDevice;
import org.nestorvm.paging.EntryFormat;
import org.nestorvm.vmm.CpuState;
import org.nestorvm.vmm.Engine;
import org.nestorvm.vmm.EngineOptions;
import org.nestorvm.vmm.Exit;
import org.nestorvm.vmm.GuestMemory;
import org.nestorvm.vmm.HostClock;
import org.nestorvm.vmm.InstructionClock;
import org.nestorvm.vmm.InterruptController;
import org.nestorvm.vmm.MemoryMap;
import org.nestorvm.vmm.MemoryRange;
import org.nestorvm.vmm.Vcpu;
import org.nestorvm.vmm.VirtualMachine;
import org.nestorvm.vmm.VmClock;
import org.nestorvm.vmm.VmConfig;
import org.nestorvm.vmm.Vmm;

/**
 * A small guest under test: memory as {@link Layout} says, tables and a processor state for the mode that the test asks
 * for, and what the guest does as a sequence of {@link Event}s. Every exception that the test does not handle ends in a
 * HLT of its own, so that it shows as an {@link Event.Fault}.
 */
public final class TestMachine implements AutoCloseable {
    /** A guest that runs longer has failed. */
    private static final long PATIENCE_S = 20;

    private static final int TASK_BUSY = 2;

    private static final AtomicInteger COUNT = new AtomicInteger();
    private static final ScheduledExecutorService WATCHDOG = Executors.newSingleThreadScheduledExecutor(
            r -> Thread.ofPlatform().daemon().name("watchdog").unstarted(r));

    /** The boot processor's state: as it was at the last exit. After changing it, {@link #apply}. */
    public final CpuState cpu = new CpuState();

    public final GuestMemory memory;
    public final Descriptors descriptors;
    public final VmClock clock;
    private final Engine engine;
    private final VirtualMachine vm;
    private final Vcpu vcpu;
    private final Bus bus = new Bus();
    private final Queue<Event> events = new ArrayDeque<>();
    private final Semaphore accesses = new Semaphore(0);
    private final List<Chip> chips = new ArrayList<>();
    private int codeBits = 16;
    private boolean changed = true;

    private record Chip(int firstPort, int ports, PortDevice device) {}

    TestMachine(Engine engine, EntryFormat format, int vcpus, boolean apic, boolean instructionClock) {
        this(
                engine,
                format,
                vcpus,
                apic,
                instructionClock ? new InstructionClock(0) : new HostClock(),
                InterruptController.NONE);
    }

    TestMachine(
            Engine engine, EntryFormat format, int vcpus, boolean apic, VmClock clock, InterruptController controller) {
        this.engine = engine;
        this.clock = clock;
        EngineOptions options = apic
                ? new EngineOptions(EngineOptions.Interrupts.LOCAL_APIC, controller, clock)
                : EngineOptions.bare(clock);
        MemoryMap map = MemoryMap.of(
                new MemoryRange(0, Layout.RAM_BYTES, MemoryRange.Type.RAM),
                new MemoryRange(Layout.MMIO, Layout.MMIO_BYTES, MemoryRange.Type.MMIO));
        try {
            vm = Vmm.processDefault()
                    .create(VmConfig.of("test" + COUNT.incrementAndGet(), map)
                            .withVcpus(vcpus)
                            .withFormat(format)
                            .withEngine(engine, options));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        vcpu = vm.vcpu(0);
        memory = vm.memory();
        descriptors = new Descriptors(memory);
        byte[] halts = new byte[256];
        java.util.Arrays.fill(halts, (byte) 0xf4);
        memory.write(Layout.HANDLERS, halts, 0, halts.length);
        vcpu.readState(cpu);
    }

    public String engineName() {
        return engine.name();
    }

    public boolean isSoft() {
        return engine.name().equals("soft");
    }

    public VirtualMachine vm() {
        return vm;
    }

    public Vcpu vcpu(int index) {
        return vm.vcpu(index);
    }

    // ---- modes ----

    /** 16 bits, every segment at 0, vectors to the handlers. */
    public TestMachine realMode() {
        codeBits = 16;
        for (int v = 0; v < 256; v++) memory.putInt(4L * v, (int) Layout.HANDLERS + v);
        cpu.cr0 = 0x10;
        for (int s = CpuState.ES; s <= CpuState.GS; s++)
            Segments.set(cpu, s, 0, 0, 0xffff, s == CpuState.CS ? 0x9b : 0x93);
        Segments.set(cpu, CpuState.TR, 0, 0, 0xffff, 0x8b); // after a reset AMD's processors have a 16-bit one here
        cpu.idtrBase = 0;
        cpu.idtrLimit = 0x3ff;
        cpu.gpr[CpuState.RSP] = 0xfff0;
        return apply();
    }

    /** 32 bits, flat segments, privilege level 0, no paging. */
    public TestMachine protectedMode() {
        codeBits = 32;
        tables(false);
        cpu.cr0 = 0x31;
        cpu.cr4 = 0x600;
        Segments.set(cpu, CpuState.CS, Layout.KERNEL_CS32, 0, 0xffffffff, 0xc09b);
        return apply();
    }

    /**
     * As {@link #protectedMode}, with page tables of 4 KiB and 4 MiB pages: the first 4 MiB are the system's, the
     * others everybody's.
     */
    public PageTables paging32() {
        protectedMode();
        PageTables t = new PageTables(memory, PageTables.Kind.BITS32, Layout.PAGE_TABLES);
        t.map(0, 0, 1 << 22, 12, PageTables.P | PageTables.W)
                .map(Layout.USER_CODE, Layout.USER_CODE, 12 << 20, 22, PageTables.P | PageTables.W | PageTables.U);
        cpu.cr4 |= 0x10;
        enablePaging(t);
        return t;
    }

    /** The same with PAE: 4 KiB and 2 MiB pages, and NX. */
    public PageTables pagingPae() {
        protectedMode();
        PageTables t = new PageTables(memory, PageTables.Kind.PAE, Layout.PAGE_TABLES);
        t.map(0, 0, 1 << 21, 12, PageTables.P | PageTables.W)
                .map(Layout.USER_CODE, Layout.USER_CODE, 12 << 20, 21, PageTables.P | PageTables.W | PageTables.U);
        cpu.cr4 |= 0x20;
        cpu.efer = 0x800;
        enablePaging(t);
        return t;
    }

    private void enablePaging(PageTables t) {
        cpu.cr3 = t.root();
        cpu.cr0 |= 0x80010000L;
        apply();
    }

    /**
     * 64-bit mode at privilege level 0: the first 2 MiB and 6 to 16 MiB are the system's, 4 to 6 MiB everybody's; MMIO
     * is mapped.
     */
    public PageTables longMode() {
        codeBits = 64;
        tables(true);
        PageTables t = new PageTables(memory, PageTables.Kind.LONG, Layout.PAGE_TABLES);
        t.map(0, 0, 1 << 21, 12, PageTables.P | PageTables.W)
                .map(Layout.USER_CODE, Layout.USER_CODE, 1 << 21, 21, PageTables.P | PageTables.W | PageTables.U);
        t.map(0x600000, 0x600000, 10 << 20, 21, PageTables.P | PageTables.W)
                .map(Layout.MMIO, Layout.MMIO, 1 << 21, 21, PageTables.P | PageTables.W);
        cpu.cr0 = 0x80010033L;
        cpu.cr4 = 0x620;
        cpu.efer = 0xd01;
        cpu.cr3 = t.root();
        Segments.set(cpu, CpuState.CS, Layout.KERNEL_CS, 0, 0xffffffff, 0xa09b);
        apply();
        return t;
    }

    private void tables(boolean longMode) {
        descriptors.flatGdt(longMode);
        descriptors.idt(longMode);
        descriptors.tss(longMode);
        cpu.gdtrBase = Layout.GDT;
        cpu.gdtrLimit = Layout.GDT_BYTES - 1;
        cpu.idtrBase = Layout.IDT;
        cpu.idtrLimit = longMode ? 0xfff : 0x7ff;
        for (int s : new int[] {CpuState.ES, CpuState.SS, CpuState.DS, CpuState.FS, CpuState.GS})
            Segments.set(cpu, s, Layout.KERNEL_DS, 0, 0xffffffff, 0xc093);
        Segments.set(cpu, CpuState.TR, Layout.TSS_SELECTOR, Layout.TSS, 0x67, 0x8b);
        memory.putLong(Layout.GDT + Layout.TSS_SELECTOR, memory.getLong(Layout.GDT + Layout.TSS_SELECTOR) | 2L << 40);
        Segments.set(cpu, CpuState.LDTR, Layout.LDT_SELECTOR, Layout.LDT, Layout.LDT_BYTES - 1, 0x82);
        cpu.gpr[CpuState.RSP] = Layout.STACK;
        cpu.rflags = 2;
    }

    /** What follows runs at privilege level 3, on the user's stack; the program belongs at {@link Layout#USER_CODE}. */
    public TestMachine userMode() {
        boolean wide = codeBits == 64;
        Segments.set(cpu, CpuState.CS, wide ? Layout.USER_CS : Layout.USER_CS32, 0, 0xffffffff, wide ? 0xa0fb : 0xc0fb);
        for (int s : new int[] {CpuState.ES, CpuState.SS, CpuState.DS, CpuState.FS, CpuState.GS})
            Segments.set(cpu, s, Layout.USER_DS, 0, 0xffffffff, 0xc0f3);
        cpu.gpr[CpuState.RSP] = Layout.USER_STACK;
        return apply();
    }

    /** What follows runs in a 32-bit segment of long mode. */
    public TestMachine compatibilityMode() {
        codeBits = 32;
        Segments.set(cpu, CpuState.CS, Layout.KERNEL_CS32, 0, 0xffffffff, 0xc09b);
        return apply();
    }

    // ---- programs ----

    /** A program for the present mode, to be handed to {@link #start}. */
    public Asm program() {
        return program(Layout.CODE);
    }

    public Asm program(long address) {
        return new Asm(address).bits(codeBits);
    }

    public void load(Asm a) {
        byte[] code = a.assemble();
        memory.write(a.origin(), code, 0, code.length);
    }

    /** Loads the program and goes to its first byte. */
    public TestMachine start(Asm a) {
        load(a);
        cpu.rip = a.origin();
        cpu.halted = false;
        return apply();
    }

    /** Bytes as a program for the present mode. */
    public TestMachine code(long address, int... bytes) {
        return start(program(address).db(bytes));
    }

    public long get(Reg r) {
        long value = cpu.gpr[r.number];
        return r.kind.bits == 64 ? value : value & (1L << r.kind.bits) - 1;
    }

    public TestMachine set(Reg r, long value) {
        cpu.gpr[r.number] = value;
        return apply();
    }

    /** {@link #cpu} is the state to go on from. */
    public TestMachine apply() {
        changed = true;
        return this;
    }

    // ---- running ----

    /** What IN and reads from MMIO return from now on; at first all ones. */
    public void answer(long value) {
        bus.answer = value;
    }

    /** The next thing that the guest does. */
    public Event run() {
        if (events.isEmpty()) runUntilExit();
        return events.remove();
    }

    /** Runs, with the processor's exit as the result; accesses on the way are events for {@link #run}. */
    public Exit runUntilExit() {
        if (changed) writeState();
        changed = false;
        ScheduledFuture<?> alarm = WATCHDOG.schedule(vcpu::kick, PATIENCE_S, TimeUnit.SECONDS);
        Exit exit;
        try {
            exit = vcpu.run(bus);
        } finally {
            alarm.cancel(false);
        }
        if (!(exit instanceof Exit.InternalError)) vcpu.readState(cpu);
        events.add(event(exit));
        return exit;
    }

    /**
     * QEMU's emulated processor, whose own LTR leaves TR's type as it was in the table, takes a busy task for none: no
     * permission map, and a change to an inner stack ends QEMU. KVM sets the bit in what it reads.
     */
    private void writeState() {
        int type = cpu.access[CpuState.TR];
        if (HostProcessor.QEMU && engine.name().equals("kvm")) cpu.access[CpuState.TR] &= ~TASK_BUSY;
        vcpu.writeState(cpu);
        cpu.access[CpuState.TR] = type;
    }

    /** These ports belong to a chip from now on; what the guest does with them is no event. */
    public TestMachine chip(int firstPort, int ports, PortDevice device) {
        chips.add(new Chip(firstPort, ports, device));
        return this;
    }

    /** A run in a thread of its own. */
    public CompletableFuture<Exit> runAside() {
        return CompletableFuture.supplyAsync(
                this::runUntilExit, command -> Thread.ofPlatform().daemon().start(command));
    }

    /** Returns when a guest that runs aside has used a device once more: it is on its way. */
    public void awaitAccess() throws InterruptedException {
        if (!accesses.tryAcquire(PATIENCE_S, TimeUnit.SECONDS)) throw new AssertionError("the guest uses no device");
    }

    /** Whether events are waiting. */
    public boolean hasEvents() {
        return !events.isEmpty();
    }

    private Event event(Exit exit) {
        return switch (exit) {
            case Exit.Halt() -> halted();
            case Exit.HaltForever() -> halted();
            case Exit.Shutdown() -> new Event.Shutdown();
            default -> new Event.Other(exit.toString());
        };
    }

    private Event halted() {
        long vector = cpu.base[CpuState.CS] + cpu.rip - 1 - Layout.HANDLERS;
        if (vector < 0 || vector > 255) return new Event.Halt(cpu.rip);
        Frame frame = new Frame(this, (int) vector);
        return new Event.Fault((int) vector, frame.errorCode, frame.cs, frame.rip);
    }

    /** What the last exception pushed. */
    public Frame frame() {
        return new Frame(this, (int) (cpu.rip - 1 - Layout.HANDLERS));
    }

    @Override
    public void close() {
        vm.close();
        if (clock instanceof HostClock h) h.close();
    }

    /**
     * Answers with one value and writes everything down. Accesses of several virtual CPUs are kept apart by the lock
     * only.
     */
    private final class Bus implements org.nestorvm.vmm.GuestBus {
        private volatile long answer = -1;

        private synchronized void record(Event e) {
            events.add(e);
            accesses.release();
        }

        private Chip chip(int port) {
            for (Chip chip : chips) if (port >= chip.firstPort && port < chip.firstPort + chip.ports) return chip;
            return null;
        }

        @Override
        public int portRead(int port, int size) {
            Chip chip = chip(port);
            if (chip != null) return chip.device.read(port - chip.firstPort, size);
            record(new Event.PortRead(port, size));
            return (int) answer;
        }

        @Override
        public void portWrite(int port, int size, int value) {
            Chip chip = chip(port);
            if (chip != null) chip.device.write(port - chip.firstPort, size, value);
            else record(new Event.PortWrite(port, size, value));
        }

        @Override
        public long mmioRead(long gpa, int size) {
            record(new Event.MmioRead(gpa, size));
            return answer;
        }

        @Override
        public void mmioWrite(long gpa, int size, long value) {
            record(new Event.MmioWrite(gpa, size, value));
        }
    }
}
