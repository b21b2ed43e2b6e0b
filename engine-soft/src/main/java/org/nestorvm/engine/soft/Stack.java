package org.nestorvm.engine.soft;

/** PUSH and POP with the present stack segment, for instructions that do several of them: the stack pointer is committed at the end. */
final class Stack {
    private Stack() {
    }

    /** The linear address of {@code size} bytes at stack offset {@code sp}. */
    static long address(Cpu c, long sp, int size, boolean write) {
        if (c.codeSize == 8) return sp;
        return Segments.linear(c, Cpu.SS, sp & c.spMask, size, write);
    }

    static void setSp(Cpu c, long sp) {
        if (c.stackSize == 8) c.r[Cpu.RSP] = sp;
        else if (c.stackSize == 4) c.r[Cpu.RSP] = sp & 0xffffffffL;
        else c.set16(Cpu.RSP, (int) sp);
    }

    static void push(Cpu c, int size, long value) {
        long sp = c.r[Cpu.RSP] - size & c.spMask;
        c.store(address(c, sp, size, true), size, value);
        setSp(c, sp);
    }

    static long pop(Cpu c, int size) {
        long sp = c.r[Cpu.RSP] & c.spMask;
        long value = c.load(address(c, sp, size, false), size);
        setSp(c, sp + size);
        return value;
    }

    /** Reads the stack without moving it: {@code at} bytes above its top. */
    static long peek(Cpu c, int at, int size) {
        return c.load(address(c, c.r[Cpu.RSP] + at & c.spMask, size, false), size);
    }
}
