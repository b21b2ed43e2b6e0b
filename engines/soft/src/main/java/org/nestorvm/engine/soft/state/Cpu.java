package org.nestorvm.engine.soft.state;

import static org.nestorvm.memory.sys.HostMemory.ALL;
import static org.nestorvm.memory.sys.HostMemory.BYTE;
import static org.nestorvm.memory.sys.HostMemory.INT;
import static org.nestorvm.memory.sys.HostMemory.LONG;
import static org.nestorvm.memory.sys.HostMemory.SHORT;

import org.nestorvm.engine.soft.chip.LocalApic;
import org.nestorvm.engine.soft.chip.PvClock;
import org.nestorvm.engine.soft.isa.Reg;
import org.nestorvm.engine.soft.number.SoftFloat;

/**
 * The state of one processor, as plain fields that operations read and write directly, and the fast half of its memory
 * accesses. Nothing is kept elsewhere between instructions, so the state is exact whenever Java code can be called.
 *
 * <p>Flags are lazy: an arithmetic operation leaves its operands and its result, {@link Flags} computes a flag when
 * somebody reads it.
 *
 * <p>The TLB is direct mapped. A tag is the linear address of a page, or 1 for none; a probe compares it with the page
 * of the access's <em>last</em> byte, so that an access that crosses pages misses as well. There are three sets of
 * tags, chosen by {@link #updateMode}: supervisor with SMAP in force, user, and supervisor with access to user pages,
 * so that neither a change of privilege nor STAC flushes anything. A page that holds decoded code, is a device, or is
 * not dirty yet has no write tag: the slow half decides.
 */
public final class Cpu {
    public static final int TLB_SIZE = 4096;
    public static final long PAGE_MASK = ~0xfffL;
    public static final int SUPERVISOR = 0, USER = 1, SUPERVISOR_AC = 2;
    public static final long CF = 1,
            PF = 4,
            AF = 0x10,
            ZF = 0x40,
            SF = 0x80,
            TF = 0x100,
            IF = 0x200,
            DF = 0x400,
            OF = 0x800,
            IOPL = 0x3000,
            NT = 0x4000,
            RF = 0x10000,
            VM = 0x20000,
            AC = 0x40000,
            VIF = 0x80000,
            VIP = 0x100000,
            ID = 0x200000;
    public static final long STATUS = CF | PF | AF | ZF | SF | OF;

    // General registers, and the two constants behind them.
    public final long[] r = new long[18];

    // Flags. What ccKind says is not lazy stands in rflags; the status bits of rflags are stale unless ccKind is
    // Flags.EXPLICIT.
    public int ccKind;
    /** Bits of the operation less one: 7, 15, 31, 63. */
    public int ccMsb;
    /** Operands and result, sign-extended to 64 bits. */
    public long ccA, ccB, ccR;

    public long rflags = 2;

    // Segments.
    public final int[] selector = new int[8];
    public final long[] segBase = new long[9];
    public final int[] segLimit = new int[8];
    /** Access rights in VMCS layout: see CpuState.access. */
    public final int[] segAccess = new int[8];

    public long gdtrBase, idtrBase;
    public int gdtrLimit, idtrLimit;

    // Control, debug and model-specific registers.
    public long cr0, cr2, cr3, cr4, cr8, xcr0 = 1, efer;
    public final long[] dr = new long[8];
    public long star,
            lstar,
            cstar,
            sfmask,
            kernelGsBase,
            sysenterCs,
            sysenterEsp,
            sysenterEip,
            tscAux,
            pat,
            miscEnable,
            xss;
    public int cpl;

    // x87: registers by physical number; st(i) is number (fpTop + i) & 7. An exponent has the sign in bit 15. MMX
    // registers are the significands.
    public final long[] fpMantissa = new long[8];
    public final int[] fpExponent = new int[8];
    public int fpTop;
    public int fpControl = 0x37f;
    /** The status word without TOP. */
    public int fpStatus;
    /** Bit n: physical register n is in use. */
    public int fpUsed;

    public int fpOpcode;
    public long fpIp, fpDp;
    public int fpIpSelector, fpDpSelector;

    // SSE: register n is xmm[2n] (bits 63:0) and xmm[2n+1]. Behind the sixteen registers one more holds an operand from
    // memory, so that operations need not tell the two apart.
    public static final int XMM_SCRATCH = 32;
    public final long[] xmm = new long[34];
    public int mxcsr = 0x1f80;
    /** What CR0 and CR4 say about the use of SSE, and of x87 and MMX: see {@link #updateFpuAccess}. */
    public boolean sseDisabled = true, fpuDisabled;

    public final SoftFloat soft = new SoftFloat();
    /** Scratch of the instructions that save and restore the whole state. */
    public final byte[] fxImage = new byte[FpuState.SIZE];

    // TLB: [set][index]. The current set's arrays stand in the plain fields.
    public final long[][] readTags = new long[3][TLB_SIZE],
            writeTags = new long[3][TLB_SIZE],
            addends = new long[3][TLB_SIZE];
    public long[] readTag = readTags[0], writeTag = writeTags[0], addend = addends[0];
    public int tlbSet;

    // The run loop's.
    /** Operations of the running block that may still be executed: set to 0 to leave after the current one. */
    public int limit;

    public int opIndex;
    /** The running block, or null while none runs; then r[RIP] is exact. */
    public RunningBlock block;
    /** Instructions retired up to the start of the running block. */
    public long retired;
    /** Retired instructions at which attend is due: the next timer of a clock that counts instructions. */
    public long deadline = Long.MAX_VALUE;
    /** Operands in memory of the blocks that ran: with the misses they tell the hits. */
    public long memoryOperands;
    /** Something asks for attention before the next block: see Interpreter. Set by any thread. */
    public volatile boolean attention;
    /** Interrupts are held off for one instruction: after STI, after MOV SS. */
    public boolean stiShadow, movSsShadow;

    public boolean nmiBlocked;

    /** HLT has been executed. */
    public boolean halted;
    /** DR7 enables a breakpoint on data, on instructions, or on ports. */
    public boolean dataBreakpoints, codeBreakpoints, portBreakpoints;
    /**
     * The event being delivered is a fault: the pushed flags have RF set, so that an instruction breakpoint does not
     * hit twice.
     */
    public boolean faultNotTrap;
    /** The linear address of the last page walk. */
    public long lastLinear;
    /** Code size 2, 4, 8; stack pointer size; and what blocks are keyed by: see updateMode. */
    public int codeSize = 2, stackSize = 2, mode;
    /** Instruction pointers and stack pointers of the present code and stack segment wrap at these. */
    public long ipMask = 0xffff, spMask = 0xffff;

    final GuestFault fault = new GuestFault();
    public SlowMemory mmu;
    public Processor vcpu;
    /** The local APIC, or null on a machine without. */
    public LocalApic apic;

    public PvClock pvclock;
    public long specCtrl, perfCtl, mcgStatus, debugCtl;
    /** The memory type range registers, 200h..2FFh. */
    public final long[] mtrr = new long[256];
    /** Bits of DR6 for a debug trap that follows the running instruction. */
    public long pendingDebug;
    /** The running instruction began with TF set and has not suppressed the single step that follows from that. */
    public boolean stepping;

    /** Does the instruction that runs reach memory through the stack segment? Asked on the way to a fault only. */
    public boolean currentOpIsStack() {
        return block != null && block.stackAccess(opIndex);
    }

    /**
     * Recomputes what depends on mode and privilege: after changes of CR0, CR4, EFER, CS, SS, RFLAGS.VM, RFLAGS.AC,
     * DR7.
     */
    public void updateMode() {
        if ((rflags & VM) != 0) cpl = 3;
        else if ((cr0 & CR0_PE) == 0) cpl = 0;
        boolean lma = (efer & EFER_LMA) != 0;
        codeSize = lma && (segAccess[Reg.CS] & Segments.L) != 0
                ? 8
                : (segAccess[Reg.CS] & Segments.DB) != 0 && (cr0 & CR0_PE) != 0 ? 4 : 2;
        stackSize = codeSize == 8 ? 8 : (segAccess[Reg.SS] & Segments.DB) != 0 ? 4 : 2;
        mode = (codeSize == 8 ? 2 : codeSize == 4 ? 1 : 0) | (stackSize == 4 ? 4 : 0) | (cpl == 3 ? 8 : 0);
        ipMask = codeSize == 8 ? -1L : codeSize == 4 ? 0xffffffffL : 0xffffL;
        spMask = stackSize == 8 ? -1L : stackSize == 4 ? 0xffffffffL : 0xffffL;
        mmu.selectTags();
    }

    /** The instruction has changed the instruction pointer and faults: it counts, and nothing is taken back. */
    public void leaveBlock() {
        if (block != null) retired += opIndex;
        block = null;
    }

    /**
     * At the end of a compiled block: has it branched to its own start, and may it go on without the run loop? Then
     * counts what it retired. The questions are those that the run loop asks between two blocks.
     */
    public boolean again(long start, int instructions, int operands) {
        if (r[Reg.RIP] != start || limit == 0 || attention || retired + instructions >= deadline || !block.valid)
            return false;
        retired += instructions;
        memoryOperands += operands;
        return true;
    }

    /** Asks the run loop to look at interrupts, shadows and single steps before the next instruction. */
    public void attend() {
        attention = true;
    }

    // ---- faults ----

    public GuestFault raise(int vector, int errorCode) {
        fault.vector = vector;
        fault.errorCode = errorCode;
        return fault;
    }

    public GuestFault ud() {
        return raise(GuestFault.UD, -1);
    }

    public GuestFault gp(int errorCode) {
        return raise(GuestFault.GP, errorCode);
    }

    public GuestFault nm() {
        return raise(GuestFault.NM, -1);
    }

    // ---- floating point ----

    /** To be called after every change of CR0 or CR4. */
    public void updateFpuAccess() {
        fpuDisabled = (cr0 & (CR0_EM | CR0_TS)) != 0;
        sseDisabled = fpuDisabled || (cr4 & CR4_OSFXSR) == 0;
    }

    /** The fault of an SSE instruction while {@link #sseDisabled}. SDM vol. 3, 2.5: EM and OSFXSR come before TS. */
    public void checkSse() {
        if ((cr0 & CR0_EM) != 0 || (cr4 & CR4_OSFXSR) == 0) throw ud();
        if ((cr0 & CR0_TS) != 0) throw nm();
    }

    /**
     * The fault of an x87 or MMX instruction while {@link #fpuDisabled} or with an unmasked exception pending. CR0.NE =
     * 0 asks for FERR# and IRQ 13 instead, an interface of the 386's board that no guest of ours uses: it gets #MF as
     * well.
     */
    public void checkFpu() {
        if ((cr0 & (CR0_EM | CR0_TS)) != 0) throw nm();
        if ((fpStatus & 0x80) != 0) throw raise(GuestFault.MF, -1);
    }

    // ---- mode ----

    public static final long CR0_PE = 1,
            CR0_MP = 2,
            CR0_EM = 4,
            CR0_TS = 8,
            CR0_ET = 0x10,
            CR0_NE = 0x20,
            CR0_WP = 0x10000,
            CR0_AM = 0x40000,
            CR0_NW = 1L << 29,
            CR0_CD = 1L << 30,
            CR0_PG = 1L << 31;
    public static final long CR4_VME = 1,
            CR4_PVI = 2,
            CR4_TSD = 4,
            CR4_DE = 8,
            CR4_PSE = 0x10,
            CR4_PAE = 0x20,
            CR4_MCE = 0x40,
            CR4_PGE = 0x80,
            CR4_PCE = 0x100,
            CR4_OSFXSR = 0x200,
            CR4_OSXMMEXCPT = 0x400,
            CR4_UMIP = 0x800,
            CR4_FSGSBASE = 1L << 16,
            CR4_PCIDE = 1L << 17,
            CR4_OSXSAVE = 1L << 18,
            CR4_SMEP = 1L << 20,
            CR4_SMAP = 1L << 21;
    public static final long EFER_SCE = 1, EFER_LME = 0x100, EFER_LMA = 0x400, EFER_NXE = 0x800;

    public boolean longMode() {
        return (efer & EFER_LMA) != 0;
    }

    public boolean code64() {
        return (efer & EFER_LMA) != 0 && (segAccess[Reg.CS] & Segments.L) != 0;
    }

    public boolean protectedMode() {
        return (cr0 & CR0_PE) != 0;
    }

    public boolean virtual8086() {
        return (rflags & VM) != 0;
    }

    public int iopl() {
        return (int) (rflags >>> 12) & 3;
    }

    // ---- registers by the encoding's number ----

    /** An 8-bit register: {@code reg} 4..7 are AH CH DH BH when {@code high}. */
    int get8(int reg, boolean high) {
        return high ? (int) (r[reg & 3] >>> 8) & 0xff : (int) r[reg] & 0xff;
    }

    public void set8(int reg, boolean high, int value) {
        if (high) r[reg & 3] = r[reg & 3] & ~0xff00L | (value & 0xffL) << 8;
        else r[reg] = r[reg] & ~0xffL | value & 0xffL;
    }

    public void set16(int reg, int value) {
        r[reg] = r[reg] & ~0xffffL | value & 0xffffL;
    }

    // ---- memory: linear addresses; the fast half ----

    public int load8(long linear) {
        int slot = (int) (linear >>> 12) & TLB_SIZE - 1;
        if (readTag[slot] == (linear & PAGE_MASK)) return ALL.get(BYTE, linear + addend[slot]) & 0xff;
        return (int) mmu.loadSlow(linear, 1) & 0xff;
    }

    public int load16(long linear) {
        int slot = (int) (linear >>> 12) & TLB_SIZE - 1;
        if (readTag[slot] == (linear + 1 & PAGE_MASK)) return ALL.get(SHORT, linear + addend[slot]) & 0xffff;
        return (int) mmu.loadSlow(linear, 2) & 0xffff;
    }

    public int load32(long linear) {
        int slot = (int) (linear >>> 12) & TLB_SIZE - 1;
        if (readTag[slot] == (linear + 3 & PAGE_MASK)) return ALL.get(INT, linear + addend[slot]);
        return (int) mmu.loadSlow(linear, 4);
    }

    public long load64(long linear) {
        int slot = (int) (linear >>> 12) & TLB_SIZE - 1;
        if (readTag[slot] == (linear + 7 & PAGE_MASK)) return ALL.get(LONG, linear + addend[slot]);
        return mmu.loadSlow(linear, 8);
    }

    public void store8(long linear, int value) {
        int slot = (int) (linear >>> 12) & TLB_SIZE - 1;
        if (writeTag[slot] == (linear & PAGE_MASK)) ALL.set(BYTE, linear + addend[slot], (byte) value);
        else mmu.storeSlow(linear, 1, value);
    }

    public void store16(long linear, int value) {
        int slot = (int) (linear >>> 12) & TLB_SIZE - 1;
        if (writeTag[slot] == (linear + 1 & PAGE_MASK)) ALL.set(SHORT, linear + addend[slot], (short) value);
        else mmu.storeSlow(linear, 2, value);
    }

    public void store32(long linear, int value) {
        int slot = (int) (linear >>> 12) & TLB_SIZE - 1;
        if (writeTag[slot] == (linear + 3 & PAGE_MASK)) ALL.set(INT, linear + addend[slot], value);
        else mmu.storeSlow(linear, 4, value);
    }

    public void store64(long linear, long value) {
        int slot = (int) (linear >>> 12) & TLB_SIZE - 1;
        if (writeTag[slot] == (linear + 7 & PAGE_MASK)) ALL.set(LONG, linear + addend[slot], value);
        else mmu.storeSlow(linear, 8, value);
    }

    /** Loads {@code size} bytes, zero-extended. */
    public long load(long linear, int size) {
        return switch (size) {
            case 1 -> load8(linear);
            case 2 -> load16(linear);
            case 4 -> load32(linear) & 0xffffffffL;
            default -> load64(linear);
        };
    }

    public void store(long linear, int size, long value) {
        switch (size) {
            case 1 -> store8(linear, (int) value);
            case 2 -> store16(linear, (int) value);
            case 4 -> store32(linear, (int) value);
            default -> store64(linear, value);
        }
    }

    /** The load of a read-modify-write: a page that may not be written faults as a write, before anything is read. */
    public long loadForWrite(long linear, int size) {
        int slot = (int) (linear >>> 12) & TLB_SIZE - 1;
        if (writeTag[slot] != (linear + (size - 1) & PAGE_MASK)) mmu.probeWrite(linear, size);
        return load(linear, size);
    }

    /**
     * Proves that {@code size} bytes can be written, or faults as a write; for instructions that store more than once
     * and must not stop half way.
     */
    public void probeWrite(long linear, int size) {
        int slot = (int) (linear >>> 12) & TLB_SIZE - 1;
        if (writeTag[slot] != (linear + (size - 1) & PAGE_MASK)) mmu.probeWrite(linear, size);
    }

    // ---- segmentation outside 64-bit code ----

    /** The linear address of {@code size} bytes at {@code offset}, checked for reading. */
    public long segmentRead(int seg, long offset, int size) {
        return Segments.linear(this, seg, offset, size, false);
    }

    public long segmentWrite(int seg, long offset, int size) {
        return Segments.linear(this, seg, offset, size, true);
    }
}
