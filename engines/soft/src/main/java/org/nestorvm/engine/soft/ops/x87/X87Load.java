package org.nestorvm.engine.soft.ops.x87;

import static org.nestorvm.engine.soft.number.SoftFloat.DE;
import static org.nestorvm.engine.soft.number.SoftFloat.IE;
import static org.nestorvm.engine.soft.number.SoftFloat.NEAREST;
import static org.nestorvm.engine.soft.number.SoftFloat.UP;

import org.nestorvm.engine.soft.isa.Insn;
import org.nestorvm.engine.soft.number.SoftFloat;
import org.nestorvm.engine.soft.number.SoftFloat.Number;
import org.nestorvm.engine.soft.ops.Op;
import org.nestorvm.engine.soft.state.Cpu;

/** FLD, FILD, FBLD and the constants: everything that pushes a value. */
final class X87Load {
    private X87Load() {}

    static Op make(Insn i) {
        return switch (i.row.mnemonic) {
            case "FLD" ->
                i.isReg()
                        ? new LoadRegister(i)
                        : i.row.operands[0].equals("Mt")
                                ? new Load80(i)
                                : new LoadReal(i, i.row.operands[0].equals("Mq"));
            case "FILD" -> new LoadInteger(i, size(i));
            case "FBLD" -> new LoadBcd(i);
            case "FLD1" -> new LoadConstant(i, 0x3fff, 0x8000000000000000L, false, false);
            case "FLDL2T" -> new LoadConstant(i, 0x4000, 0xd49a784bcd1b8afeL, true, false);
            case "FLDL2E" -> new LoadConstant(i, 0x3fff, 0xb8aa3b295c17f0bbL, true, true);
            case "FLDPI" -> new LoadConstant(i, 0x4000, 0xc90fdaa22168c234L, true, true);
            case "FLDLG2" -> new LoadConstant(i, 0x3ffd, 0x9a209a84fbcff798L, true, true);
            case "FLDLN2" -> new LoadConstant(i, 0x3ffe, 0xb17217f7d1cf79abL, true, true);
            default -> new LoadConstant(i, 0, 0, false, false);
        };
    }

    /** Bytes of an operand in memory: Mw, Md, Mq. */
    static int size(Insn i) {
        return switch (i.row.operands[0]) {
            case "Mw" -> 2;
            case "Md" -> 4;
            default -> 8;
        };
    }

    /** Where a push would go is in use: says so, and pushes the default NaN if that is masked. */
    private static boolean overflows(Cpu c) {
        if (X87Op.isEmpty(c, -1)) return false;
        if (X87Op.overflow(c)) X87Op.push(c, X87Op.INDEFINITE_EXPONENT, X87Op.INDEFINITE);
        return true;
    }

    /** Widens a float or a double into exponent80 and mantissa80; returns the exceptions. */
    static int widen(SoftFloat s, boolean wide, long bits) {
        Number a = s.a;
        a.set(wide, bits, false);
        int sign = a.negative ? 0x8000 : 0;
        s.mantissa80 = a.sig;
        switch (a.kind) {
            case Number.ZERO -> s.exponent80 = sign;
            case Number.INFINITY, Number.QNAN -> s.exponent80 = sign | 0x7fff;
            case Number.SNAN -> {
                s.exponent80 = sign | 0x7fff;
                s.mantissa80 |= 1L << 62;
                return IE;
            }
            default -> {
                s.exponent80 = sign | a.exponent + 16383;
                return a.kind == Number.DENORMAL ? DE : 0;
            }
        }
        return 0;
    }

    private static final class LoadReal extends X87Op {
        private final boolean wide;

        LoadReal(Insn i, boolean wide) {
            super(i);
            this.wide = wide;
        }

        @Override
        public void exec(Cpu c) {
            check(c);
            long linear = read(c, wide ? 8 : 4), bits = wide ? c.load64(linear) : c.load32(linear);
            begin(c);
            point(c);
            if (overflows(c)) return;
            clearC1(c);
            int exceptions = widen(c.soft, wide, bits);
            // A denormal is loaded even if that is an exception that is not masked.
            if (raise(c, exceptions) || (exceptions & DE) != 0) push(c, c.soft.exponent80, c.soft.mantissa80);
        }
    }

    private static final class Load80 extends X87Op {
        Load80(Insn i) {
            super(i);
        }

        @Override
        public void exec(Cpu c) {
            check(c);
            long linear = read(c, 10), mantissa = c.load64(linear);
            int exponent = c.load16(linear + 8);
            begin(c);
            point(c);
            if (overflows(c)) return;
            clearC1(c);
            push(c, exponent, mantissa);
        }
    }

    private static final class LoadRegister extends X87Op {
        LoadRegister(Insn i) {
            super(i);
        }

        @Override
        public void exec(Cpu c) {
            begin(c);
            if (isEmpty(c, sti)) {
                if (underflow(c)) push(c, INDEFINITE_EXPONENT, INDEFINITE);
                return;
            }
            if (overflows(c)) return;
            clearC1(c);
            int n = physical(c, sti);
            push(c, c.fpExponent[n], c.fpMantissa[n]);
        }
    }

    /** Pushes an integer, which is always exact. */
    private static void pushInteger(Cpu c, long value) {
        if (overflows(c)) return;
        X87Op.clearC1(c);
        long magnitude = Math.abs(value);
        int shift = Long.numberOfLeadingZeros(magnitude);
        if (value == 0) X87Op.push(c, 0, 0);
        else X87Op.push(c, 16383 + 63 - shift | (value < 0 ? 0x8000 : 0), magnitude << shift);
    }

    private static final class LoadInteger extends X87Op {
        private final int size;

        LoadInteger(Insn i, int size) {
            super(i);
            this.size = size;
        }

        @Override
        public void exec(Cpu c) {
            check(c);
            long linear = read(c, size);
            long value = switch (size) {
                case 2 -> (short) c.load16(linear);
                case 4 -> c.load32(linear);
                default -> c.load64(linear);
            };
            begin(c);
            point(c);
            pushInteger(c, value);
        }
    }

    /** FBLD: eighteen decimal digits, two a byte, and a sign in bit 79. */
    private static final class LoadBcd extends X87Op {
        LoadBcd(Insn i) {
            super(i);
        }

        @Override
        public void exec(Cpu c) {
            check(c);
            long linear = read(c, 10), digits = c.load64(linear);
            int top = c.load16(linear + 8);
            begin(c);
            point(c);
            if (overflows(c)) return;
            long value = (top >> 4 & 15) * 10 + (top & 15);
            for (int i = 60; i >= 0; i -= 4) value = value * 10 + (digits >>> i & 15);
            pushInteger(c, value);
            if ((top & 0x8000) != 0) c.fpExponent[c.fpTop] |= 0x8000;
        }
    }

    /** A constant is rounded as the control word says, without an exception. */
    private static final class LoadConstant extends X87Op {
        private final int exponent;
        private final long truncated;
        private final boolean inexact, roundsUp;

        LoadConstant(Insn i, int exponent, long truncated, boolean inexact, boolean roundsUp) {
            super(i);
            this.exponent = exponent;
            this.truncated = truncated;
            this.inexact = inexact;
            this.roundsUp = roundsUp;
        }

        @Override
        public void exec(Cpu c) {
            begin(c);
            if (overflows(c)) return;
            clearC1(c);
            boolean up = switch (rounding(c)) {
                case NEAREST -> roundsUp;
                case UP -> inexact;
                default -> false;
            };
            push(c, exponent, truncated + (up ? 1 : 0));
        }
    }
}
