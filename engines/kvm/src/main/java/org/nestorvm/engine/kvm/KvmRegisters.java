package org.nestorvm.engine.kvm;

import static org.nestorvm.engine.kvm.CStruct.offset;

import java.lang.foreign.MemoryLayout;
import org.nestorvm.memory.sys.HostMemory;
import org.nestorvm.vmm.CpuState;

/**
 * Copies between {@link CpuState} and the kernel's register structures. Every address is that of a structure in this
 * process.
 */
final class KvmRegisters {
    /** In the encoding's order, as {@link CpuState#gpr}. */
    private static final long[] GPR =
            offsets(KvmStructs.REGS, "rax rcx rdx rbx rsp rbp rsi rdi r8 r9 r10 r11 r12 r13 r14 r15");

    private static final long RIP = offset(KvmStructs.REGS, "rip"), RFLAGS = offset(KvmStructs.REGS, "rflags");

    /** In the order of {@link CpuState#selector}. */
    private static final long[] SEGMENTS = offsets(KvmStructs.SREGS, "es cs ss ds fs gs ldt tr");

    private static final long GDT = offset(KvmStructs.SREGS, "gdt"), IDT = offset(KvmStructs.SREGS, "idt");
    private static final long CR0 = offset(KvmStructs.SREGS, "cr0"),
            CR2 = offset(KvmStructs.SREGS, "cr2"),
            CR3 = offset(KvmStructs.SREGS, "cr3");
    private static final long CR4 = offset(KvmStructs.SREGS, "cr4"),
            CR8 = offset(KvmStructs.SREGS, "cr8"),
            EFER = offset(KvmStructs.SREGS, "efer");
    static final long APIC_BASE = offset(KvmStructs.SREGS, "apic_base");

    private static final long BASE = segment("base"),
            LIMIT = segment("limit"),
            SELECTOR = segment("selector"),
            TYPE = segment("type"),
            PRESENT = segment("present");
    private static final long DPL = segment("dpl"),
            DB = segment("db"),
            S = segment("s"),
            L = segment("l"),
            G = segment("g"),
            AVL = segment("avl"),
            UNUSABLE = segment("unusable");
    private static final long TABLE_BASE = offset(KvmStructs.DTABLE, "base"),
            TABLE_LIMIT = offset(KvmStructs.DTABLE, "limit");
    private static final long DB0 = offset(KvmStructs.DEBUGREGS, "db"),
            DR6 = offset(KvmStructs.DEBUGREGS, "dr6"),
            DR7 = offset(KvmStructs.DEBUGREGS, "dr7");
    private static final long NR_XCRS = offset(KvmStructs.XCRS, "nr_xcrs"), XCR = offset(KvmStructs.XCRS, "xcrs");
    private static final long XCR_INDEX = offset(KvmStructs.XCR, "xcr"), XCR_VALUE = offset(KvmStructs.XCR, "value");

    static final long INT_FLAG = 1 << 9;

    private KvmRegisters() {}

    private static long[] offsets(MemoryLayout layout, String names) {
        return java.util.Arrays.stream(names.split(" "))
                .mapToLong(name -> offset(layout, name))
                .toArray();
    }

    private static long segment(String name) {
        return offset(KvmStructs.SEGMENT, name);
    }

    static long rflags(long regs) {
        return HostMemory.getLong(regs + RFLAGS);
    }

    static void readRegs(long regs, CpuState into) {
        for (int i = 0; i < GPR.length; i++) into.gpr[i] = HostMemory.getLong(regs + GPR[i]);
        into.rip = HostMemory.getLong(regs + RIP);
        into.rflags = HostMemory.getLong(regs + RFLAGS);
    }

    static void writeRegs(CpuState from, long regs) {
        for (int i = 0; i < GPR.length; i++) HostMemory.putLong(regs + GPR[i], from.gpr[i]);
        HostMemory.putLong(regs + RIP, from.rip);
        HostMemory.putLong(regs + RFLAGS, from.rflags);
    }

    static void readSregs(long sregs, CpuState into) {
        for (int s = CpuState.ES; s <= CpuState.TR; s++) readSegment(sregs + SEGMENTS[s], into, s);
        into.gdtrBase = HostMemory.getLong(sregs + GDT + TABLE_BASE);
        into.gdtrLimit = HostMemory.getShort(sregs + GDT + TABLE_LIMIT) & 0xffff;
        into.idtrBase = HostMemory.getLong(sregs + IDT + TABLE_BASE);
        into.idtrLimit = HostMemory.getShort(sregs + IDT + TABLE_LIMIT) & 0xffff;
        into.cr0 = HostMemory.getLong(sregs + CR0);
        into.cr2 = HostMemory.getLong(sregs + CR2);
        into.cr3 = HostMemory.getLong(sregs + CR3);
        into.cr4 = HostMemory.getLong(sregs + CR4);
        into.cr8 = HostMemory.getLong(sregs + CR8);
        into.efer = HostMemory.getLong(sregs + EFER);
        into.apicBase = HostMemory.getLong(sregs + APIC_BASE);
    }

    /** All but the APIC base, which is the caller's. */
    static void writeSregs(CpuState from, long sregs) {
        for (int s = CpuState.ES; s <= CpuState.TR; s++) writeSegment(from, s, sregs + SEGMENTS[s]);
        HostMemory.putLong(sregs + GDT + TABLE_BASE, from.gdtrBase);
        HostMemory.putShort(sregs + GDT + TABLE_LIMIT, (short) from.gdtrLimit);
        HostMemory.putLong(sregs + IDT + TABLE_BASE, from.idtrBase);
        HostMemory.putShort(sregs + IDT + TABLE_LIMIT, (short) from.idtrLimit);
        HostMemory.putLong(sregs + CR0, from.cr0);
        HostMemory.putLong(sregs + CR2, from.cr2);
        HostMemory.putLong(sregs + CR3, from.cr3);
        HostMemory.putLong(sregs + CR4, from.cr4);
        HostMemory.putLong(sregs + CR8, from.cr8);
        HostMemory.putLong(sregs + EFER, from.efer);
    }

    /** The VMCS's access rights are one word, KVM's a byte a field. */
    private static void readSegment(long segment, CpuState into, int s) {
        into.base[s] = HostMemory.getLong(segment + BASE);
        into.limit[s] = HostMemory.getInt(segment + LIMIT);
        into.selector[s] = HostMemory.getShort(segment + SELECTOR) & 0xffff;
        into.access[s] = HostMemory.getByte(segment + TYPE) & 15
                | bit(segment + S, 4)
                | (HostMemory.getByte(segment + DPL) & 3) << 5
                | bit(segment + PRESENT, 7)
                | bit(segment + AVL, 12)
                | bit(segment + L, 13)
                | bit(segment + DB, 14)
                | bit(segment + G, 15)
                | bit(segment + UNUSABLE, 16);
    }

    private static int bit(long address, int position) {
        return (HostMemory.getByte(address) & 1) << position;
    }

    private static void writeSegment(CpuState from, int s, long segment) {
        int access = from.access[s];
        HostMemory.putLong(segment + BASE, from.base[s]);
        HostMemory.putInt(segment + LIMIT, from.limit[s]);
        HostMemory.putShort(segment + SELECTOR, (short) from.selector[s]);
        HostMemory.putByte(segment + TYPE, (byte) (access & 15));
        HostMemory.putByte(segment + S, (byte) (access >>> 4 & 1));
        HostMemory.putByte(segment + DPL, (byte) (access >>> 5 & 3));
        HostMemory.putByte(segment + PRESENT, (byte) (access >>> 7 & 1));
        HostMemory.putByte(segment + AVL, (byte) (access >>> 12 & 1));
        HostMemory.putByte(segment + L, (byte) (access >>> 13 & 1));
        HostMemory.putByte(segment + DB, (byte) (access >>> 14 & 1));
        HostMemory.putByte(segment + G, (byte) (access >>> 15 & 1));
        HostMemory.putByte(segment + UNUSABLE, (byte) (access >>> 16 & 1));
    }

    static void readDebug(long debugregs, CpuState into) {
        for (int i = 0; i < 4; i++) into.dr[i] = HostMemory.getLong(debugregs + DB0 + 8L * i);
        into.dr[6] = HostMemory.getLong(debugregs + DR6);
        into.dr[7] = HostMemory.getLong(debugregs + DR7);
    }

    static void writeDebug(CpuState from, long debugregs) {
        for (int i = 0; i < 4; i++) HostMemory.putLong(debugregs + DB0 + 8L * i, from.dr[i]);
        HostMemory.putLong(debugregs + DR6, from.dr[6]);
        HostMemory.putLong(debugregs + DR7, from.dr[7]);
    }

    static void readXcr0(long xcrs, CpuState into) {
        for (int i = 0; i < HostMemory.getInt(xcrs + NR_XCRS); i++) {
            long xcr = xcrs + XCR + i * KvmStructs.XCR.byteSize();
            if (HostMemory.getInt(xcr + XCR_INDEX) == 0) into.xcr0 = HostMemory.getLong(xcr + XCR_VALUE);
        }
    }

    static void writeXcr0(CpuState from, long xcrs) {
        HostMemory.putInt(xcrs + NR_XCRS, 1);
        HostMemory.putInt(xcrs + XCR + XCR_INDEX, 0);
        HostMemory.putLong(xcrs + XCR + XCR_VALUE, from.xcr0);
    }
}
