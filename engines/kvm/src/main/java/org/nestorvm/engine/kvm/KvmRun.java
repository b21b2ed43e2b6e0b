package org.nestorvm.engine.kvm;

import static org.nestorvm.engine.kvm.CStruct.offset;
import static org.nestorvm.engine.kvm.CStruct.struct;
import static org.nestorvm.engine.kvm.CStruct.u16;
import static org.nestorvm.engine.kvm.CStruct.u32;
import static org.nestorvm.engine.kvm.CStruct.u64;
import static org.nestorvm.engine.kvm.CStruct.u8;
import static org.nestorvm.engine.kvm.CStruct.union;

import java.lang.foreign.MemoryLayout;
import java.lang.foreign.StructLayout;
import org.nestorvm.memory.sys.HostMemory;

/**
 * The page that a processor shares with the kernel: struct kvm_run of linux/kvm.h. Belongs to the processor's thread,
 * except {@link #setImmediateExit}.
 */
final class KvmRun {
    private static final StructLayout HW = struct("hw", u64("hardware_exit_reason"));
    private static final StructLayout FAIL_ENTRY =
            struct("fail_entry", u64("hardware_entry_failure_reason"), u32("cpu"));
    private static final StructLayout EX = struct("ex", u32("exception"), u32("error_code"));
    private static final StructLayout IO =
            struct("io", u8("direction"), u8("size"), u16("port"), u32("count"), u64("data_offset"));
    private static final StructLayout DEBUG =
            struct("debug", struct("arch", u32("exception"), u32("pad"), u64("pc"), u64("dr6"), u64("dr7")));
    private static final StructLayout MMIO =
            struct("mmio", u64("phys_addr"), u8("data", 8), u32("len"), u8("is_write"));
    private static final StructLayout INTERNAL = struct("internal", u32("suberror"), u32("ndata"), u64("data", 16));
    private static final StructLayout EMULATION_FAILURE = struct(
            "emulation_failure", u32("suberror"), u32("ndata"), u64("flags"), u8("insn_size"), u8("insn_bytes", 15));
    private static final StructLayout SYSTEM_EVENT = struct("system_event", u32("type"), u32("ndata"), u64("data", 16));
    private static final StructLayout EOI = struct("eoi", u8("vector"));
    private static final StructLayout MSR =
            struct("msr", u8("error"), u8("pad", 7), u32("reason"), u32("index"), u64("data"));
    /** Since Linux 6.9; offsets as in its api.rst, section 5. */
    private static final StructLayout MEMORY_FAULT = struct("memory_fault", u64("flags"), u64("gpa"), u64("size"));

    private static final StructLayout SYNC_REGS = struct(
            "regs",
            KvmStructs.REGS.withName("regs"),
            KvmStructs.SREGS.withName("sregs"),
            KvmStructs.VCPU_EVENTS.withName("events"));
    private static final MemoryLayout EXIT = union(
            "exit",
            256,
            HW,
            FAIL_ENTRY,
            EX,
            IO,
            DEBUG,
            MMIO,
            INTERNAL,
            EMULATION_FAILURE,
            SYSTEM_EVENT,
            EOI,
            MSR,
            MEMORY_FAULT);

    static final StructLayout LAYOUT = struct(
            "kvm_run",
            u8("request_interrupt_window"),
            u8("immediate_exit"),
            u8("padding1", 6),
            u32("exit_reason"),
            u8("ready_for_interrupt_injection"),
            u8("if_flag"),
            u16("flags"),
            u64("cr8"),
            u64("apic_base"),
            EXIT,
            u64("kvm_valid_regs"),
            u64("kvm_dirty_regs"),
            union("s", 2048, SYNC_REGS));

    private static final long REQUEST_INTERRUPT_WINDOW = offset(LAYOUT, "request_interrupt_window");
    private static final long IMMEDIATE_EXIT = offset(LAYOUT, "immediate_exit");
    private static final long EXIT_REASON = offset(LAYOUT, "exit_reason");
    private static final long READY_FOR_INTERRUPT_INJECTION = offset(LAYOUT, "ready_for_interrupt_injection");
    private static final long IF_FLAG = offset(LAYOUT, "if_flag");
    private static final long HW_REASON = offset(LAYOUT, "exit.hw.hardware_exit_reason");
    private static final long FAIL_REASON = offset(LAYOUT, "exit.fail_entry.hardware_entry_failure_reason");
    private static final long EX_VECTOR = offset(LAYOUT, "exit.ex.exception"),
            EX_CODE = offset(LAYOUT, "exit.ex.error_code");
    private static final long IO_DIRECTION = offset(LAYOUT, "exit.io.direction"),
            IO_SIZE = offset(LAYOUT, "exit.io.size"),
            IO_PORT = offset(LAYOUT, "exit.io.port");
    private static final long IO_COUNT = offset(LAYOUT, "exit.io.count"),
            IO_DATA_OFFSET = offset(LAYOUT, "exit.io.data_offset");
    private static final long DEBUG_PC = offset(LAYOUT, "exit.debug.arch.pc");
    private static final long MMIO_GPA = offset(LAYOUT, "exit.mmio.phys_addr"),
            MMIO_DATA = offset(LAYOUT, "exit.mmio.data"),
            MMIO_LENGTH = offset(LAYOUT, "exit.mmio.len");
    private static final long MMIO_IS_WRITE = offset(LAYOUT, "exit.mmio.is_write");
    private static final long SUBERROR = offset(LAYOUT, "exit.internal.suberror"),
            NDATA = offset(LAYOUT, "exit.internal.ndata"),
            DATA = offset(LAYOUT, "exit.internal.data");
    private static final long EVENT_TYPE = offset(LAYOUT, "exit.system_event.type");
    private static final long EOI_VECTOR = offset(LAYOUT, "exit.eoi.vector");
    private static final long FAULT_GPA = offset(LAYOUT, "exit.memory_fault.gpa");
    private static final long VALID_REGS = offset(LAYOUT, "kvm_valid_regs"),
            DIRTY_REGS = offset(LAYOUT, "kvm_dirty_regs");
    private static final long REGS = offset(LAYOUT, "s.regs.regs"),
            SREGS = offset(LAYOUT, "s.regs.sregs"),
            EVENTS = offset(LAYOUT, "s.regs.events");

    private final long address;

    /** @param address where the processor's descriptor is mapped */
    KvmRun(long address) {
        this.address = address;
    }

    int exitReason() {
        return HostMemory.getInt(address + EXIT_REASON);
    }

    /** May be called by any thread. */
    void setImmediateExit(boolean value) {
        HostMemory.putByte(address + IMMEDIATE_EXIT, (byte) (value ? 1 : 0));
    }

    void requestInterruptWindow(boolean value) {
        HostMemory.putByte(address + REQUEST_INTERRUPT_WINDOW, (byte) (value ? 1 : 0));
    }

    boolean readyForInterruptInjection() {
        return HostMemory.getByte(address + READY_FOR_INTERRUPT_INJECTION) != 0;
    }

    boolean interruptFlag() {
        return HostMemory.getByte(address + IF_FLAG) != 0;
    }

    boolean ioIsOut() {
        return HostMemory.getByte(address + IO_DIRECTION) != 0;
    }

    /** 1, 2 or 4 bytes. */
    int ioSize() {
        return HostMemory.getByte(address + IO_SIZE);
    }

    int ioPort() {
        return HostMemory.getShort(address + IO_PORT) & 0xffff;
    }

    /** Accesses in this exit: more than one for INS and OUTS with a repeat prefix. */
    int ioCount() {
        return HostMemory.getInt(address + IO_COUNT);
    }

    /** Host address of the first access's data. */
    long ioData() {
        return address + HostMemory.getLong(address + IO_DATA_OFFSET);
    }

    long mmioGpa() {
        return HostMemory.getLong(address + MMIO_GPA);
    }

    /** 1 to 8 bytes; the kernel cuts longer accesses into several exits. */
    int mmioLength() {
        return HostMemory.getInt(address + MMIO_LENGTH);
    }

    boolean mmioIsWrite() {
        return HostMemory.getByte(address + MMIO_IS_WRITE) != 0;
    }

    /** Host address of the eight data bytes. */
    long mmioData() {
        return address + MMIO_DATA;
    }

    long hardwareReason() {
        return HostMemory.getLong(address + HW_REASON);
    }

    long failEntryReason() {
        return HostMemory.getLong(address + FAIL_REASON);
    }

    int exceptionVector() {
        return HostMemory.getInt(address + EX_VECTOR);
    }

    int exceptionCode() {
        return HostMemory.getInt(address + EX_CODE);
    }

    long debugPc() {
        return HostMemory.getLong(address + DEBUG_PC);
    }

    int internalSuberror() {
        return HostMemory.getInt(address + SUBERROR);
    }

    /** A copy, at most the 16 words the structure holds. */
    long[] internalData() {
        long[] data = new long[Math.clamp(HostMemory.getInt(address + NDATA), 0, 16)];
        for (int i = 0; i < data.length; i++) data[i] = HostMemory.getLong(address + DATA + 8L * i);
        return data;
    }

    int systemEventType() {
        return HostMemory.getInt(address + EVENT_TYPE);
    }

    int eoiVector() {
        return HostMemory.getByte(address + EOI_VECTOR) & 0xff;
    }

    long memoryFaultGpa() {
        return HostMemory.getLong(address + FAULT_GPA);
    }

    /** Register groups ({@code SYNC_X86_*}) that the kernel stores here at the end of every run. */
    void setValidRegs(int groups) {
        HostMemory.putLong(address + VALID_REGS, groups);
    }

    /** Register groups that the kernel loads from here at the start of the next run, once. */
    void addDirtyRegs(int groups) {
        HostMemory.putLong(address + DIRTY_REGS, HostMemory.getLong(address + DIRTY_REGS) | groups);
    }

    long regs() {
        return address + REGS;
    }

    long sregs() {
        return address + SREGS;
    }

    long events() {
        return address + EVENTS;
    }
}
