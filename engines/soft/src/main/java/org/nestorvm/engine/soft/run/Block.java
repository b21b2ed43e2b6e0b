package org.nestorvm.engine.soft.run;

import org.nestorvm.engine.soft.ops.Op;
import org.nestorvm.engine.soft.state.RunningBlock;

/**
 * Instructions that run from the first to the last: decoded once per physical page and mode, left early only by a
 * fault.
 */
final class Block extends RunningBlock {
    /** No address: bits 4 and 0 are of a mode that there is not. */
    static final long NO_KEY = -1;

    final Op[] ops;
    /** Host address of the first byte. */
    final long host;
    /** Host page of the bytes beyond the first page's end, or 0. */
    final long nextHostPage;

    final int mode;
    final int length;
    /** The last operation sets the instruction pointer by itself. */
    final boolean branches;
    /** Operands in memory of all operations. */
    final int memoryOperands;
    /** Instructions in all operations: one more than those when the last is a pair. */
    final int instructions;
    /** Runs so far, until it is hot; and the class made of it then. Heat is a hint that processors may race on. */
    int heat;

    CompiledBlock compiled;

    /**
     * The processor that runs it: each has blocks of its own, which share their operations. What follows is written by
     * the owner's thread only, but that anybody may take the links away.
     */
    final Interpreter owner;
    /**
     * Linear address and mode under which the owner found it last, and the epoch of its execution TLB in which that was
     * right.
     */
    long key = NO_KEY;

    int epoch;
    /**
     * The owner's blocks that have followed this one: behind it, and elsewhere. Hints that are checked against their
     * keys.
     */
    Block behind, elsewhere;

    Block(
            Interpreter owner,
            Op[] ops,
            long host,
            long nextHostPage,
            int mode,
            int length,
            boolean branches,
            int instructions) {
        this.owner = owner;
        this.ops = ops;
        this.host = host;
        this.nextHostPage = nextHostPage;
        this.mode = mode;
        this.length = length;
        int operands = 0;
        for (Op op : ops) operands += op.memoryOperands();
        memoryOperands = operands;
        this.branches = branches;
        this.instructions = instructions;
    }

    /** The same for another processor. */
    Block(Interpreter owner, Block other) {
        this(
                owner,
                other.ops,
                other.host,
                other.nextHostPage,
                other.mode,
                other.length,
                other.branches,
                other.instructions);
    }

    @Override
    public boolean stackAccess(int operation) {
        return ops[operation].stackAccess();
    }

    @Override
    public int start(int operation) {
        return ops[operation].start;
    }

    /** Its bytes have changed. It keeps no other blocks alive. */
    void invalidate() {
        valid = false;
        behind = elsewhere = null;
    }

    /** Of the Java heap, in about. */
    int heapBytes() {
        return 128 + 96 * ops.length;
    }

    /** Of metaspace and of the host's code cache once it is compiled: measured with 1 to 48 operations. */
    int compiledBytes() {
        return 5_000 + 400 * ops.length;
    }
}
