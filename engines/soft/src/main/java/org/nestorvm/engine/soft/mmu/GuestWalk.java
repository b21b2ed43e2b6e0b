package org.nestorvm.engine.soft.mmu;

import org.nestorvm.engine.soft.state.Cpu;
import org.nestorvm.engine.soft.state.GuestFault;
import org.nestorvm.paging.Access;

/**
 * The walk of the guest's own page tables: 32-bit, PAE and 4-level (SDM vol. 3A, chapter 4). Rights are combined over
 * the levels, accessed and dirty bits are set with compare-and-set, and a refusal is #PF with the error code of section
 * 4.7.
 */
public final class GuestWalk {
    private static final long P = 1, RW = 2, US = 4, A = 0x20, D = 0x40, PS = 0x80, G = 0x100, NX = 1L << 63;
    private static final int E_PRESENT = 1, E_WRITE = 2, E_USER = 4, E_RESERVED = 8, E_FETCH = 16;
    /** Physical address width that CPUID reports: 46 bits. */
    public static final int MAXPHYADDR = 46;

    private static final long ADDRESS = (1L << MAXPHYADDR) - 1 & ~0xfffL;
    private static final long RESERVED_HIGH = (1L << 52) - 1 & ~((1L << MAXPHYADDR) - 1);

    private final Cpu c;
    private final Mmu mmu;
    /** The PDPTEs of PAE paging, loaded with CR3. */
    final long[] pdpte = new long[4];
    /** Of the last translation. */
    boolean global;

    int pageShift;

    GuestWalk(Cpu c, Mmu mmu) {
        this.c = c;
        this.mmu = mmu;
    }

    private GuestFault pageFault(long linear, int code) {
        c.cr2 = linear;
        return c.raise(GuestFault.PF, code);
    }

    /**
     * Linear to guest-physical.
     *
     * @param access one bit of {@link Access}
     * @param supervisor the access is a supervisor's; {@code smap} whether user pages are closed to it
     */
    long translate(long linear, int access, boolean supervisor, boolean smap) {
        c.lastLinear = linear;
        if ((c.cr0 & Cpu.CR0_PG) == 0) {
            global = false;
            pageShift = 12;
            return linear & 0xffffffffL;
        }
        int error = (access == Access.WRITE ? E_WRITE : 0)
                | (supervisor ? 0 : E_USER)
                | (access == Access.EXECUTE && executeProtected() ? E_FETCH : 0);
        for (; ; ) {
            long gpa = (c.cr4 & Cpu.CR4_PAE) == 0
                    ? legacy(linear, access, supervisor, smap, error)
                    : wide(linear, access, supervisor, smap, error);
            if (gpa != -1) return gpa;
        }
    }

    private boolean executeProtected() {
        return (c.efer & Cpu.EFER_NXE) != 0 && (c.cr4 & Cpu.CR4_PAE) != 0 || (c.cr4 & Cpu.CR4_SMEP) != 0;
    }

    /** Is the access allowed, given the rights that all levels share? Throws if not. */
    private void check(
            long linear,
            int access,
            boolean supervisor,
            boolean smap,
            int error,
            boolean writable,
            boolean user,
            boolean noExecute) {
        boolean ok;
        if (supervisor) {
            ok = switch (access) {
                case Access.EXECUTE -> !noExecute && !(user && (c.cr4 & Cpu.CR4_SMEP) != 0);
                case Access.WRITE ->
                    (writable || (c.cr0 & Cpu.CR0_WP) == 0) && !(user && smap && (c.cr4 & Cpu.CR4_SMAP) != 0);
                default -> !(user && smap && (c.cr4 & Cpu.CR4_SMAP) != 0);
            };
        } else {
            ok = user && (access != Access.WRITE || writable) && (access != Access.EXECUTE || !noExecute);
        }
        if (!ok) throw pageFault(linear, error | E_PRESENT);
    }

    /** 32-bit paging. Returns -1 when an entry changed under the walk. */
    private long legacy(long linear, int access, boolean supervisor, boolean smap, int error) {
        long pdeAt = (c.cr3 & 0xfffff000L) + (linear >>> 22 & 0x3ff) * 4;
        long pde = mmu.loadEntry(pdeAt, 4);
        if ((pde & P) == 0) throw pageFault(linear, error);
        boolean writable = (pde & RW) != 0, user = (pde & US) != 0;
        if ((pde & PS) != 0 && (c.cr4 & Cpu.CR4_PSE) != 0) {
            if ((pde & 1 << 21) != 0) throw pageFault(linear, error | E_PRESENT | E_RESERVED);
            check(linear, access, supervisor, smap, error, writable, user, false);
            if (!mark(pdeAt, 4, pde, access == Access.WRITE)) return -1;
            pageShift = 22;
            global = (pde & G) != 0;
            return (pde & 0x1fe000L) << 19 | pde & 0xffc00000L | linear & 0x3fffff;
        }
        long pteAt = (pde & 0xfffff000L) + (linear >>> 12 & 0x3ff) * 4;
        long pte = mmu.loadEntry(pteAt, 4);
        if ((pte & P) == 0) throw pageFault(linear, error);
        writable &= (pte & RW) != 0;
        user &= (pte & US) != 0;
        check(linear, access, supervisor, smap, error, writable, user, false);
        if (!mark(pdeAt, 4, pde, false) || !mark(pteAt, 4, pte, access == Access.WRITE)) return -1;
        pageShift = 12;
        global = (pte & G) != 0;
        return pte & 0xfffff000L | linear & 0xfff;
    }

    /** PAE and 4-level paging. */
    private long wide(long linear, int access, boolean supervisor, boolean smap, int error) {
        boolean nxe = (c.efer & Cpu.EFER_NXE) != 0;
        long reserved = RESERVED_HIGH | (nxe ? 0 : NX);
        boolean four = (c.efer & Cpu.EFER_LMA) != 0;
        boolean writable = true, user = true, noExecute = false;
        long table;
        int level;
        long at4 = 0, entry4 = 0, at3 = 0, entry3 = 0, at2 = 0, entry2 = 0;
        if (four) {
            table = c.cr3 & ADDRESS;
            level = 4;
        } else {
            long pdpe = pdpte[(int) (linear >>> 30) & 3];
            if ((pdpe & P) == 0) throw pageFault(linear, error);
            table = pdpe & ADDRESS;
            level = 2;
            reserved |= 0x7ff0000000000000L;
        }
        for (; ; level--) {
            int shift = 12 + 9 * (level - 1);
            long at = table + (linear >>> shift & 0x1ff) * 8;
            long entry = mmu.loadEntry(at, 8);
            if ((entry & P) == 0) throw pageFault(linear, error);
            if ((entry & reserved) != 0 || level == 4 && (entry & PS) != 0)
                throw pageFault(linear, error | E_PRESENT | E_RESERVED);
            writable &= (entry & RW) != 0;
            user &= (entry & US) != 0;
            noExecute |= (entry & NX) != 0;
            boolean large = level > 1 && (entry & PS) != 0;
            if (level == 1 || large) {
                if (large && (entry & (1L << shift) - 1 & ~0x1fffL) != 0)
                    throw pageFault(linear, error | E_PRESENT | E_RESERVED);
                check(linear, access, supervisor, smap, error, writable, user, noExecute);
                if (at4 != 0 && !mark(at4, 8, entry4, false)
                        || at3 != 0 && !mark(at3, 8, entry3, false)
                        || at2 != 0 && !mark(at2, 8, entry2, false)
                        || !mark(at, 8, entry, access == Access.WRITE)) return -1;
                pageShift = shift;
                global = (entry & G) != 0;
                long offset = (1L << shift) - 1;
                return entry & ADDRESS & ~offset | linear & offset;
            }
            switch (level) {
                case 4 -> {
                    at4 = at;
                    entry4 = entry;
                }
                case 3 -> {
                    at3 = at;
                    entry3 = entry;
                }
                default -> {
                    at2 = at;
                    entry2 = entry;
                }
            }
            table = entry & ADDRESS;
        }
    }

    private boolean mark(long at, int size, long entry, boolean dirty) {
        long now = entry | A | (dirty ? D : 0);
        return now == entry || mmu.updateEntry(at, size, entry, now);
    }

    /**
     * Loads the PDPTEs from CR3, as MOV to CR3 does under PAE paging; #GP on reserved bits, and then nothing is
     * changed.
     */
    void loadPdptes(long cr3) {
        long e0 = 0, e1 = 0, e2 = 0, e3 = 0;
        for (int i = 0; i < 4; i++) {
            long e = mmu.loadEntry((cr3 & 0xffffffe0L) + 8 * i, 8);
            if ((e & P) != 0 && (e & (0x1e6L | RESERVED_HIGH | 0xfff0000000000000L)) != 0) throw c.gp(0);
            switch (i) {
                case 0 -> e0 = e;
                case 1 -> e1 = e;
                case 2 -> e2 = e;
                default -> e3 = e;
            }
        }
        pdpte[0] = e0;
        pdpte[1] = e1;
        pdpte[2] = e2;
        pdpte[3] = e3;
    }
}
