package org.nestorvm.engine.soft.mmu;

import static org.nestorvm.memory.sys.HostMemory.ALL;
import static org.nestorvm.memory.sys.HostMemory.ATOMIC_INT;
import static org.nestorvm.memory.sys.HostMemory.ATOMIC_LONG;

import java.util.Arrays;
import org.nestorvm.engine.soft.chip.LocalApic;
import org.nestorvm.engine.soft.state.Cpu;
import org.nestorvm.engine.soft.state.Debug;
import org.nestorvm.engine.soft.state.GuestFault;
import org.nestorvm.engine.soft.state.MonitorError;
import org.nestorvm.engine.soft.state.Processor;
import org.nestorvm.engine.soft.state.SlowMemory;
import org.nestorvm.memory.sys.HostMemory;
import org.nestorvm.paging.Access;
import org.nestorvm.paging.NestedPageTable;
import org.nestorvm.paging.NestedWalk;
import org.nestorvm.vmm.GuestBus;
import org.nestorvm.vmm.NestedFaultHandler;

/**
 * The memory management unit: the cold half of every access. A miss walks the guest's tables ({@link GuestWalk}); each
 * guest-physical address on the way, and the final one, goes through the nested page table, as on hardware. A nested
 * fault is described in the format's own exit information and handed to the monitor, which makes the page resident, or
 * says that a device or nothing is there.
 */
public final class Mmu implements SlowMemory {
    /**
     * The set of tags that are never filled: every access comes to the slow half. For alignment checks and data
     * breakpoints.
     */
    private static final long[] NO_TAGS = new long[Cpu.TLB_SIZE];

    static {
        Arrays.fill(NO_TAGS, 1);
    }

    private static final byte LISTED = 1, GLOBAL = 2;

    private final Cpu c;
    private final NestedPageTable nested;
    private final NestedFaultHandler faults;
    private final CodeWatch code;
    private final NestedWalk nestedWalk = new NestedWalk();
    private final GuestWalk walk;
    public GuestBus bus = GuestBus.EMPTY;
    public Processor vcpu;
    public LocalApic apic;

    /**
     * Pages that may be written as by a write tag, but hold code: a store need not walk the tables again, but must ask
     * {@link CodeWatch#written}.
     */
    private final long[][] codeTags = new long[3][Cpu.TLB_SIZE];

    // Execution: its own tags, since a page that can be read need not be executable. [supervisor, user]
    private final long[][] execTags = new long[2][Cpu.TLB_SIZE], execHosts = new long[2][Cpu.TLB_SIZE];

    /** Slots that hold something since the last flush, as set << 12 | slot; execution tags count as sets 3 and 4. */
    private int[] listed = new int[1024];

    private int listedCount;
    private final byte[][] marks = new byte[5][Cpu.TLB_SIZE];
    /** 2 MiB regions of which a large page was loaded, hashed; and whether a 1 GiB page was. */
    private final long[] largeRegions = new long[16];

    private boolean giantPage;

    /**
     * Counts up when an execution translation goes away: what was checked against the execution TLB before must be
     * checked again.
     */
    public int execEpoch;

    // Counters, for the closing line.
    public long misses, walks, nestedFaults, flushes, mmioAccesses;

    /** Where a guest-physical address that is no memory was found: set when {@link #hostOf} returns 0. */
    private long deviceGpa;

    private boolean deviceIsHole;

    public Mmu(Cpu c, NestedPageTable nested, NestedFaultHandler faults, CodeWatch code) {
        this.c = c;
        this.nested = nested;
        this.faults = faults;
        this.code = code;
        walk = new GuestWalk(c, this);
        for (int set = 0; set < 3; set++) {
            Arrays.fill(c.readTags[set], 1);
            Arrays.fill(c.writeTags[set], 1);
        }
        for (long[] tags : execTags) Arrays.fill(tags, 1);
        for (long[] tags : codeTags) Arrays.fill(tags, 1);
    }

    /** Chooses the tags for the present privilege: after a change of CPL, CR0, CR4, RFLAGS.AC, DR7. */
    @Override
    public void selectTags() {
        boolean user = c.cpl == 3;
        boolean smap = (c.cr4 & Cpu.CR4_SMAP) != 0 && (c.rflags & Cpu.AC) == 0;
        c.tlbSet = user ? Cpu.USER : smap ? Cpu.SUPERVISOR : Cpu.SUPERVISOR_AC;
        boolean alignment = user && (c.rflags & Cpu.AC) != 0 && (c.cr0 & Cpu.CR0_AM) != 0;
        boolean watch = c.dataBreakpoints;
        c.readTag = alignment || watch ? NO_TAGS : c.readTags[c.tlbSet];
        c.writeTag = alignment || watch ? NO_TAGS : c.writeTags[c.tlbSet];
        c.addend = c.addends[c.tlbSet];
    }

    // ---- slow loads and stores ----

    @Override
    public long loadSlow(long linear, int size) {
        if (c.readTag == NO_TAGS) checkEach(linear, size, Access.READ);
        if ((linear & 0xfff) + size > 4096) return loadCrossing(linear, size);
        long host = translate(linear, Access.READ, c.tlbSet);
        if (host != 0) return loadHost(host, size);
        return deviceRead(deviceGpa, size);
    }

    private static long loadHost(long host, int size) {
        return switch (size) {
            case 1 -> HostMemory.getByte(host) & 0xff;
            case 2 -> HostMemory.getShort(host) & 0xffff;
            case 4 -> HostMemory.getInt(host) & 0xffffffffL;
            default -> HostMemory.getLong(host);
        };
    }

    /**
     * Of an access that crosses a page: an address in the hole beyond the first half is #GP or #SS before the first
     * half can be #PF.
     */
    private void checkEnd(long linear, int size) {
        if (c.longMode() && !canonical(linear + size - 1)) throw notCanonical();
    }

    private GuestFault notCanonical() {
        return c.currentOpIsStack() ? c.raise(GuestFault.SS, 0) : c.gp(0);
    }

    private long loadCrossing(long linear, int size) {
        checkEnd(linear, size);
        long value = 0;
        for (int i = 0; i < size; i++) value |= (c.load8(wrap(linear + i)) & 0xffL) << 8 * i;
        return value;
    }

    /** The address behind 4 GiB is 0 outside 64-bit code. */
    private long wrap(long linear) {
        return c.longMode() ? linear : linear & 0xffffffffL;
    }

    @Override
    public void storeSlow(long linear, int size, long value) {
        if (c.writeTag == NO_TAGS) checkEach(linear, size, Access.WRITE);
        if ((linear & 0xfff) + size > 4096) {
            probeWrite(linear, size);
            for (int i = 0; i < size; i++) c.store8(wrap(linear + i), (int) (value >>> 8 * i));
            return;
        }
        long host = translate(linear, Access.WRITE, c.tlbSet);
        if (host == 0) {
            deviceWrite(deviceGpa, size, value);
            return;
        }
        switch (size) {
            case 1 -> HostMemory.putByte(host, (byte) value);
            case 2 -> HostMemory.putShort(host, (short) value);
            case 4 -> HostMemory.putInt(host, (int) value);
            default -> HostMemory.putLong(host, value);
        }
        if (code.written(host, size)) c.limit = 0;
    }

    @Override
    public void probeWrite(long linear, int size) {
        if (c.writeTag == NO_TAGS) checkEach(linear, size, Access.WRITE);
        boolean crosses = (linear & 0xfff) + size > 4096;
        if (crosses) checkEnd(linear, size);
        translate(linear, Access.WRITE, c.tlbSet);
        if (crosses) translate(wrap((linear | 0xfff) + 1), Access.WRITE, c.tlbSet);
    }

    /** Faults as a read of {@code size} bytes would. */
    @Override
    public void probeRead(long linear, int size) {
        boolean crosses = (linear & 0xfff) + size > 4096;
        if (crosses) checkEnd(linear, size);
        translate(linear, Access.READ, c.tlbSet);
        if (crosses) translate(wrap((linear | 0xfff) + 1), Access.READ, c.tlbSet);
    }

    /**
     * The host address of {@code size} bytes that are aligned memory without code in them, for atomic operations and
     * bulk copies; 0 when they are something else. Faults as a write or a read.
     */
    @Override
    public long hostForWrite(long linear, int size) {
        if (c.writeTag == NO_TAGS) checkEach(linear, size, Access.WRITE);
        int slot = (int) (linear >>> 12) & Cpu.TLB_SIZE - 1;
        if (c.writeTag[slot] == (linear + (size - 1) & Cpu.PAGE_MASK)) return linear + c.addend[slot];
        if ((linear & 0xfff) + size > 4096) {
            probeWrite(linear, size);
            return 0;
        }
        long host = translate(linear, Access.WRITE, c.tlbSet);
        return host != 0 && !code.hasCode(host & Cpu.PAGE_MASK) ? host : 0;
    }

    @Override
    public long hostForRead(long linear, int size) {
        if (c.readTag == NO_TAGS) checkEach(linear, size, Access.READ);
        int slot = (int) (linear >>> 12) & Cpu.TLB_SIZE - 1;
        if (c.readTag[slot] == (linear + (size - 1) & Cpu.PAGE_MASK)) return linear + c.addend[slot];
        if ((linear & 0xfff) + size > 4096) {
            probeRead(linear, size);
            return 0;
        }
        return translate(linear, Access.READ, c.tlbSet);
    }

    /** Alignment check, and data breakpoints: only with a set of tags that is never filled. */
    private void checkEach(long linear, int size, int access) {
        if (c.cpl == 3
                && (c.rflags & Cpu.AC) != 0
                && (c.cr0 & Cpu.CR0_AM) != 0
                && (linear & Math.min(size & -size, 8) - 1) != 0) throw c.raise(GuestFault.AC, 0);
        if (c.dataBreakpoints) Debug.access(c, linear, size, access);
    }

    /**
     * Accesses that the processor makes by itself to descriptor tables and TSS: always as a supervisor, and subject to
     * SMAP whatever AC is.
     */
    @Override
    public long systemLoad(long linear, int size) {
        long value = 0;
        linear = wrap(linear);
        if ((linear & 0xfff) + size <= 4096) {
            long host = translate(linear, Access.READ, Cpu.SUPERVISOR);
            return host != 0 ? loadHost(host, size) : deviceRead(deviceGpa, size);
        }
        for (int i = 0; i < size; i++) value |= systemLoad(linear + i, 1) << 8 * i;
        return value;
    }

    @Override
    public void systemStore(long linear, int size, long value) {
        for (int i = 0; i < size; i++) {
            long host = translate(wrap(linear + i), Access.WRITE, Cpu.SUPERVISOR);
            if (host == 0) deviceWrite(deviceGpa, 1, value >>> 8 * i & 0xff);
            else {
                HostMemory.putByte(host, (byte) (value >>> 8 * i));
                if (code.written(host, 1)) c.limit = 0;
            }
        }
    }

    // ---- devices ----

    private long deviceRead(long gpa, int size) {
        mmioAccesses++;
        if (apic != null && apic.claims(gpa)) return apic.mmioRead((int) gpa & 0xfff);
        if (deviceIsHole) return -1L >>> 64 - 8 * size;
        vcpu.leaveGuest();
        long v = bus.mmioRead(gpa, size);
        vcpu.enterGuest();
        return size == 8 ? v : v & (1L << 8 * size) - 1;
    }

    private void deviceWrite(long gpa, int size, long value) {
        mmioAccesses++;
        if (apic != null && apic.claims(gpa)) apic.mmioWrite((int) gpa & 0xfff, (int) value);
        else if (!deviceIsHole) {
            vcpu.leaveGuest();
            bus.mmioWrite(gpa, size, size == 8 ? value : value & (1L << 8 * size) - 1);
            vcpu.enterGuest();
        }
    }

    @Override
    public int portRead(int port, int size) {
        vcpu.leaveGuest();
        int v = bus.portRead(port, size);
        vcpu.enterGuest();
        return v;
    }

    @Override
    public void portWrite(int port, int size, int value) {
        vcpu.leaveGuest();
        bus.portWrite(port, size, size == 4 ? value : value & (1 << 8 * size) - 1);
        vcpu.enterGuest();
    }

    // ---- translation ----

    private boolean canonical(long linear) {
        return linear << 16 >> 16 == linear;
    }

    /**
     * Linear to host address, for data, loading the TLB. Returns 0 for a device; {@link #deviceGpa} then says where.
     * Faults like the processor.
     */
    private long translate(long linear, int access, int set) {
        if (!canonical(linear)) throw notCanonical();
        int slot = (int) (linear >>> 12) & Cpu.TLB_SIZE - 1;
        long page = linear & Cpu.PAGE_MASK;
        if ((access == Access.WRITE ? c.writeTags[set] : c.readTags[set])[slot] == page)
            return linear + c.addends[set][slot];
        if (access == Access.WRITE && codeTags[set][slot] == page) return besideCode(linear, set, slot);
        misses++;
        long gpa = walk.translate(linear, access, set != Cpu.USER, set == Cpu.SUPERVISOR);
        long host = hostOf(gpa, access, true);
        if (host == 0) return 0;
        long hostPage = host & Cpu.PAGE_MASK;
        if (c.readTags[set][slot] != page || c.addends[set][slot] != hostPage - page) {
            c.writeTags[set][slot] = codeTags[set][slot] = 1;
            c.readTags[set][slot] = page;
            c.addends[set][slot] = hostPage - page;
            list(set, slot);
        }
        if (access == Access.WRITE) (code.hasCode(hostPage) ? codeTags : c.writeTags)[set][slot] = page;
        return host;
    }

    /**
     * A page that may be written, and had code at the last look: if it has none any more, stores to it are fast again.
     */
    private long besideCode(long linear, int set, int slot) {
        long host = linear + c.addends[set][slot];
        if (!code.hasCode(host & Cpu.PAGE_MASK)) {
            codeTags[set][slot] = 1;
            c.writeTags[set][slot] = linear & Cpu.PAGE_MASK;
        }
        return host;
    }

    /** Linear to host address of code; 0 when code lies in a device. */
    public long translateCode(long linear) {
        if (!canonical(linear)) throw c.gp(0);
        int set = c.cpl == 3 ? 1 : 0;
        int slot = (int) (linear >>> 12) & Cpu.TLB_SIZE - 1;
        long page = linear & Cpu.PAGE_MASK;
        if (execTags[set][slot] == page) return execHosts[set][slot] | linear & 0xfff;
        misses++;
        long gpa = walk.translate(linear, Access.EXECUTE, set == 0, false);
        long host = hostOf(gpa, Access.EXECUTE, true);
        if (host == 0) return 0;
        execEpoch++; // an older page may lose its place
        execTags[set][slot] = page;
        execHosts[set][slot] = host & Cpu.PAGE_MASK;
        list(3 + set, slot);
        code.verify(host & Cpu.PAGE_MASK);
        return host;
    }

    /** The host page that the execution TLB holds for this page, or 0: the check that makes a cached block usable. */
    public long codePage(long linear) {
        int set = c.cpl == 3 ? 1 : 0;
        int slot = (int) (linear >>> 12) & Cpu.TLB_SIZE - 1;
        return execTags[set][slot] == (linear & Cpu.PAGE_MASK) ? execHosts[set][slot] : 0;
    }

    /** A guest-physical byte as a device address, for code that runs from one. */
    public int deviceByte(int at) {
        return (int) deviceRead(deviceGpa + at, 1) & 0xff;
    }

    /**
     * Guest-physical to host address through the nested page table, with nested faults answered. Returns 0 when no
     * memory is there.
     *
     * @param last true for the access itself, false for an entry of the guest's tables
     */
    public long hostOf(long gpa, int access, boolean last) {
        if (apic != null && apic.claims(gpa)) {
            deviceGpa = gpa;
            deviceIsHole = false;
            return 0;
        }
        for (int attempt = 0; ; attempt++) {
            walks++;
            long host = nested.walk(gpa, access, nestedWalk);
            if (host != -1) return host;
            nestedFaults++;
            long info = nested.format().faultInfo(nestedWalk, access, true, last, c.cpl == 3);
            switch (handle(gpa, info)) {
                case NestedFaultHandler.RESIDENT -> {
                    if (attempt > 1000)
                        throw new MonitorError("nested fault at gpa 0x" + Long.toHexString(gpa)
                                + " is not resolved after " + attempt + " attempts");
                }
                case NestedFaultHandler.MMIO -> {
                    deviceGpa = gpa;
                    deviceIsHole = false;
                    return 0;
                }
                case NestedFaultHandler.HOLE -> {
                    deviceGpa = gpa;
                    deviceIsHole = true;
                    return 0;
                }
                case NestedFaultHandler.SHORTAGE -> vcpu.leaveIfKicked();
                case NestedFaultHandler.MISCONFIGURED ->
                    throw new MonitorError(
                            "nested page table entry for gpa 0x" + Long.toHexString(gpa) + " is misconfigured");
                default -> {
                    if (access != Access.WRITE)
                        throw new MonitorError("nested page table refuses access " + access + " to memory at gpa 0x"
                                + Long.toHexString(gpa));
                    deviceGpa = gpa; // read-only memory: the write is dropped
                    deviceIsHole = true;
                    return 0;
                }
            }
        }
    }

    /**
     * The handler may wait, for memory or for a lock whose holder waits for this processor's flush; and no translation
     * is kept meanwhile.
     */
    private int handle(long gpa, long info) {
        if (!vcpu.inGuest()) return faults.handle(gpa, info); // a state is being loaded
        vcpu.leaveGuest();
        int outcome = faults.handle(gpa, info);
        vcpu.enterGuest();
        return outcome;
    }

    /** An entry of the guest's tables: {@code size} 4 or 8. Entries in a device or a hole read all ones. */
    long loadEntry(long gpa, int size) {
        long host = hostOf(gpa, Access.READ, false);
        if (host == 0) return -1L;
        return size == 8
                ? (long) ATOMIC_LONG.getVolatile(ALL, host)
                : (int) ATOMIC_INT.getVolatile(ALL, host) & 0xffffffffL;
    }

    /** Sets accessed and dirty bits in a guest entry. False when the entry has changed meanwhile: walk again. */
    boolean updateEntry(long gpa, int size, long old, long now) {
        long host = hostOf(gpa, Access.WRITE, false);
        if (host == 0) return true;
        boolean done = size == 8
                ? ATOMIC_LONG.compareAndSet(ALL, host, old, now)
                : ATOMIC_INT.compareAndSet(ALL, host, (int) old, (int) now);
        if (done && code.hasCode(host & Cpu.PAGE_MASK)) code.written(host, size);
        return done;
    }

    @Override
    public void loadPdptes(long cr3) {
        walk.loadPdptes(cr3);
    }

    /** The same when a state is loaded from outside: bad entries are not present. */
    @Override
    public void loadPdptesQuietly(long cr3) {
        try {
            walk.loadPdptes(cr3);
        } catch (GuestFault f) {
            java.util.Arrays.fill(walk.pdpte, 0);
        }
    }

    // ---- flushing ----

    private void list(int set, int slot) {
        byte mark = (byte) (LISTED | (walk.global ? GLOBAL : 0));
        if (marks[set][slot] == 0) {
            if (listedCount == listed.length) listed = Arrays.copyOf(listed, 2 * listedCount);
            listed[listedCount++] = set << 12 | slot;
        }
        marks[set][slot] = mark;
        if (walk.pageShift > 12) {
            if (walk.pageShift > 21) giantPage = true;
            else {
                int region = (int) (c.lastLinear >>> 21) & 1023;
                largeRegions[region >>> 6] |= 1L << region;
            }
        }
    }

    private void drop(int entry) {
        int set = entry >>> 12, slot = entry & Cpu.TLB_SIZE - 1;
        marks[set][slot] = 0;
        if (set >= 3) {
            execEpoch++;
            execTags[set - 3][slot] = 1;
        } else {
            c.readTags[set][slot] = c.writeTags[set][slot] = codeTags[set][slot] = 1;
        }
    }

    @Override
    public void flushAll() {
        flushes++;
        for (int i = 0; i < listedCount; i++) drop(listed[i]);
        listedCount = 0;
        Arrays.fill(largeRegions, 0);
        giantPage = false;
    }

    /** What MOV to CR3 does: global pages stay when CR4.PGE is set. */
    @Override
    public void flushNonGlobal() {
        if ((c.cr4 & Cpu.CR4_PGE) == 0) {
            flushAll();
            return;
        }
        flushes++;
        int kept = 0;
        for (int i = 0; i < listedCount; i++) {
            int entry = listed[i];
            if ((marks[entry >>> 12][entry & Cpu.TLB_SIZE - 1] & GLOBAL) != 0) listed[kept++] = entry;
            else drop(entry);
        }
        listedCount = kept;
    }

    /** INVLPG: the page that holds {@code linear}, of whatever size it is. */
    @Override
    public void flushPage(long linear) {
        int region = (int) (linear >>> 21) & 1023;
        if (giantPage || (largeRegions[region >>> 6] >>> region & 1) != 0) {
            flushAll();
            return;
        }
        int slot = (int) (linear >>> 12) & Cpu.TLB_SIZE - 1;
        for (int set = 0; set < 3; set++) c.readTags[set][slot] = c.writeTags[set][slot] = codeTags[set][slot] = 1;
        execEpoch++;
        execTags[0][slot] = execTags[1][slot] = 1;
    }

    /** Takes the write tags of a host page that has become code. */
    public void dropWriteTags(long hostPage) {
        for (int i = 0; i < listedCount; i++) {
            int set = listed[i] >>> 12, slot = listed[i] & Cpu.TLB_SIZE - 1;
            if (set < 3 && c.writeTags[set][slot] != 1 && c.writeTags[set][slot] + c.addends[set][slot] == hostPage)
                c.writeTags[set][slot] = 1;
        }
    }
}
