package org.nestorvm.engine.soft.ops.integer;

import org.nestorvm.engine.soft.isa.Insn;
import org.nestorvm.engine.soft.isa.Reg;
import org.nestorvm.engine.soft.ops.Op;
import org.nestorvm.engine.soft.ops.RmOp;
import org.nestorvm.engine.soft.state.Cpu;
import org.nestorvm.engine.soft.state.Flags;

/**
 * Shifts and rotates (SDM vol. 2B). A count of 0 changes no flag; OF is defined for a count of 1 only, and here follows
 * the same rule for all counts, as processors do.
 */
public final class Shift {
    private static final int ROL = 0, ROR = 1, RCL = 2, RCR = 3, SHL = 4, SHR = 5, SAR = 7;

    private Shift() {}

    public static Op make(Insn i) {
        if (i.row.mnemonic.length() == 4) return new Double(i);
        int kind = switch (i.row.mnemonic) {
            case "ROL" -> ROL;
            case "ROR" -> ROR;
            case "RCL" -> RCL;
            case "RCR" -> RCR;
            case "SHL" -> SHL;
            case "SHR" -> SHR;
            default -> SAR;
        };
        int count = count(i);
        if (i.isReg() && count > 0 && !i.row.byteOp && i.opSize >= 4) {
            count &= i.opSize == 8 ? 63 : 31;
            if (count != 0) {
                boolean wide = i.opSize == 8;
                switch (kind) {
                    case SHL:
                        return wide ? new Shl64(i, count) : new Shl32(i, count);
                    case SHR:
                        return wide ? new Shr64(i, count) : new Shr32(i, count);
                    case ROL:
                        return wide ? new Rol64(i, count) : new Rol32(i, count);
                    case ROR:
                        return wide ? new Rol64(i, 64 - count) : new Rol32(i, 32 - count);
                    case SAR:
                        return wide ? new Sar64(i, count) : new Sar32(i, count);
                    default:
                        break;
                }
            }
        }
        return new General(i, kind, count);
    }

    /** The count that stands in the instruction, or -1 for CL. */
    private static int count(Insn i) {
        String operand = i.row.operands[i.row.operands.length - 1];
        return switch (operand) {
            case "CL" -> -1;
            case "1" -> 1;
            default -> (int) i.imm & 0xff;
        };
    }

    private static final class General extends RmOp {
        private final int kind, count;

        General(Insn i, int kind, int count) {
            super(i, size(i));
            this.kind = kind;
            this.count = count;
        }

        @Override
        public void exec(Cpu c) {
            int n = (count < 0 ? (int) c.r[Reg.RCX] : count) & (size == 8 ? 63 : 31);
            if (n == 0) {
                if (size == 4 && isReg) c.r[rm] &= 0xffffffffL;
                return;
            }
            if (isReg) {
                setRm(c, compute(c, kind, shift, getRm(c), n));
                return;
            }
            long at = write(c, size);
            long a = c.loadForWrite(at, size) << shift >> shift;
            c.store(at, size, compute(c, kind, shift, a, n));
        }
    }

    /** @param a sign-extended; @param n 1..63; returns the result, sign-extended */
    static long compute(Cpu c, int kind, int shift, long a, int n) {
        int bits = 64 - shift;
        long u = a << shift >>> shift;
        switch (kind) {
            case SHL -> {
                long x = n < bits ? a << n << shift >> shift : 0;
                long carry = n <= bits ? u >>> bits - n & 1 : 0;
                Flags.result(c, x, carry | (carry == 1 != x < 0 ? Cpu.OF : 0));
                return x;
            }
            case SHR -> {
                long x = n < bits ? (u >>> n) << shift >> shift : 0;
                long carry = n <= bits ? u >>> n - 1 & 1 : 0;
                Flags.result(c, x, carry | (a < 0 ? Cpu.OF : 0));
                return x;
            }
            case SAR -> {
                long x = a >> Math.min(n, 63);
                Flags.result(c, x, a >> Math.min(n - 1, 63) & 1);
                return x;
            }
            case ROL, ROR -> {
                return rotate(c, kind == ROL, bits, shift, u, n);
            }
            default -> {
                return rotateThroughCarry(c, kind == RCL, bits, shift, u, n);
            }
        }
    }

    private static void setCarryOverflow(Cpu c, boolean carry, boolean overflow) {
        Flags.carryOverflow(c, (carry ? Cpu.CF : 0) | (overflow ? Cpu.OF : 0));
    }

    private static long rotate(Cpu c, boolean left, int bits, int shift, long u, int n) {
        int k = n & bits - 1;
        int by = left ? k : bits - k & bits - 1;
        long x = by == 0 ? u : u << by | u >>> bits - by;
        x = x << shift >> shift;
        boolean low = (x & 1) != 0, top = x < 0, second = (x >>> bits - 2 & 1) != 0;
        if (left) setCarryOverflow(c, low, low != top);
        else setCarryOverflow(c, top, top != second);
        return x;
    }

    private static long rotateThroughCarry(Cpu c, boolean left, int bits, int shift, long u, int n) {
        int k = bits >= 32 ? n : n % (bits + 1);
        boolean carry = Flags.carry(c);
        if (k == 0) {
            long same = u << shift >> shift;
            boolean top = same < 0, second = (u >>> bits - 2 & 1) != 0;
            setCarryOverflow(c, carry, left ? carry != top : top != second);
            return same;
        }
        long in = carry ? 1 : 0;
        long x;
        boolean out;
        if (left) {
            out = (u >>> bits - k & 1) != 0;
            x = (k == 64 ? 0 : u << k) | in << k - 1 | (k > 1 ? u >>> bits - k + 1 : 0);
        } else {
            out = (u >>> k - 1 & 1) != 0;
            x = (k == bits ? 0 : u >>> k) | in << bits - k | (k > 1 ? u << bits - k + 1 : 0);
        }
        x = x << shift >> shift;
        boolean top = x < 0;
        boolean second = (x >>> bits - 2 & 1) != 0;
        setCarryOverflow(c, out, left ? out != top : top != second);
        return x;
    }

    /**
     * SHLD, SHRD. A count beyond the operand's size (16-bit operands only) is undefined; the result here is the
     * processors' usual one.
     */
    private static final class Double extends RmOp {
        private final boolean left;
        private final int count;

        Double(Insn i) {
            super(i, i.opSize);
            left = i.row.mnemonic.equals("SHLD");
            count = count(i);
        }

        @Override
        public void exec(Cpu c) {
            int n = (count < 0 ? (int) c.r[Reg.RCX] : count) & (size == 8 ? 63 : 31);
            if (n == 0) {
                if (size == 4 && isReg) c.r[rm] &= 0xffffffffL;
                return;
            }
            long at = isReg ? 0 : write(c, size);
            long a = isReg ? getRm(c) : c.loadForWrite(at, size) << shift >> shift;
            long x = compute(c, a, getReg(c), n);
            if (isReg) setRm(c, x);
            else c.store(at, size, x);
        }

        private long compute(Cpu c, long a, long b, int n) {
            int bits = 8 * size;
            long ua = a << shift >>> shift, ub = b << shift >>> shift;
            long x;
            boolean carry;
            if (size == 2 && n > 16) { // the bits of a:b:a
                long wide = left ? ua << 32 | ub << 16 | ua : ua << 32 | ub << 16 | ua;
                x = left ? wide << n >>> 32 : wide >>> n;
                carry = left ? (wide >>> 48 - n & 1) != 0 : (wide >>> n - 1 & 1) != 0;
            } else if (left) {
                x = n == bits ? ub : ua << n | ub >>> bits - n;
                carry = (ua >>> bits - n & 1) != 0;
            } else {
                x = n == bits ? ub : ua >>> n | ub << bits - n;
                carry = (ua >>> n - 1 & 1) != 0;
            }
            x = x << shift >> shift;
            Flags.result(c, x, (carry ? Cpu.CF : 0) | (x < 0 != a < 0 ? Cpu.OF : 0));
            return x;
        }
    }

    private abstract static class Fast extends Op {
        final int reg, n;

        Fast(Insn i, int n) {
            super(i);
            reg = i.rm;
            this.n = n;
        }

        @Override
        public boolean registersOnly() {
            return true;
        }
    }

    /** Rotates both ways: to the right by n is to the left by the rest. */
    private static final class Rol64 extends Fast {
        private final boolean left;

        Rol64(Insn i, int n) {
            super(i, n);
            left = i.row.mnemonic.equals("ROL");
        }

        @Override
        public void exec(Cpu c) {
            long x = Long.rotateLeft(c.r[reg], n);
            c.r[reg] = x;
            Flags.carryOverflow(c, left ? x & 1 | (x ^ x >>> 63) << 11 & Cpu.OF : x >>> 63 | (x ^ x << 1) >>> 63 << 11);
        }
    }

    private static final class Rol32 extends Fast {
        private final boolean left;

        Rol32(Insn i, int n) {
            super(i, n);
            left = i.row.mnemonic.equals("ROL");
        }

        @Override
        public void exec(Cpu c) {
            int x = Integer.rotateLeft((int) c.r[reg], n);
            c.r[reg] = x & 0xffffffffL;
            Flags.carryOverflow(
                    c, left ? x & 1 | (x ^ x >>> 31) << 11 & (int) Cpu.OF : x >>> 31 | (x ^ x << 1) >>> 31 << 11);
        }
    }

    private static final class Shl64 extends Fast {
        Shl64(Insn i, int n) {
            super(i, n);
        }

        @Override
        public void exec(Cpu c) {
            long a = c.r[reg], x = a << n, carry = a >>> 64 - n & 1;
            c.r[reg] = x;
            Flags.result(c, x, carry | (carry ^ x >>> 63) << 11);
        }
    }

    private static final class Shl32 extends Fast {
        Shl32(Insn i, int n) {
            super(i, n);
        }

        @Override
        public void exec(Cpu c) {
            int a = (int) c.r[reg], x = a << n, carry = a >>> 32 - n & 1;
            c.r[reg] = x & 0xffffffffL;
            Flags.result(c, x, carry | (carry ^ x >>> 31) << 11);
        }
    }

    private static final class Shr64 extends Fast {
        Shr64(Insn i, int n) {
            super(i, n);
        }

        @Override
        public void exec(Cpu c) {
            long a = c.r[reg], x = a >>> n;
            c.r[reg] = x;
            Flags.result(c, x, a >>> n - 1 & 1 | a >>> 63 << 11);
        }
    }

    private static final class Shr32 extends Fast {
        Shr32(Insn i, int n) {
            super(i, n);
        }

        @Override
        public void exec(Cpu c) {
            int a = (int) c.r[reg], x = a >>> n;
            c.r[reg] = x & 0xffffffffL;
            Flags.result(c, x, a >>> n - 1 & 1 | a >>> 31 << 11);
        }
    }

    private static final class Sar64 extends Fast {
        Sar64(Insn i, int n) {
            super(i, n);
        }

        @Override
        public void exec(Cpu c) {
            long a = c.r[reg], x = a >> n;
            c.r[reg] = x;
            Flags.result(c, x, a >> n - 1 & 1);
        }
    }

    private static final class Sar32 extends Fast {
        Sar32(Insn i, int n) {
            super(i, n);
        }

        @Override
        public void exec(Cpu c) {
            int a = (int) c.r[reg], x = a >> n;
            c.r[reg] = x & 0xffffffffL;
            Flags.result(c, x, a >> n - 1 & 1);
        }
    }
}
