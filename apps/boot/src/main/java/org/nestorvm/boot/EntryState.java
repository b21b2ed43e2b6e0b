package org.nestorvm.boot;

import org.nestorvm.vmm.CpuState;

/**
 * The processor states in which boot protocols enter a kernel. Segments are flat; a GDT that agrees with them lies at
 * {@link BootLayout#GDT}.
 */
final class EntryState {
    /** The selectors that the Linux boot protocol names __BOOT_CS and __BOOT_DS. */
    static final int BOOT_CS = 0x10, BOOT_DS = 0x18;

    static final int BOOT_TSS = 0x20;
    private static final int CODE64 = 0xa09b, CODE32 = 0xc09b, DATA32 = 0xc093, BUSY_TSS = 0x8b;
    private static final long CR0_PE_ET = 0x11, CR0_PG = 1L << 31, CR4_PAE = 1 << 5, EFER_LME_LMA = 0x500;
    private static final int TSS_LIMIT = 0x67;

    /** Long mode with paging on, {@link PageTables} in CR3. */
    static void longMode(CpuState cpu, long entry, long cr3) {
        flat(cpu, CODE64);
        cpu.cr0 = CR0_PE_ET | CR0_PG;
        cpu.cr3 = cr3;
        cpu.cr4 = CR4_PAE;
        cpu.efer = EFER_LME_LMA;
        cpu.rip = entry;
    }

    /** 32-bit protected mode, paging off: PVH and multiboot. */
    static void protectedMode(CpuState cpu, long entry) {
        flat(cpu, CODE32);
        cpu.cr0 = CR0_PE_ET;
        cpu.rip = entry;
    }

    /** Real mode with CS:IP such that the first byte is at {@code entry}; other segments and the stack below it. */
    static void realMode(CpuState cpu, int entry) {
        for (int s = CpuState.ES; s <= CpuState.GS; s++) {
            cpu.selector[s] = 0;
            cpu.base[s] = 0;
        }
        cpu.rip = entry;
        cpu.gpr[CpuState.RSP] = entry;
    }

    /** The table behind the selectors, for kernels that load a segment before they have a table of their own. */
    static byte[] gdt(boolean longMode) {
        Bytes gdt = new Bytes();
        gdt.u64(0).u64(0);
        gdt.u64(longMode ? 0x00af9b000000ffffL : 0x00cf9b000000ffffL);
        gdt.u64(0x00cf93000000ffffL);
        gdt.u64(0x00008b0000000067L).u64(0);
        return gdt.toArray();
    }

    private static void flat(CpuState cpu, int code) {
        for (int s = CpuState.ES; s <= CpuState.GS; s++) {
            boolean isCode = s == CpuState.CS;
            cpu.selector[s] = isCode ? BOOT_CS : BOOT_DS;
            cpu.base[s] = 0;
            cpu.limit[s] = -1;
            cpu.access[s] = isCode ? code : DATA32;
        }
        cpu.selector[CpuState.TR] = BOOT_TSS;
        cpu.base[CpuState.TR] = 0;
        cpu.limit[CpuState.TR] = TSS_LIMIT;
        cpu.access[CpuState.TR] = BUSY_TSS;
        cpu.gdtrBase = BootLayout.GDT;
        cpu.gdtrLimit = BootLayout.GDT_SIZE - 1;
        cpu.idtrLimit = 0;
        cpu.gpr[CpuState.RDX] = 0;
    }

    private EntryState() {}
}
