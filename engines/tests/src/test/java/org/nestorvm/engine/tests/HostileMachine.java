package org.nestorvm.engine.tests;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import java.util.concurrent.atomic.AtomicInteger;
import org.nestorvm.engine.soft.InstructionSoup;
import org.nestorvm.engine.soft.SoftEngine;
import org.nestorvm.memory.AddressSpace;
import org.nestorvm.memory.Mapping;
import org.nestorvm.memory.MemoryObject;
import org.nestorvm.memory.sys.HostMemory;
import org.nestorvm.paging.EntryFormat;
import org.nestorvm.vmm.CpuState;
import org.nestorvm.vmm.EngineOptions;
import org.nestorvm.vmm.GuestBus;
import org.nestorvm.vmm.HostClock;
import org.nestorvm.vmm.InstructionClock;
import org.nestorvm.vmm.InterruptController;
import org.nestorvm.vmm.MemoryMap;
import org.nestorvm.vmm.MemoryRange;
import org.nestorvm.vmm.MemorySlot;
import org.nestorvm.vmm.VirtualMachine;
import org.nestorvm.vmm.VmClock;
import org.nestorvm.vmm.VmConfig;
import org.nestorvm.vmm.Vmm;

/**
 * A machine full of nonsense: slots with holes between them, tables that point to themselves, to devices, to holes and
 * beyond the end, code that is random bytes or random instructions, and processor states that may contradict
 * themselves. Everything comes from one seed. Other mappings of this process stand beside the guest's and must not
 * change.
 */
final class HostileMachine implements AutoCloseable {
    /** How the code is to be run. */
    enum Mode {
        REAL,
        PROTECTED16,
        PROTECTED32,
        LEGACY_PAGING,
        PAE,
        LONG,
        COMPATIBILITY,
        VIRTUAL8086
    }

    static final long LOW_BYTES = 1 << 20,
            SECOND = 4 << 20,
            SECOND_BYTES = 256 << 10,
            RESERVED = 5 << 20,
            RESERVED_BYTES = 64 << 10,
            MMIO = 6 << 20,
            MMIO_BYTES = 64 << 10,
            HIGH = 1L << 32,
            HIGH_BYTES = 256 << 10,
            APIC = 0xfee00000L;
    private static final long PML4 = 0x1000,
            PDPT = 0x2000,
            PD = 0x3000,
            PT = 0x4000,
            PAE_ROOT = 0x5000,
            LEGACY = 0x6000,
            LEGACY_PT = 0x7000,
            GDT = 0x8000,
            IDT = 0x9000,
            TSS = 0xa000,
            SECOND_TSS = TSS + 0x1000,
            LDT = 0xc000;
    private static final int GUARD_BYTES = 256 << 10, CODE_BYTES = 256 << 10;
    private static final MemorySegment UNTOUCHED =
            MemorySegment.ofArray(new byte[GUARD_BYTES]).fill((byte) 0x5a);
    private static final AtomicInteger COUNT = new AtomicInteger();

    final SplittableRandom random;
    final Mode mode;
    final VirtualMachine vm;
    final VmClock clock;
    final boolean apic;
    /** Called with every access to a device; for tests that do something in the middle of an instruction. */
    volatile Runnable onDevice = () -> {};

    private final List<Mapping> guards = new ArrayList<>();
    private final List<Long> codePages = new ArrayList<>();

    HostileMachine(long seed, Mode mode, int vcpus, boolean apic, boolean instructionClock) throws IOException {
        random = new SplittableRandom(seed);
        this.mode = mode;
        this.apic = apic;
        clock = instructionClock ? new InstructionClock(0) : new HostClock();
        guard();
        MemoryMap map = MemoryMap.of(
                new MemoryRange(0, LOW_BYTES, MemoryRange.Type.RAM),
                new MemoryRange(SECOND, SECOND_BYTES, MemoryRange.Type.RAM),
                new MemoryRange(RESERVED, RESERVED_BYTES, MemoryRange.Type.RESERVED),
                new MemoryRange(MMIO, MMIO_BYTES, MemoryRange.Type.MMIO),
                new MemoryRange(HIGH, HIGH_BYTES, MemoryRange.Type.RAM));
        EngineOptions options = apic
                ? new EngineOptions(EngineOptions.Interrupts.LOCAL_APIC, new Controller(), clock)
                : EngineOptions.bare(clock);
        EntryFormat format = random.nextBoolean() ? EntryFormat.EPT : EntryFormat.NPT;
        vm = Vmm.processDefault()
                .create(VmConfig.of("hostile" + COUNT.incrementAndGet(), map)
                        .withVcpus(vcpus)
                        .withFormat(format)
                        .withEngine(random.nextInt(3) == 0 ? new SoftEngine(CODE_BYTES) : new SoftEngine(), options));
        guard();
        fillMemory();
    }

    // ---- memory ----

    /** Mappings are placed downward one beside the other, so that these become the neighbours of the guest's memory. */
    private void guard() throws IOException {
        MemoryObject object = MemoryObject.create("guard", GUARD_BYTES);
        Mapping mapping = AddressSpace.map(object, false);
        object.release();
        MemorySegment.copy(UNTOUCHED, 0, HostMemory.ALL, mapping.hostAddress(), GUARD_BYTES);
        guards.add(mapping);
    }

    private boolean one(int in) {
        return random.nextInt(in) == 0;
    }

    private long pick(long... values) {
        return values[random.nextInt(values.length)];
    }

    private void fillMemory() {
        InstructionSoup soup = new InstructionSoup(random);
        byte[] page = new byte[4096];
        long[] fixed = {0xff000, SECOND, SECOND + SECOND_BYTES - 4096, RESERVED, HIGH, HIGH + HIGH_BYTES - 4096};
        int known = mode == Mode.LONG ? fixed.length : fixed.length - 2;
        for (int i = 0; i < 24 + known; i++) {
            long gpa = i < known ? fixed[i] : 0x10000 + 4096L * random.nextInt(64);
            if (one(3)) random.nextBytes(page);
            else soup.fill(page, bits());
            vm.memory().write(gpa, page, 0, page.length);
            codePages.add(gpa);
        }
        pageTables();
        for (int i = 0; i < 512; i++) vm.memory().putLong(GDT + 8 * i, descriptor());
        for (int i = 0; i < 32; i++) vm.memory().putLong(LDT + 8 * i, descriptor());
        descriptors();
        interruptTable();
        taskState();
    }

    /** Stacks that can be used, most of the time, and whatever else. */
    private void taskState() {
        for (int i = 0; i < 0x1000; i += 4)
            vm.memory().putInt(TSS + i, one(3) ? random.nextInt() : (int) codeAddress());
        if (one(6)) return;
        boolean wide = mode == Mode.LONG || mode == Mode.COMPATIBILITY;
        for (int i = 4; i < 0x60; i += 8) {
            if (wide) put(TSS + i, codeAddress());
            else put(TSS + i, codeAddress() & 0xffffffffL | 0x10L << 32);
        }
        if (wide) return;
        int[] task = {
            (int) root(),
            (int) codeAddress(),
            2,
            0,
            0,
            0,
            0,
            (int) codeAddress(),
            0,
            0,
            0,
            0x10,
            8,
            0x10,
            0x10,
            0x10,
            0x10,
            0
        }; // CR3, EIP, EFLAGS .. GS, LDTR
        for (int i = 0; i < task.length; i++) vm.memory().putInt(SECOND_TSS + 0x1c + 4 * i, task[i]);
    }

    /** What CR3 holds. */
    private long root() {
        return switch (mode) {
            case PAE -> PAE_ROOT;
            case LONG, COMPATIBILITY -> PML4;
            default -> LEGACY;
        };
    }

    private int bits() {
        return switch (mode) {
            case REAL, PROTECTED16, VIRTUAL8086 -> 16;
            case LONG -> 64;
            default -> 32;
        };
    }

    /** A page that a table entry may name. */
    private long target() {
        return switch (random.nextInt(12)) {
            case 0 -> MMIO + 4096L * random.nextInt(16);
            case 1 -> pick(0x200000, 0x300000, RESERVED + RESERVED_BYTES, 0xa0000000L);
            case 2 -> APIC;
            case 3 -> pick(1L << 40, 1L << 45, (1L << 46) - 4096, HIGH + HIGH_BYTES);
            case 4 -> PML4 + 4096L * random.nextInt(7);
            case 5 -> HIGH + 4096L * random.nextInt(64);
            case 6 -> RESERVED;
            case 7 -> SECOND + 4096L * random.nextInt(64);
            default -> 4096L * random.nextInt(256);
        };
    }

    private long entry() {
        long flags = one(10)
                ? random.nextInt(4096)
                : 7 | random.nextInt(8) << 3 | (one(4) ? 0x80 : 0) | (one(4) ? 0x100 : 0);
        return target() | flags | (one(10) ? 1L << 63 : 0) | (one(20) ? random.nextLong() << 46 : 0);
    }

    /** Mostly the identity for the first megabyte, so that code can run at all; anything else anywhere else. */
    private void pageTables() {
        for (int i = 0; i < 512; i++) {
            put(PML4 + 8 * i, i == 0 ? PDPT | 7 : entry());
            put(PDPT + 8 * i, i == 0 ? PD | 7 : i == 4 ? HIGH | 0x87 : entry());
            put(PD + 8 * i, i == 0 ? PT | 7 : i == 2 ? SECOND | 0x87 : entry());
            put(
                    PT + 8 * i,
                    i == 0xfe ? APIC | 0x1f : i > 15 && one(16) ? entry() : 4096L * i | 7 | (one(4) ? 0x100 : 0));
        }
        for (int i = 0; i < 4; i++) put(PAE_ROOT + 8 * i, i == 0 ? PD | 1 : target() | 1);
        for (int i = 0; i < 1024; i++) {
            vm.memory()
                    .putInt(
                            LEGACY + 4 * i,
                            i == 0 ? (int) LEGACY_PT | 7 : i == 1 ? (int) SECOND | 0x87 : (int) entry());
            vm.memory()
                    .putInt(
                            LEGACY_PT + 4 * i,
                            i == 0xfe ? (int) APIC | 0x1f : i > 15 && one(16) ? (int) entry() : 4096 * i | 7);
        }
    }

    private void put(long gpa, long value) {
        vm.memory().putLong(gpa, value);
    }

    private long descriptor() {
        if (one(4)) return random.nextLong();
        long type = random.nextInt(32) | (long) random.nextInt(4) << 5 | (one(8) ? 0 : 0x80);
        long base = one(3) ? target() : pick(0, TSS, LDT, GDT), limit = one(2) ? 0xfffff : random.nextInt(0x100000);
        boolean gate = (type & 0x10) == 0 && (type & 4) != 0;
        if (gate)
            return codeAddress() & 0xffff
                    | (8L << random.nextInt(7)) << 16
                    | type << 40
                    | random.nextLong(32) << 32
                    | codeAddress() >>> 16 << 48;
        return limit & 0xffff
                | (base & 0xffffff) << 16
                | type << 40
                | limit >>> 16 << 48
                | random.nextLong(16) << 52
                | (base >>> 24 & 0xff) << 56;
    }

    private void descriptors() {
        boolean wide = mode == Mode.LONG || mode == Mode.COMPATIBILITY;
        put(
                GDT + 0x08,
                wide ? 0x00af9b000000ffffL : mode == Mode.PROTECTED16 ? 0x00009b010000ffffL : 0x00cf9b000000ffffL);
        put(GDT + 0x10, 0x00cf93000000ffffL);
        put(GDT + 0x18, wide ? 0x00affb000000ffffL : 0x00cffb000000ffffL);
        put(GDT + 0x20, 0x00cff3000000ffffL);
        put(GDT + 0x28, 0x0000e90000000067L | TSS << 16 | 2L << 40);
        put(GDT + 0x30, 0);
        put(GDT + 0x38, 0x0000e90000000067L | SECOND_TSS << 16);
        put(GDT + 0x40, 0x000082000000ffffL | LDT << 16);
        put(GDT + 0x48, 0x0000e50000380000L);
    }

    private void interruptTable() {
        for (int v = 0; v < 256; v++) {
            if (mode == Mode.REAL) vm.memory().putInt(4L * v, (int) codeAddress() & 0xffff | random.nextInt(2) << 28);
            long offset = codeAddress() - (mode == Mode.PROTECTED16 ? 0x10000 : 0),
                    selector = one(40) ? random.nextInt(0x200) : one(40) ? 0x18 : 8;
            long type = one(40)
                    ? random.nextInt(256)
                    : one(v == 8 ? 2 : 16) && mode != Mode.LONG ? 0xe5 : pick(0x8e, 0xee, 0x8f, 0xef);
            if (type == 0xe5) selector = 0x38;
            long low = offset & 0xffff | selector << 16 | type << 40 | (offset >>> 16 & 0xffff) << 48;
            if (mode == Mode.LONG || mode == Mode.COMPATIBILITY) {
                put(IDT + 16 * v, low | random.nextLong(v == 8 ? 8 : 3) << 32);
                put(IDT + 16 * v + 8, offset >>> 32);
            } else {
                put(IDT + 8 * v, low);
            }
        }
    }

    /**
     * Something that happens beside the processors: a device writes memory, sends messages, or the host takes memory
     * away and logs what is written.
     */
    void disturb(SplittableRandom by) {
        MemorySlot slot = vm.slots().get(by.nextInt(vm.slots().size()));
        long gpa = by.nextInt(4) == 0
                ? PML4 + 4096L * by.nextInt(12)
                : slot.gpa() + 4096 * by.nextLong(slot.sizeBytes() / 4096);
        try {
            switch (by.nextInt(8)) {
                case 0 -> vm.discard(gpa, 4096);
                case 1 -> log(slot, by);
                case 2 -> vm.engine().externalInterruptChanged();
                case 3, 4 -> vm.engine().signalMsi(APIC | by.nextInt(4) << 12 | by.nextInt(8), by.nextInt(0x10000));
                default -> vm.memory().putLong(gpa + 8 * by.nextInt(512), by.nextLong());
            }
        } catch (IOException e) {
            throw new AssertionError(e);
        }
    }

    private void log(MemorySlot slot, SplittableRandom by) {
        vm.startDirtyLog(slot);
        for (int i = by.nextInt(20); i > 0; i--) vm.collectDirty(slot);
        vm.stopDirtyLog(slot);
    }

    // ---- states ----

    /** Somewhere in a page that holds code; often at its very end. */
    private long codeAddress() {
        long page = codePages.isEmpty() ? 0x10000 : codePages.get(random.nextInt(codePages.size()));
        return page + (one(6) ? 4096 - 1 - random.nextInt(16) : random.nextInt(4096));
    }

    /** Something that an address register may hold. */
    private long address() {
        return switch (random.nextInt(10)) {
            case 0 -> random.nextLong();
            case 1 ->
                pick(LOW_BYTES, SECOND + SECOND_BYTES, HIGH + HIGH_BYTES, HIGH, SECOND, MMIO, 1L << 47, -(1L << 47), 0)
                        - random.nextInt(20);
            case 2 -> random.nextInt(300);
            case 3 -> target() + random.nextInt(4096);
            default -> codeAddress();
        };
    }

    /** A state for this machine's mode; {@code wild}: with fields that may contradict each other. */
    CpuState state(boolean wild) {
        CpuState s = new CpuState();
        boolean user = mode == Mode.VIRTUAL8086 || one(2) && mode != Mode.REAL;
        for (int i = 0; i < 16; i++) s.gpr[i] = address();
        s.gpr[CpuState.RCX] = one(3) ? random.nextLong() : random.nextInt(5000);
        if (!one(6)) s.gpr[CpuState.RSP] = codeAddress();
        s.rip = codeAddress();
        if (mode == Mode.PROTECTED16) s.rip = s.rip - 0x10000 & 0xffff;
        if (one(12)) s.rip = address();
        s.rflags = 2 | random.nextInt(0x1000) & (one(8) ? -1 : ~0x100) | (one(6) ? 0x3000 : 0) | (one(6) ? 0x40000 : 0);
        mode(s, user);
        if (one(8)) {
            s.dr[7] = random.nextLong() & 0xffff03ffL | 0x400;
            for (int i = 0; i < 4; i++) s.dr[i] = address();
        }
        if (one(3)) {
            random.nextBytes(s.xsave);
        }
        s.halted = one(30);
        s.stiShadow = one(30);
        s.movSsShadow = one(30);
        s.nmiBlocked = one(30);
        s.star = random.nextLong(0x40) << 32 | random.nextLong(0x40) << 48;
        s.lstar = s.cstar = address();
        s.sysenterCs = random.nextInt(0x40);
        s.sysenterEip = address();
        s.sysenterEsp = address();
        s.kernelGsBase = address();
        if (wild) contradict(s);
        return s;
    }

    private void mode(CpuState s, boolean user) {
        int dpl = user ? 0x60 : 0, rpl = user ? 3 : 0;
        boolean real = mode == Mode.REAL, wide = mode == Mode.LONG;
        if (real || mode == Mode.VIRTUAL8086) {
            long page = codePages.get(random.nextInt(codePages.size()));
            for (int n = CpuState.ES; n <= CpuState.GS; n++)
                segment(
                        s,
                        n,
                        (int) ((n == CpuState.CS ? page & 0xf0000 : 4096L * random.nextInt(256)) >>> 4),
                        0xffff,
                        real ? n == CpuState.CS ? 0x9b : 0x93 : 0xf3);
            s.rip &= 0xffff;
        } else {
            int code = wide ? 0xa09b : mode == Mode.PROTECTED16 ? 0x9b : 0xc09b;
            for (int n = CpuState.ES; n <= CpuState.GS; n++) {
                segment(s, n, 0, -1, n == CpuState.CS ? code | dpl : 0xc093 | dpl);
                s.selector[n] = (n == CpuState.CS ? user ? 0x18 : 8 : user ? 0x20 : 0x10) | rpl;
                s.base[n] = mode != Mode.PROTECTED16 ? 0 : n == CpuState.CS ? 0x10000 : 0x10000L * random.nextInt(2);
            }
        }
        s.cr0 = 0x10 | (real ? 0 : 0x21) | (one(8) ? 2L << random.nextInt(3) : 0);
        s.cr4 = one(8) ? random.nextInt(1 << 22) & 0x3707ff : 0x40600;
        if (real) {
            s.idtrLimit = 0x3ff;
            s.idtrBase = 0;
            return;
        }
        s.gdtrBase = GDT;
        s.gdtrLimit = one(6) ? random.nextInt(0x1000) : 0xfff;
        s.idtrBase = IDT;
        s.idtrLimit = one(6) ? random.nextInt(0x1000) : 0xfff;
        segment(s, CpuState.TR, 0, one(4) ? random.nextInt(0x200) : 0xfff, 0x8b);
        s.selector[CpuState.TR] = 0x28;
        s.base[CpuState.TR] = TSS;
        segment(s, CpuState.LDTR, 0, 0xff, 0x82);
        s.base[CpuState.LDTR] = LDT;
        if (mode == Mode.VIRTUAL8086) s.rflags |= 0x20000;
        paging(s);
    }

    private void paging(CpuState s) {
        Mode paging = mode != Mode.VIRTUAL8086 ? mode : one(2) ? Mode.LEGACY_PAGING : Mode.PROTECTED32;
        switch (paging) {
            case LEGACY_PAGING -> {
                s.cr3 = root();
                s.cr4 = s.cr4 & ~0x20 | 0x10;
                s.cr0 |= 1L << 31;
            }
            case PAE -> {
                s.cr3 = root();
                s.cr4 |= 0x20;
                s.cr0 |= 1L << 31;
                s.efer = 0x800;
            }
            case LONG, COMPATIBILITY -> {
                s.cr3 = root();
                s.cr4 |= 0x20;
                s.cr0 |= 1L << 31;
                s.efer = 0xd01;
            }
            default -> {}
        }
        if (one(3)) s.cr0 |= 0x50000;
        if (one(20)) s.cr3 = target();
    }

    private static void segment(CpuState s, int n, int selector, int limit, int access) {
        s.selector[n] = selector;
        s.base[n] = (long) selector << 4;
        s.limit[n] = limit;
        s.access[n] = access;
    }

    private void contradict(CpuState s) {
        for (int n = 1 + random.nextInt(4); n > 0; n--) {
            switch (random.nextInt(14)) {
                case 0 -> s.cr0 ^= 1L << random.nextInt(32);
                case 1 -> s.cr4 ^= 1L << random.nextInt(24);
                case 2 -> s.efer ^= 1L << pick(0, 8, 10, 11);
                case 3 -> s.rflags ^= 1L << random.nextInt(22);
                case 4 -> s.access[random.nextInt(8)] = random.nextInt(0x20000);
                case 5 -> s.base[random.nextInt(8)] = address();
                case 6 -> s.limit[random.nextInt(8)] = random.nextInt();
                case 7 -> s.gdtrBase = address();
                case 8 -> s.idtrBase = address();
                case 9 -> s.cr3 = random.nextLong();
                case 10 -> s.rip = random.nextLong();
                case 11 -> s.selector[random.nextInt(8)] = random.nextInt();
                case 12 -> s.xcr0 = random.nextLong();
                default -> s.gpr[CpuState.RSP] = random.nextLong();
            }
        }
    }

    // ---- devices ----

    /** Answers anything; never the same way twice. */
    GuestBus bus() {
        return new GuestBus() {
            private final SplittableRandom answers = random.split();

            @Override
            public int portRead(int port, int size) {
                onDevice.run();
                return answers.nextInt();
            }

            @Override
            public void portWrite(int port, int size, int value) {
                onDevice.run();
            }

            @Override
            public long mmioRead(long gpa, int size) {
                onDevice.run();
                return answers.nextLong();
            }

            @Override
            public void mmioWrite(long gpa, int size, long value) {
                onDevice.run();
            }
        };
    }

    /** 8259s whose line is as often up as down. */
    private static final class Controller implements InterruptController {
        private final AtomicInteger count = new AtomicInteger();

        @Override
        public boolean interruptPending() {
            return count.incrementAndGet() % 3 == 0;
        }

        @Override
        public int acknowledge() {
            return count.get();
        }

        @Override
        public void endOfInterrupt(int vector) {}
    }

    // ---- afterwards ----

    /**
     * What no guest may change: neighbours in this process, and that the nested table maps the slots' pages and nothing
     * else. No processor runs.
     */
    void check() {
        for (Mapping guard : guards)
            assertEquals(
                    -1,
                    HostMemory.ALL.asSlice(guard.hostAddress(), GUARD_BYTES).mismatch(UNTOUCHED),
                    "offset in a guard page that has changed");
        long resident = 0;
        for (MemorySlot slot : vm.slots()) {
            for (long at = 0; at < slot.sizeBytes(); at += 4096) {
                long host = vm.nestedPageTable().extract(slot.gpa() + at);
                if (host == -1) continue;
                assertEquals(
                        slot.hostAddress() + at, host, "nested page table, gpa " + Long.toHexString(slot.gpa() + at));
                resident++;
            }
        }
        assertEquals(resident, vm.nestedPageTable().residentCount(), "pages entered outside of the slots");
    }

    byte[] bytes(MemorySlot slot) {
        byte[] bytes = new byte[(int) slot.sizeBytes()];
        vm.memory().read(slot.gpa(), bytes, 0, bytes.length);
        return bytes;
    }

    @Override
    public void close() throws IOException {
        vm.close();
        if (clock instanceof HostClock h) h.close();
        for (Mapping guard : guards) guard.unmap();
    }
}
