package org.nestorvm.engine.soft.ops.integer;

import static org.nestorvm.memory.sys.HostMemory.ALL;
import static org.nestorvm.memory.sys.HostMemory.ATOMIC_INT;
import static org.nestorvm.memory.sys.HostMemory.ATOMIC_LONG;

import org.nestorvm.engine.soft.state.Cpu;
import org.nestorvm.engine.soft.state.Flags;

/**
 * Read-modify-write with a LOCK prefix, or XCHG. Aligned operands in memory are exchanged with the host's
 * compare-and-set, so that they are atomic against other processors and against device processes; operands that are not
 * aligned, cover code, or are a device's registers are done under one lock of the machine's; so is CMPXCHG16B, which is
 * atomic among processors that use it for the location.
 */
public final class Atomics {
    private Atomics() {}

    /** Takes the machine's lock for operands that no single access of the host's covers. */
    static void lock(Cpu c) {
        c.vcpu.lockBus();
    }

    static void unlock(Cpu c) {
        c.vcpu.unlockBus();
    }

    /** The location can be exchanged atomically. */
    private static boolean direct(long host, int size) {
        return host != 0 && (host & size - 1) == 0;
    }

    /**
     * If memory still holds {@code old} (zero-extended), stores {@code now}. {@code host} is aligned to {@code size}.
     */
    private static boolean exchange(long host, int size, long old, long now) {
        if (size == 8) return ATOMIC_LONG.compareAndSet(ALL, host, old, now);
        if (size == 4) return ATOMIC_INT.compareAndSet(ALL, host, (int) old, (int) now);
        long word = host & ~3L;
        int shift = (int) (host & 3) * 8;
        int mask = (size == 1 ? 0xff : 0xffff) << shift;
        int current = (int) ATOMIC_INT.getVolatile(ALL, word);
        if ((current & mask) != ((int) old << shift & mask)) return false;
        return ATOMIC_INT.compareAndSet(ALL, word, current, current & ~mask | (int) now << shift & mask);
    }

    private static long current(long host, int size) {
        if (size == 8) return (long) ATOMIC_LONG.getVolatile(ALL, host);
        if (size == 4) return (int) ATOMIC_INT.getVolatile(ALL, host) & 0xffffffffL;
        int word = (int) ATOMIC_INT.getVolatile(ALL, host & ~3L) >>> (int) (host & 3) * 8;
        return word & (size == 1 ? 0xff : 0xffff);
    }

    /** The two-operand instructions. @param b sign-extended */
    static void alu(Cpu c, int kind, long linear, int size, long b) {
        int shift = 64 - 8 * size;
        long host = c.mmu.hostForWrite(linear, size);
        if (!direct(host, size)) {
            lock(c);
            try {
                long a = c.loadForWrite(linear, size) << shift >> shift;
                c.store(linear, size, Alu.compute(c, kind, shift, a, b));
            } finally {
                unlock(c);
            }
            return;
        }
        boolean carry = Flags.carry(c);
        for (; ; ) {
            long old = current(host, size);
            long now = Alu.compute(c, kind, shift, old << shift >> shift, b);
            if (exchange(host, size, old, now)) return;
            Flags.set(c, carry ? Cpu.CF : 0); // ADC and SBB read it again
        }
    }

    /** XCHG: returns what was there, zero-extended. */
    static long swap(Cpu c, long linear, int size, long now) {
        long host = c.mmu.hostForWrite(linear, size);
        if (!direct(host, size)) {
            lock(c);
            try {
                long old = c.loadForWrite(linear, size);
                c.store(linear, size, now);
                return old;
            } finally {
                unlock(c);
            }
        }
        for (; ; ) {
            long old = current(host, size);
            if (exchange(host, size, old, now)) return old;
        }
    }

    /** XADD: adds, returns what was there, zero-extended. */
    static long add(Cpu c, long linear, int size, long b) {
        long host = c.mmu.hostForWrite(linear, size);
        if (!direct(host, size)) {
            lock(c);
            try {
                long old = c.loadForWrite(linear, size);
                c.store(linear, size, old + b);
                return old;
            } finally {
                unlock(c);
            }
        }
        for (; ; ) {
            long old = current(host, size);
            if (exchange(host, size, old, old + b)) return old;
        }
    }

    /** CMPXCHG: stores {@code now} if memory holds {@code expected}; returns what was there, zero-extended. */
    static long compareExchange(Cpu c, long linear, int size, long expected, long now) {
        long host = c.mmu.hostForWrite(linear, size);
        if (!direct(host, size)) {
            lock(c);
            try {
                long old = c.loadForWrite(linear, size);
                c.store(linear, size, old == expected ? now : old);
                return old;
            } finally {
                unlock(c);
            }
        }
        for (; ; ) {
            long old = current(host, size);
            if (old != expected || exchange(host, size, old, now)) return old;
        }
    }

    /**
     * BTS, BTR, BTC on memory: sets the bits of {@code mask} to those of (old op mask); returns what was there. @param
     * kind 0 set, 1 reset, 2 complement
     */
    static long bit(Cpu c, long linear, int size, int kind, long mask) {
        long host = c.mmu.hostForWrite(linear, size);
        if (!direct(host, size)) {
            lock(c);
            try {
                long old = c.loadForWrite(linear, size);
                c.store(linear, size, bits(kind, old, mask));
                return old;
            } finally {
                unlock(c);
            }
        }
        for (; ; ) {
            long old = current(host, size);
            if (exchange(host, size, old, bits(kind, old, mask))) return old;
        }
    }

    static long bits(int kind, long old, long mask) {
        return switch (kind) {
            case 0 -> old | mask;
            case 1 -> old & ~mask;
            default -> old ^ mask;
        };
    }
}
