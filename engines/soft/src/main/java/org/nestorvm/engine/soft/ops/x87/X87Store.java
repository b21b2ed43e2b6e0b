package org.nestorvm.engine.soft.ops.x87;

import static org.nestorvm.engine.soft.number.SoftFloat.IE;
import static org.nestorvm.engine.soft.number.SoftFloat.OE;
import static org.nestorvm.engine.soft.number.SoftFloat.PE;
import static org.nestorvm.engine.soft.number.SoftFloat.UE;

import org.nestorvm.engine.soft.isa.Insn;
import org.nestorvm.engine.soft.number.Ieee;
import org.nestorvm.engine.soft.number.SoftFloat;
import org.nestorvm.engine.soft.number.SoftFloat.Number;
import org.nestorvm.engine.soft.ops.Op;
import org.nestorvm.engine.soft.state.Cpu;

/**
 * FST, FSTP, FIST, FISTP, FISTTP, FBSTP. Memory is written before the status word changes, so that a page fault leaves
 * everything as it was. What is not masked and concerns the value (invalid, overflow, underflow) keeps the store and
 * the pop from happening; inexact does not.
 */
final class X87Store {
    private X87Store() {}

    static Op make(Insn i) {
        boolean pops = i.row.mnemonic.contains("P");
        return switch (i.row.mnemonic) {
            case "FST", "FSTP" ->
                i.isReg()
                        ? new StoreRegister(i, pops)
                        : i.row.operands[0].equals("Mt")
                                ? new Store80(i)
                                : new StoreReal(i, i.row.operands[0].equals("Mq"), pops);
            case "FSTP1" -> new StoreSilently(i);
            case "FBSTP" -> new StoreBcd(i);
            default -> new StoreInteger(i, X87Load.size(i), pops, i.row.mnemonic.equals("FISTTP"));
        };
    }

    private static final class StoreRegister extends X87Op {
        private final boolean pops;

        StoreRegister(Insn i, boolean pops) {
            super(i);
            this.pops = pops;
        }

        @Override
        public void exec(Cpu c) {
            begin(c);
            clearC1(c);
            if (isEmpty(c, 0)) {
                if (!underflow(c)) return;
                setIndefinite(c, sti);
            } else {
                int n = physical(c, 0);
                set(c, sti, c.fpExponent[n], c.fpMantissa[n]);
            }
            if (pops) pop(c);
        }
    }

    /** D9 D8+i, which is not documented: FSTP, but an empty ST(0) is no exception and leaves ST(i) alone. */
    private static final class StoreSilently extends X87Op {
        StoreSilently(Insn i) {
            super(i);
        }

        @Override
        public void exec(Cpu c) {
            begin(c);
            clearC1(c);
            int n = physical(c, 0);
            if (!isEmpty(c, 0)) set(c, sti, c.fpExponent[n], c.fpMantissa[n]);
            pop(c);
        }
    }

    private static final class Store80 extends X87Op {
        Store80(Insn i) {
            super(i);
        }

        @Override
        public void exec(Cpu c) {
            check(c);
            long linear = write(c, 10);
            c.probeWrite(linear, 10);
            boolean empty = isEmpty(c, 0);
            if (!empty || masked(c, IE)) {
                int n = physical(c, 0);
                c.store64(linear, empty ? INDEFINITE : c.fpMantissa[n]);
                c.store16(linear + 8, empty ? INDEFINITE_EXPONENT : c.fpExponent[n]);
            }
            begin(c);
            point(c);
            clearC1(c);
            if (empty && !underflow(c)) return;
            pop(c);
        }
    }

    private static final class StoreReal extends X87Op {
        private final boolean wide, pops;

        StoreReal(Insn i, boolean wide, boolean pops) {
            super(i);
            this.wide = wide;
            this.pops = pops;
        }

        @Override
        public void exec(Cpu c) {
            check(c);
            long linear = write(c, wide ? 8 : 4);
            c.probeWrite(linear, wide ? 8 : 4);
            boolean empty = isEmpty(c, 0);
            SoftFloat s = c.soft;
            s.flags = 0;
            s.roundedUp = false;
            long bits = empty ? indefinite(wide) : narrow(c, wide);
            int exceptions = s.flags;
            s.flags = 0;
            int unmasked = (empty ? IE : exceptions) & ~c.fpControl;
            boolean stores = (unmasked & (IE | OE | UE)) == 0;
            if (stores) c.store(linear, wide ? 8 : 4, bits);
            begin(c);
            point(c);
            if (empty) {
                underflow(c);
            } else {
                setC1(c, s.roundedUp && stores);
                raise(c, stores ? exceptions : exceptions & ~PE);
            }
            if (stores && pops) pop(c);
        }
    }

    private static long indefinite(boolean wide) {
        return wide ? 0xfff8000000000000L : 0xffc00000L;
    }

    /** ST(0) as a double or float; exceptions in soft.flags. */
    private static long narrow(Cpu c, boolean wide) {
        SoftFloat s = c.soft;
        Number a = s.a;
        X87Op.get(c, 0, a);
        switch (a.kind) {
            case Number.ZERO -> {
                return Ieee.zero(wide, a.negative);
            }
            case Number.INFINITY -> {
                return Ieee.infinity(wide, a.negative);
            }
            case Number.UNSUPPORTED -> {
                s.flags = IE;
                return indefinite(wide);
            }
            case Number.QNAN, Number.SNAN -> {
                if (a.kind == Number.SNAN) s.flags = IE;
                return Ieee.quiet(wide, Ieee.infinity(wide, a.negative) | a.sig << 1 >>> (wide ? 12 : 41));
            }
            default -> {}
        }
        s.set(a.negative, a.exponent, a.sig, 0);
        s.roundTo(wide, X87Op.rounding(c), c.fpControl);
        return s.pack(wide);
    }

    private static final class StoreInteger extends X87Op {
        private final int size;
        private final boolean pops, truncate;

        StoreInteger(Insn i, int size, boolean pops, boolean truncate) {
            super(i);
            this.size = size;
            this.pops = pops;
            this.truncate = truncate;
        }

        @Override
        public void exec(Cpu c) {
            check(c);
            long linear = write(c, size);
            c.probeWrite(linear, size);
            boolean empty = isEmpty(c, 0);
            SoftFloat s = c.soft;
            s.flags = 0;
            s.roundedUp = false;
            long limit = 1L << size * 8 - 1;
            if (empty || !toInteger(c, truncate ? SoftFloat.CHOP : rounding(c), limit)) s.flags = IE;
            int exceptions = s.flags;
            s.flags = 0;
            boolean stores = (exceptions & ~c.fpControl & IE) == 0;
            if (stores) c.store(linear, size, (exceptions & IE) != 0 ? limit : s.negative ? -s.hi : s.hi);
            begin(c);
            point(c);
            setC1(c, s.roundedUp && (exceptions & IE) == 0);
            if (empty) underflow(c);
            else raise(c, exceptions);
            if (stores && pops) pop(c);
        }
    }

    /**
     * ST(0) rounded to an integer of magnitude below {@code limit} (one more if negative) in soft.hi; false if it is
     * none.
     */
    private static boolean toInteger(Cpu c, int rounding, long limit) {
        SoftFloat s = c.soft;
        X87Op.get(c, 0, s.a);
        if (s.a.kind == Number.ZERO) {
            s.zero(false);
            return true;
        }
        if (!s.a.isFinite()) return false;
        s.set(s.a.negative, s.a.exponent, s.a.sig, 0);
        return s.roundToInteger(rounding) && Long.compareUnsigned(s.hi, s.negative ? limit : limit - 1) <= 0;
    }

    private static final class StoreBcd extends X87Op {
        private static final long LIMIT = 1_000_000_000_000_000_000L;

        StoreBcd(Insn i) {
            super(i);
        }

        @Override
        public void exec(Cpu c) {
            check(c);
            long linear = write(c, 10);
            c.probeWrite(linear, 10);
            boolean empty = isEmpty(c, 0);
            SoftFloat s = c.soft;
            s.flags = 0;
            s.roundedUp = false;
            // A negative integer may be the limit itself, a decimal number may not.
            if (empty || !toInteger(c, rounding(c), LIMIT) || s.hi >= LIMIT) s.flags = IE;
            int exceptions = s.flags;
            s.flags = 0;
            boolean stores = (exceptions & ~c.fpControl & IE) == 0;
            if (stores) store(c, linear, (exceptions & IE) != 0);
            begin(c);
            point(c);
            setC1(c, s.roundedUp && (exceptions & IE) == 0);
            if (empty) underflow(c);
            else raise(c, exceptions);
            if (stores) pop(c);
        }

        private static void store(Cpu c, long linear, boolean indefinite) {
            if (indefinite) {
                c.store64(linear, 0xc000000000000000L);
                c.store16(linear + 8, 0xffff);
                return;
            }
            long rest = c.soft.hi, digits = 0;
            for (int i = 0; i < 64; i += 4, rest /= 10) digits |= rest % 10 << i;
            c.store64(linear, digits);
            // The sign is the operand's, also of a zero.
            c.store16(linear + 8, (int) (rest % 10 | rest / 10 << 4) | c.fpExponent[physical(c, 0)] & 0x8000);
        }
    }
}
