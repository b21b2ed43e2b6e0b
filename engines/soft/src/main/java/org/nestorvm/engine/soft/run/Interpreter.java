package org.nestorvm.engine.soft.run;

import org.nestorvm.engine.soft.isa.Decoder;
import org.nestorvm.engine.soft.isa.Insn;
import org.nestorvm.engine.soft.isa.Reg;
import org.nestorvm.engine.soft.mmu.Mmu;
import org.nestorvm.engine.soft.ops.Op;
import org.nestorvm.engine.soft.ops.integer.Branch;
import org.nestorvm.engine.soft.ops.integer.CompareBranch;
import org.nestorvm.engine.soft.ops.integer.Strings;
import org.nestorvm.engine.soft.state.Cpu;
import org.nestorvm.engine.soft.state.GuestFault;
import org.nestorvm.engine.soft.state.RunningBlock;
import org.nestorvm.memory.sys.HostMemory;
import org.nestorvm.vmm.Exit;

/**
 * Finds, decodes and runs blocks. Whatever is rare (interrupts, shadows, single steps, breakpoints, flush requests,
 * stop requests) sets {@link Cpu#attention} and is answered by {@link RunControl#attend} between two blocks.
 */
public final class Interpreter {
    private static final int CACHE_SIZE = 1 << 15;
    private static final int MAX_OPS = 64;

    private final Cpu c;
    private final Mmu mmu;
    private final CodeCache code;
    private final RunControl control;
    private final Decoder decoder = new Decoder();
    /**
     * Blocks by linear address and mode; hints that are checked against the execution TLB. What the check needs stands
     * in the block, whose memory is needed anyway.
     */
    private final Block[] blocks = new Block[CACHE_SIZE];
    /** 32 bytes for an instruction that crosses pages. */
    private final long scratch;

    private final Op[] ops = new Op[MAX_OPS + 1];
    /** The instruction before the one in the decoder. */
    private final Insn previous = new Insn();
    /** Decode for a single step: no pairs, and the block is not kept. */
    private boolean apart;

    private int generation;
    public long decoded, compiled;

    public Interpreter(Cpu c, Mmu mmu, CodeCache code, RunControl control, long scratch) {
        this.c = c;
        this.mmu = mmu;
        this.code = code;
        this.control = control;
        this.scratch = scratch;
    }

    /**
     * Runs until {@link RunControl#attend} wants to leave. A guest's fault comes out as {@link GuestFault}, with the
     * instruction pointer at the faulting instruction.
     */
    public Exit loop() {
        Cpu c = this.c;
        Block last = null;
        for (; ; ) {
            if (c.attention || c.retired >= c.deadline) {
                Exit exit = control.attend();
                if (exit != null) return exit;
                last = null;
                continue;
            }
            Block b = last != null ? after(last) : next();
            CompiledBlock compiled = b.compiled;
            if (compiled != null) last = run(b, compiled);
            else if (++b.heat == BlockCompiler.HOT) last = heated(b);
            else last = run(b, b.ops.length);
        }
    }

    /**
     * Executes one instruction, whatever attention asks.
     *
     * @return whether it was a branch, and was taken
     */
    public boolean step() {
        Block b = next();
        if (b.ops[0] instanceof CompareBranch) {
            apart = true;
            try {
                b = decode(c.r[Reg.RIP], b.host);
            } finally {
                apart = false;
            }
        }
        Op op = b.ops[0];
        long next = c.r[Reg.RIP] + op.end & c.ipMask;
        run(b, 1);
        return op.setsIp() && !(op instanceof Strings.StringOp) && c.r[Reg.RIP] != next;
    }

    /**
     * The block will be compiled, and is not entered this time. A block that crosses pages stays as it is: it is looked
     * up each time anyway.
     */
    private Block heated(Block b) {
        if (b.nextHostPage == 0 && b.valid) {
            code.compile(b);
            compiled++;
        }
        return null;
    }

    private Block run(Block b, CompiledBlock compiled) {
        Cpu c = this.c;
        c.limit = b.ops.length;
        c.block = b;
        return finish(b, compiled.run(c));
    }

    private Block run(Block b, int limit) {
        Cpu c = this.c;
        Op[] ops = b.ops;
        c.limit = limit;
        c.block = b;
        int i = 0;
        do { // four calls, so that the host can predict each by its place
            c.opIndex = i;
            ops[i++].exec(c);
            if (i >= c.limit) break;
            c.opIndex = i;
            ops[i++].exec(c);
            if (i >= c.limit) break;
            c.opIndex = i;
            ops[i++].exec(c);
            if (i >= c.limit) break;
            c.opIndex = i;
            ops[i++].exec(c);
        } while (i < c.limit);
        return finish(b, i);
    }

    /**
     * After {@code i} operations of a block, all of them or fewer. @return the block, if another may be linked behind
     * it
     */
    private Block finish(Block b, int i) {
        Cpu c = this.c;
        Op[] ops = b.ops;
        if (i < ops.length || !b.branches) c.r[Reg.RIP] = c.r[Reg.RIP] + ops[i - 1].end & c.ipMask;
        c.retired += i == ops.length ? b.instructions : i;
        c.memoryOperands += b.memoryOperands;
        c.block = null;
        return i == ops.length && c.codeSize == 8 ? b : null;
    }

    /** After a fault: back to the first byte of the instruction that faulted. */
    public void rewind() {
        RunningBlock b = c.block;
        if (b == null) return;
        c.r[Reg.RIP] = c.r[Reg.RIP] + b.start(c.opIndex) & c.ipMask;
        c.retired += c.opIndex;
        c.block = null;
    }

    /** What follows a block that has run to its end, in 64-bit code: mostly what followed it before. */
    private Block after(Block last) {
        long linear = c.r[Reg.RIP], key = linear << 5 | c.mode;
        boolean behind = linear - (last.key >> 5) == last.length;
        Block b = behind ? last.behind : last.elsewhere;
        if (b != null && b.key == key && b.epoch == mmu.execEpoch && b.valid) return b;
        Block found = next();
        boolean stale =
                b == null || b.epoch != mmu.execEpoch || !b.valid; // the first of several targets keeps its place
        if (stale && last.valid && found.key == key) {
            if (behind) last.behind = found;
            else last.elsewhere = found;
        }
        return found;
    }

    private Block next() {
        Cpu c = this.c;
        long linear = c.r[Reg.RIP];
        if (c.codeSize != 8) linear = linear + c.segBase[Reg.CS] & 0xffffffffL;
        long key = linear << 5 | c.mode;
        int slot = (int) (linear ^ linear >>> 15) & CACHE_SIZE - 1;
        Block b = blocks[slot];
        if (b != null && b.key == key && b.epoch == mmu.execEpoch && b.valid && (c.codeSize == 8 || fits(b))) return b;
        return refill(linear, key, slot);
    }

    private Block refill(long linear, long key, int slot) {
        Block old = blocks[slot];
        boolean still = old != null && old.key == key && old.valid && holds(linear, old) && fits(old);
        Block b = still ? old : find(linear);
        b.key = key;
        b.epoch = holds(linear, b)
                ? mmu.execEpoch
                : mmu.execEpoch - 1; // another processor's flush may have been answered meanwhile
        blocks[slot] = b;
        return b;
    }

    /**
     * Whether the execution TLB has the block's bytes at this address. As long as its epoch lasts it goes on having
     * them.
     */
    private boolean holds(long linear, Block b) {
        return mmu.codePage(linear) == (b.host & Cpu.PAGE_MASK)
                && (b.nextHostPage == 0 || mmu.codePage(nextPage(linear)) == b.nextHostPage);
    }

    /** The CS limit, outside 64-bit code. */
    private boolean fits(Block b) {
        return c.codeSize == 8 || Integer.compareUnsigned((int) c.r[Reg.RIP] + b.length - 1, c.segLimit[Reg.CS]) <= 0;
    }

    private Block find(long linear) {
        long host = mmu.translateCode(linear);
        if (host == 0) return fromDevice(linear);
        Block b = code.find(host, c.mode, this);
        if (b != null && (b.nextHostPage == 0 || b.nextHostPage == crossing(linear, b)) && fits(b)) return b;
        return decode(linear, host);
    }

    private long crossing(long linear, Block b) {
        return mmu.translateCode(nextPage(linear)) & Cpu.PAGE_MASK;
    }

    private long nextPage(long linear) {
        long next = (linear | 0xfff) + 1;
        return c.codeSize == 8 ? next : next & 0xffffffffL;
    }

    /** Drops the blocks at hand, unless they are of this generation of the cache. */
    public void forget(int now) {
        if (generation == now) return;
        generation = now;
        java.util.Arrays.fill(blocks, null);
    }

    private Block decode(long linear, long host) {
        if (code.full()) control.forgetAllCode();
        CodePage page = codePage(host & Cpu.PAGE_MASK), nextPage = null;
        int stores = code.stores(page), nextStores = 0;
        int room = 4096 - (int) (host & 0xfff);
        long ip = c.r[Reg.RIP];
        int n = 0, length = 0;
        boolean ends = false, fused = false;
        long nextHostPage = 0;
        while (n < MAX_OPS && !ends && length < room) {
            int result = decoder.decode(host + length, room - length, length, c.codeSize, c.stackSize);
            if (result == Decoder.MORE) {
                if (n > 0) break;
                long next = mmu.translateCode(nextPage(linear));
                if (next == 0) throw c.gp(0);
                nextHostPage = next & Cpu.PAGE_MASK;
                nextPage = codePage(nextHostPage);
                nextStores = code.stores(nextPage);
                HostMemory.copy(host, scratch, room);
                HostMemory.copy(next, scratch + room, 15);
                result = decoder.decode(scratch, room + 15, 0, c.codeSize, c.stackSize);
            }
            if (result != Decoder.OK || outsideLimit(ip, decoder.insn.end)) {
                if (n > 0) break;
                refuse(result);
            }
            Op op = Ops.make(decoder.insn);
            if (op == null) {
                if (n > 0) break;
                throw c.ud();
            }
            if (n > 0 && op instanceof Branch.Relative && !apart) {
                Op pair = CompareBranch.make(previous, decoder.insn);
                if (pair != null) {
                    ops[n - 1] = pair;
                    length = decoder.insn.end;
                    fused = true;
                    break;
                }
            }
            ops[n++] = op;
            length = decoder.insn.end;
            previous.copy(decoder.insn);
            ends = decoder.insn.row.endsBlock;
            if (nextHostPage != 0) break;
        }
        decoded++;
        Block b = new Block(
                this,
                java.util.Arrays.copyOf(ops, n),
                host,
                nextHostPage,
                c.mode,
                length,
                ops[n - 1].setsIp(),
                fused ? n + 1 : n);
        if (!apart) code.add(b, page, stores, nextPage, nextStores);
        return b;
    }

    /**
     * The page as one that no processor writes unseen. Two that come at once both see to it: neither may decode before,
     * and each may wait for the other.
     */
    private CodePage codePage(long hostPage) {
        CodePage page = code.page(hostPage);
        if (!page.settled) {
            control.codeAppeared(hostPage);
            page.settled = true;
        }
        return page;
    }

    private boolean outsideLimit(long ip, int end) {
        return c.codeSize != 8
                && Long.compareUnsigned((ip & 0xffffffffL) + end - 1, c.segLimit[Reg.CS] & 0xffffffffL) > 0;
    }

    private void refuse(int result) {
        if (result == Decoder.UNDEFINED) throw c.ud();
        throw c.gp(0);
    }

    /** Code in a device or a hole: decoded from a copy, one instruction, never kept. */
    private Block fromDevice(long linear) {
        for (int i = 0; i < 15; i++) {
            long host = mmu.translateCode(linear + i);
            HostMemory.putByte(scratch + i, host != 0 ? HostMemory.getByte(host) : (byte) mmu.deviceByte(0));
        }
        int result = decoder.decode(scratch, 15, 0, c.codeSize, c.stackSize);
        if (result != Decoder.OK) refuse(result);
        Op op = Ops.make(decoder.insn);
        if (op == null) throw c.ud();
        Block b = new Block(this, new Op[] {op}, scratch, 0, c.mode, decoder.insn.end, op.setsIp(), 1);
        b.valid = false;
        return b;
    }
}
