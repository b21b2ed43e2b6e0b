package org.nestorvm.engine.tests;

import org.nestorvm.vmm.GuestMemory;

/** Segment descriptors, gates and tables in guest memory (SDM vol. 3A, 3.4 and 6.11). */
public final class Descriptors {
    public static final int DPL3 = 0x60, PRESENT = 0x80;
    /** Access bytes: present, DPL 0. Data that grows down, code that cannot be read, code that conforms. */
    public static final int DATA_RO = 0x91,
            DATA = 0x93,
            DATA_DOWN = 0x97,
            CODE_XO = 0x99,
            CODE = 0x9b,
            CODE_CONFORMING = 0x9f;

    public static final int LDT_TYPE = 0x82,
            TSS16 = 0x81,
            TSS32 = 0x89,
            TSS64 = 0x89,
            TASK_GATE = 0x85,
            CALL_GATE16 = 0x84,
            CALL_GATE32 = 0x8c,
            CALL_GATE64 = 0x8c;
    public static final int INTERRUPT_GATE16 = 0x86,
            TRAP_GATE16 = 0x87,
            INTERRUPT_GATE32 = 0x8e,
            TRAP_GATE32 = 0x8f,
            INTERRUPT_GATE64 = 0x8e;
    /** Flags: long code, default size 32, granularity 4 KiB. */
    public static final int L = 2, D = 4, G = 8;

    private final GuestMemory memory;

    Descriptors(GuestMemory memory) {
        this.memory = memory;
    }

    /** @param limit as the descriptor holds it: 20 bits, in pages with {@link #G} */
    public static long segment(long base, int limit, int access, int flags) {
        return limit & 0xffffL
                | (base & 0xffffff) << 16
                | (long) access << 40
                | (limit >>> 16 & 0xfL) << 48
                | (long) flags << 52
                | (base >>> 24 & 0xff) << 56;
    }

    public static long gate(int selector, long offset, int access, int parameters) {
        return offset & 0xffff
                | (long) selector << 16
                | (long) parameters << 32
                | (long) access << 40
                | (offset >>> 16 & 0xffff) << 48;
    }

    public Descriptors gdt(int selector, long descriptor) {
        memory.putLong(Layout.GDT + (selector & ~7), descriptor);
        return this;
    }

    /** A descriptor of 16 bytes in long mode. @param high bits 63:32 of base or offset */
    public Descriptors gdt16(int selector, long descriptor, long high) {
        gdt(selector, descriptor);
        memory.putLong(Layout.GDT + (selector & ~7) + 8, high >>> 32);
        return this;
    }

    public Descriptors ldt(int selector, long descriptor) {
        memory.putLong(Layout.LDT + (selector & ~7), descriptor);
        return this;
    }

    public Descriptors idt32(int vector, long gate) {
        memory.putLong(Layout.IDT + 8L * vector, gate);
        return this;
    }

    /** @param ist index into the interrupt stack table, 0 for none */
    public Descriptors idt64(int vector, int selector, long offset, int access, int ist) {
        memory.putLong(Layout.IDT + 16L * vector, gate(selector, offset, access, ist));
        memory.putLong(Layout.IDT + 16L * vector + 8, offset >>> 32);
        return this;
    }

    /** The flat segments of {@link Layout}. */
    void flatGdt(boolean longMode) {
        int flat = 0xfffff;
        gdt(Layout.KERNEL_CS, segment(0, flat, CODE, longMode ? G | L : G | D))
                .gdt(Layout.KERNEL_DS, segment(0, flat, DATA, G | D));
        gdt(Layout.USER_CS32, segment(0, flat, CODE | DPL3, G | D))
                .gdt(Layout.USER_DS, segment(0, flat, DATA | DPL3, G | D));
        gdt(Layout.USER_CS, segment(0, flat, CODE | DPL3, longMode ? G | L : G | D))
                .gdt(Layout.USER_DS_AFTER_CS, segment(0, flat, DATA | DPL3, G | D));
        gdt(Layout.KERNEL_CS32, segment(0, flat, CODE, G | D));
        gdt(Layout.KERNEL_CS16, segment(0, 0xffff, CODE, 0)).gdt(Layout.KERNEL_DS16, segment(0, 0xffff, DATA, 0));
        gdt16(Layout.TSS_SELECTOR, segment(Layout.TSS, 0x67, longMode ? TSS64 : TSS32, 0), 0);
        gdt16(Layout.LDT_SELECTOR, segment(Layout.LDT, Layout.LDT_BYTES - 1, LDT_TYPE, 0), 0);
    }

    /** Every vector goes to its HLT. */
    void idt(boolean longMode) {
        for (int v = 0; v < 256; v++) {
            if (longMode) idt64(v, Layout.KERNEL_CS, Layout.HANDLERS + v, INTERRUPT_GATE64, 0);
            else idt32(v, gate(Layout.KERNEL_CS32, Layout.HANDLERS + v, INTERRUPT_GATE32, 0));
        }
    }

    /** Stacks for privilege level 0 and for interrupts; no I/O map. */
    void tss(boolean longMode) {
        if (longMode) {
            memory.putLong(Layout.TSS + 4, Layout.STACK0);
            memory.putLong(Layout.TSS + 36, Layout.STACK_IST);
        } else {
            memory.putInt(Layout.TSS + 4, (int) Layout.STACK0);
            memory.putInt(Layout.TSS + 8, Layout.KERNEL_DS);
        }
        memory.putInt(Layout.TSS + 100, 0x68 << 16);
    }
}
