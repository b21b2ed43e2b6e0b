package org.nestorvm.engine.soft.ops.integer;

import org.nestorvm.engine.soft.isa.Insn;
import org.nestorvm.engine.soft.isa.Reg;
import org.nestorvm.engine.soft.ops.Op;
import org.nestorvm.engine.soft.ops.RmOp;
import org.nestorvm.engine.soft.state.Cpu;
import org.nestorvm.engine.soft.state.Flags;
import org.nestorvm.engine.soft.state.GuestFault;

/**
 * MUL, IMUL, DIV, IDIV. SF, ZF, AF and PF are undefined after a multiplication; here SF, ZF and PF follow the low half,
 * AF is 0.
 */
public final class Multiply {
    private Multiply() {}

    public static Op make(Insn i) {
        return switch (i.row.mnemonic) {
            case "MUL" -> i.isReg() && RmOp.size(i) == 8 ? new Mul64(i) : new Wide(i, false);
            case "IMUL1" -> new Wide(i, true);
            case "DIV" -> new Divide(i, false);
            case "IDIV" -> new Divide(i, true);
            default -> i.isReg() && i.opSize == 8 && i.row.operands.length == 2 ? new Imul64(i) : new Imul(i);
        };
    }

    /** RDX:RAX = RAX * register: what big-number arithmetic is made of. */
    private static final class Mul64 extends Op {
        private final int reg;

        Mul64(Insn i) {
            super(i);
            reg = i.rm;
        }

        @Override
        public void exec(Cpu c) {
            long a = c.r[Reg.RAX], b = c.r[reg];
            long low = a * b, high = Math.unsignedMultiplyHigh(a, b);
            c.r[Reg.RAX] = low;
            c.r[Reg.RDX] = high;
            Flags.result(c, low, high == 0 ? 0 : Cpu.CF | Cpu.OF);
        }

        @Override
        public boolean registersOnly() {
            return true;
        }
    }

    private static final class Imul64 extends Op {
        private final int to, from;

        Imul64(Insn i) {
            super(i);
            to = i.reg;
            from = i.rm;
        }

        @Override
        public void exec(Cpu c) {
            long a = c.r[to], b = c.r[from];
            long x = a * b;
            c.r[to] = x;
            Flags.result(c, x, Math.multiplyHigh(a, b) == x >> 63 ? 0 : Cpu.CF | Cpu.OF);
        }

        @Override
        public boolean registersOnly() {
            return true;
        }
    }

    private static final class Imul extends RmOp {
        private final boolean immediate;
        private final long imm;

        Imul(Insn i) {
            super(i, i.opSize);
            immediate = i.row.operands.length == 3;
            imm = i.imm;
        }

        @Override
        public void exec(Cpu c) {
            long b = getRm(c), a = immediate ? imm : getReg(c);
            long x = a * b;
            boolean fits = size == 8 ? Math.multiplyHigh(a, b) == x >> 63 : x << shift >> shift == x;
            x = x << shift >> shift;
            setReg(c, x);
            Flags.result(c, x, fits ? 0 : Cpu.CF | Cpu.OF);
        }
    }

    /** AX, DX:AX, EDX:EAX, RDX:RAX from the accumulator and the operand. */
    private static final class Wide extends RmOp {
        private final boolean signed;

        Wide(Insn i, boolean signed) {
            super(i, size(i));
            this.signed = signed;
        }

        @Override
        public void exec(Cpu c) {
            long b = getRm(c);
            long a = c.r[Reg.RAX] << shift >> shift;
            if (!signed) {
                a = a << shift >>> shift;
                b = b << shift >>> shift;
            }
            long low = a * b;
            long high;
            if (size == 8) high = signed ? Math.multiplyHigh(a, b) : Math.unsignedMultiplyHigh(a, b);
            else high = low >> 8 * size;
            long lowSigned = low << shift >> shift;
            boolean fits = signed ? high == lowSigned >> 63 : (high << shift) == 0;
            switch (size) {
                case 1 -> c.set16(Reg.RAX, (int) low);
                case 2 -> {
                    c.set16(Reg.RAX, (int) low);
                    c.set16(Reg.RDX, (int) high);
                }
                case 4 -> {
                    c.r[Reg.RAX] = low & 0xffffffffL;
                    c.r[Reg.RDX] = high & 0xffffffffL;
                }
                default -> {
                    c.r[Reg.RAX] = low;
                    c.r[Reg.RDX] = high;
                }
            }
            Flags.result(c, lowSigned, fits ? 0 : Cpu.CF | Cpu.OF);
        }
    }

    /** #DE when the divisor is 0 or the quotient does not fit. Flags are undefined, and left as they are. */
    private static final class Divide extends RmOp {
        private final boolean signed;

        Divide(Insn i, boolean signed) {
            super(i, size(i));
            this.signed = signed;
        }

        @Override
        public void exec(Cpu c) {
            long d = getRm(c);
            if (d == 0) throw c.raise(GuestFault.DE, -1);
            if (size == 8) divide128(c, d);
            else if (signed) divideSigned(c, d);
            else divideUnsigned(c, d << shift >>> shift);
        }

        private long dividend(Cpu c) {
            long a = c.r[Reg.RAX], d = c.r[Reg.RDX];
            return switch (size) {
                case 1 -> a & 0xffff;
                case 2 -> (d & 0xffff) << 16 | a & 0xffff;
                default -> d << 32 | a & 0xffffffffL;
            };
        }

        private void store(Cpu c, long quotient, long remainder) {
            switch (size) {
                case 1 -> c.set16(Reg.RAX, (int) ((remainder & 0xff) << 8 | quotient & 0xff));
                case 2 -> {
                    c.set16(Reg.RAX, (int) quotient);
                    c.set16(Reg.RDX, (int) remainder);
                }
                default -> {
                    c.r[Reg.RAX] = quotient & 0xffffffffL;
                    c.r[Reg.RDX] = remainder & 0xffffffffL;
                }
            }
        }

        private void divideUnsigned(Cpu c, long d) {
            long n = dividend(c);
            long q = Long.divideUnsigned(n, d);
            if (q << shift >>> shift != q) throw c.raise(GuestFault.DE, -1);
            store(c, q, n - q * d);
        }

        private void divideSigned(Cpu c, long d) {
            long n = dividend(c);
            n = size == 1 ? (short) n : size == 2 ? (int) n : n;
            if (n == Long.MIN_VALUE && d == -1) throw c.raise(GuestFault.DE, -1);
            long q = n / d;
            if (q << shift >> shift != q) throw c.raise(GuestFault.DE, -1);
            store(c, q, n - q * d);
        }

        private void divide128(Cpu c, long d) {
            long low = c.r[Reg.RAX], high = c.r[Reg.RDX];
            if (!signed) {
                if (Long.compareUnsigned(high, d) >= 0) throw c.raise(GuestFault.DE, -1);
                c.r[Reg.RAX] = quotient(high, low, d);
                c.r[Reg.RDX] = low - c.r[Reg.RAX] * d;
                return;
            }
            boolean negative = high < 0;
            long h = high, l = low;
            if (negative) {
                l = -l;
                h = ~h + (l == 0 ? 1 : 0);
            }
            long ad = Math.abs(d); // of the smallest value: itself, which is right as an unsigned number
            if (Long.compareUnsigned(h, ad) >= 0) throw c.raise(GuestFault.DE, -1);
            long q = quotient(h, l, ad);
            boolean negativeQuotient = negative != d < 0;
            if (negativeQuotient ? Long.compareUnsigned(q, Long.MIN_VALUE) > 0 : q < 0)
                throw c.raise(GuestFault.DE, -1);
            long remainder = l - q * ad;
            c.r[Reg.RAX] = negativeQuotient ? -q : q;
            c.r[Reg.RDX] = negative ? -remainder : remainder;
        }
    }

    /** (high:low) / d for high &lt; d, all unsigned: schoolbook division by 32-bit digits (Knuth, vol. 2, 4.3.1 D). */
    static long quotient(long high, long low, long d) {
        if (high == 0) return Long.divideUnsigned(low, d);
        int s = Long.numberOfLeadingZeros(d);
        d <<= s;
        long dh = d >>> 32, dl = d & 0xffffffffL;
        long n = s == 0 ? high : high << s | low >>> 64 - s;
        low <<= s;
        long q1 = digit(n, low >>> 32, d, dh, dl);
        n = (n << 32 | low >>> 32) - q1 * d;
        long q0 = digit(n, low & 0xffffffffL, d, dh, dl);
        return q1 << 32 | q0 & 0xffffffffL;
    }

    private static long digit(long n, long next, long d, long dh, long dl) {
        long q = Long.divideUnsigned(n, dh);
        long rest = n - q * dh;
        while (q >>> 32 != 0 || Long.compareUnsigned(q * dl, rest << 32 | next) > 0) {
            q--;
            rest += dh;
            if (rest >>> 32 != 0) break;
        }
        return q;
    }
}
