package org.nestorvm.engine.soft.state;

import org.nestorvm.engine.soft.isa.Reg;

/**
 * PUSH and POP with the present stack segment, for instructions that do several of them: the stack pointer is committed
 * at the end.
 */
public final class Stack {
    private Stack() {}

    /** The linear address of {@code size} bytes at stack offset {@code sp}. */
    public static long address(Cpu c, long sp, int size, boolean write) {
        if (c.codeSize == 8) return sp;
        return Segments.linear(c, Reg.SS, sp & c.spMask, size, write);
    }

    public static void setSp(Cpu c, long sp) {
        if (c.stackSize == 8) c.r[Reg.RSP] = sp;
        else if (c.stackSize == 4) c.r[Reg.RSP] = sp & 0xffffffffL;
        else c.set16(Reg.RSP, (int) sp);
    }

    public static void push(Cpu c, int size, long value) {
        long sp = c.r[Reg.RSP] - size & c.spMask;
        c.store(address(c, sp, size, true), size, value);
        setSp(c, sp);
    }

    public static long pop(Cpu c, int size) {
        long sp = c.r[Reg.RSP] & c.spMask;
        long value = c.load(address(c, sp, size, false), size);
        setSp(c, sp + size);
        return value;
    }

    /** Reads the stack without moving it: {@code at} bytes above its top. */
    public static long peek(Cpu c, int at, int size) {
        return c.load(address(c, c.r[Reg.RSP] + at & c.spMask, size, false), size);
    }
}
