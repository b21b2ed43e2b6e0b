package org.nestorvm.engine.soft.ops.sse;

import org.nestorvm.engine.soft.isa.Insn;
import org.nestorvm.engine.soft.state.Cpu;

/** PCLMULQDQ: the product of two polynomials over GF(2); imm bits 0 and 4 choose the halves. */
final class CarrylessMultiply extends SseOp {
    private final int first, second;

    CarrylessMultiply(Insn i) {
        super(i);
        first = (int) i.imm & 1;
        second = (int) i.imm >> 4 & 1;
    }

    @Override
    public void exec(Cpu c) {
        long[] x = source(c);
        long a = x[dst + first], b = x[src + second];
        x[dst] = low(a, b);
        // The high half of a product is the low half of the reversed factors' product, reversed, one bit lower.
        x[dst + 1] = Long.reverse(low(Long.reverse(a), Long.reverse(b))) >>> 1;
    }

    /**
     * The low 64 bits of the product: integer products of every fourth bit leave room for the carries, which are
     * dropped.
     */
    private static long low(long a, long b) {
        long m = 0x1111111111111111L;
        long a0 = a & m,
                a1 = a & m << 1,
                a2 = a & m << 2,
                a3 = a & m << 3,
                b0 = b & m,
                b1 = b & m << 1,
                b2 = b & m << 2,
                b3 = b & m << 3;
        return (a0 * b0 ^ a1 * b3 ^ a2 * b2 ^ a3 * b1) & m
                | (a0 * b1 ^ a1 * b0 ^ a2 * b3 ^ a3 * b2) & m << 1
                | (a0 * b2 ^ a1 * b1 ^ a2 * b0 ^ a3 * b3) & m << 2
                | (a0 * b3 ^ a1 * b2 ^ a2 * b1 ^ a3 * b0) & m << 3;
    }
}
