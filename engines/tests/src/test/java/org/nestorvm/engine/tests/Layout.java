package org.nestorvm.engine.tests;

/**
 * Where things lie in a test guest: guest-physical addresses, which are linear ones too unless a test maps them
 * elsewhere; and selectors.
 */
public final class Layout {
    public static final long RAM_BYTES = 16 << 20, MMIO = 0xd000_0000L, MMIO_BYTES = 1 << 20;

    /** Programs begin here. */
    public static final long CODE = 0x1000;
    /** One HLT for each vector: the address behind the one that was executed tells the vector. */
    public static final long HANDLERS = 0x6000;

    public static final long GDT = 0x8000, IDT = 0x9000, TSS = 0xa000, LDT = 0xc000;
    public static final int GDT_BYTES = 0x800, LDT_BYTES = 0x100;
    /**
     * Stacks grow down from here: at first, of privilege level 0 on entry from an outer one, and of interrupt stack
     * table entry 1.
     */
    public static final long STACK = 0x10000, STACK0 = 0x12000, STACK_IST = 0x14000;
    /** Data that tests may use freely. */
    public static final long DATA = 0x18000, PAGE_TABLES = 0x20000, PAGE_TABLES_END = 0x80000;
    /** A page of 2 MiB that privilege level 3 may use: code, and a stack below the second address. */
    public static final long USER_CODE = 0x400000, USER_STACK = 0x500000, USER_DATA = 0x500000;

    /** STAR and SYSENTER_CS count from KERNEL_CS and USER_CS32 on: their order is the instructions'. */
    public static final int KERNEL_CS = 0x08,
            KERNEL_DS = 0x10,
            USER_CS32 = 0x1b,
            USER_DS = 0x23,
            USER_CS = 0x2b,
            USER_DS_AFTER_CS = 0x33;

    public static final int KERNEL_CS32 = 0x38,
            KERNEL_CS16 = 0x40,
            KERNEL_DS16 = 0x48,
            TSS_SELECTOR = 0x50,
            LDT_SELECTOR = 0x60;
    /** Free for tests from here on. */
    public static final int FREE_SELECTOR = 0x70;

    private Layout() {}
}
