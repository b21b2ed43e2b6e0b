package org.nestorvm.engine.soft.ops.sse;

import org.nestorvm.engine.soft.isa.Insn;
import org.nestorvm.engine.soft.ops.Op;
import org.nestorvm.engine.soft.state.Cpu;

/**
 * CVTxx and ROUNDxx. Conversions from and to MMX registers are MMX instructions as well, but those from memory are not.
 */
final class SseConvertOp {
    private SseConvertOp() {}

    static Op make(Insn i) {
        return switch (i.row.mnemonic) {
            case "CVTSI2SD" -> new IntegerToScalar(i, true);
            case "CVTSI2SS" -> new IntegerToScalar(i, false);
            case "CVTTSD2SI", "CVTSD2SI" -> new ScalarToInteger(i, true);
            case "CVTTSS2SI", "CVTSS2SI" -> new ScalarToInteger(i, false);
            case "CVTSS2SD" -> new SingleToDouble(i);
            case "CVTSD2SS" -> new DoubleToSingle(i);
            case "CVTPS2PD" -> new SinglesToDoubles(i);
            case "CVTPD2PS" -> new DoublesToSingles(i);
            case "CVTDQ2PS" -> new IntegersToSingles(i);
            case "CVTDQ2PD" -> new IntegersToDoubles(i);
            case "CVTPS2DQ", "CVTTPS2DQ" -> new SinglesToIntegers(i);
            case "CVTPD2DQ", "CVTTPD2DQ" -> new DoublesToIntegers(i);
            case "ROUNDPS", "ROUNDPD", "ROUNDSS", "ROUNDSD" -> new Round(i);
            case "CVTPI2PS", "CVTPI2PD" -> new FromMmx(i);
            default -> new ToMmx(i);
        };
    }

    private static boolean truncates(Insn i) {
        return i.row.mnemonic.charAt(3) == 'T';
    }

    private static void finish(Cpu c) {
        if (c.soft.flags != 0) SseFloat.finish(c);
    }

    private static final class IntegerToScalar extends SseOp {
        private final boolean wide, from64;
        private final int reg;

        IntegerToScalar(Insn i, boolean wide) {
            super(i);
            this.wide = wide;
            from64 = i.rexW();
            reg = i.rm;
        }

        @Override
        public void exec(Cpu c) {
            check(c);
            long value;
            if (memory) value = from64 ? c.load64(read(c, 8)) : c.load32(read(c, 4));
            else value = from64 ? c.r[reg] : (int) c.r[reg];
            long result = SseConvert.fromInteger(c, wide, value);
            finish(c);
            c.xmm[dst] = wide ? result : low32(c.xmm[dst], result);
        }
    }

    private static final class ScalarToInteger extends SseOp {
        private final boolean wide, to64, truncate;
        private final int reg;

        ScalarToInteger(Insn i, boolean wide) {
            super(i);
            this.wide = wide;
            to64 = i.rexW();
            truncate = truncates(i);
            reg = i.reg;
        }

        @Override
        public void exec(Cpu c) {
            long[] x = wide ? source64(c) : source32(c);
            long result = SseConvert.toInteger(c, wide, truncate, to64, x[src]);
            finish(c);
            c.r[reg] = to64 ? result : result & 0xffffffffL;
        }
    }

    private static final class SingleToDouble extends SseOp {
        SingleToDouble(Insn i) {
            super(i);
        }

        @Override
        public void exec(Cpu c) {
            long[] x = source32(c);
            long result = SseConvert.singleToDouble(c, x[src]);
            finish(c);
            x[dst] = result;
        }
    }

    private static final class DoubleToSingle extends SseOp {
        DoubleToSingle(Insn i) {
            super(i);
        }

        @Override
        public void exec(Cpu c) {
            long[] x = source64(c);
            long result = SseConvert.doubleToSingle(c, x[src]);
            finish(c);
            x[dst] = low32(x[dst], result);
        }
    }

    private static final class SinglesToDoubles extends SseOp {
        SinglesToDoubles(Insn i) {
            super(i);
        }

        @Override
        public void exec(Cpu c) {
            long[] x = source64(c);
            long low = SseConvert.singleToDouble(c, x[src] & 0xffffffffL),
                    high = SseConvert.singleToDouble(c, x[src] >>> 32);
            finish(c);
            x[dst] = low;
            x[dst + 1] = high;
        }
    }

    private static final class DoublesToSingles extends SseOp {
        DoublesToSingles(Insn i) {
            super(i);
        }

        @Override
        public void exec(Cpu c) {
            long[] x = source(c);
            long result =
                    SseConvert.doubleToSingle(c, x[src]) & 0xffffffffL | SseConvert.doubleToSingle(c, x[src + 1]) << 32;
            finish(c);
            x[dst] = result;
            x[dst + 1] = 0;
        }
    }

    private static final class IntegersToSingles extends SseOp {
        IntegersToSingles(Insn i) {
            super(i);
        }

        @Override
        public void exec(Cpu c) {
            long[] x = source(c);
            long low = singles(c, x[src]), high = singles(c, x[src + 1]);
            finish(c);
            x[dst] = low;
            x[dst + 1] = high;
        }
    }

    private static long singles(Cpu c, long integers) {
        return SseConvert.fromInteger(c, false, (int) integers) & 0xffffffffL
                | SseConvert.fromInteger(c, false, (int) (integers >> 32)) << 32;
    }

    private static final class IntegersToDoubles extends SseOp {
        IntegersToDoubles(Insn i) {
            super(i);
        }

        @Override
        public void exec(Cpu c) {
            long[] x = source64(c);
            long integers = x[src];
            x[dst] = Double.doubleToRawLongBits((int) integers);
            x[dst + 1] = Double.doubleToRawLongBits((int) (integers >> 32));
        }
    }

    private static long integers(Cpu c, boolean truncate, long singles) {
        return SseConvert.toInteger(c, false, truncate, false, singles) & 0xffffffffL
                | SseConvert.toInteger(c, false, truncate, false, singles >>> 32) << 32;
    }

    private static long integers(Cpu c, boolean truncate, long low, long high) {
        return SseConvert.toInteger(c, true, truncate, false, low) & 0xffffffffL
                | SseConvert.toInteger(c, true, truncate, false, high) << 32;
    }

    private static final class SinglesToIntegers extends SseOp {
        private final boolean truncate;

        SinglesToIntegers(Insn i) {
            super(i);
            truncate = truncates(i);
        }

        @Override
        public void exec(Cpu c) {
            long[] x = source(c);
            long low = integers(c, truncate, x[src]), high = integers(c, truncate, x[src + 1]);
            finish(c);
            x[dst] = low;
            x[dst + 1] = high;
        }
    }

    private static final class DoublesToIntegers extends SseOp {
        private final boolean truncate;

        DoublesToIntegers(Insn i) {
            super(i);
            truncate = truncates(i);
        }

        @Override
        public void exec(Cpu c) {
            long[] x = source(c);
            long result = integers(c, truncate, x[src], x[src + 1]);
            finish(c);
            x[dst] = result;
            x[dst + 1] = 0;
        }
    }

    private static final class Round extends SseOp {
        private final int imm;
        private final boolean wide, packed;

        Round(Insn i) {
            super(i);
            imm = (int) i.imm;
            wide = i.row.mnemonic.charAt(6) == 'D';
            packed = i.row.mnemonic.charAt(5) == 'P';
        }

        @Override
        public void exec(Cpu c) {
            long[] x = packed ? source(c) : wide ? source64(c) : source32(c);
            long low = half(c, x[src], packed), high = packed ? half(c, x[src + 1], true) : x[dst + 1];
            finish(c);
            x[dst] = packed || wide ? low : low32(x[dst], low);
            x[dst + 1] = high;
        }

        private long half(Cpu c, long value, boolean both) {
            if (wide) return SseConvert.roundToIntegral(c, true, imm, value);
            long low = SseConvert.roundToIntegral(c, false, imm, value) & 0xffffffffL;
            return both ? low | SseConvert.roundToIntegral(c, false, imm, value >>> 32) << 32 : low;
        }
    }

    private static final class FromMmx extends SseOp {
        private final boolean doubles;
        private final int mm;

        FromMmx(Insn i) {
            super(i);
            doubles = i.row.mnemonic.equals("CVTPI2PD");
            mm = i.rm & 7;
        }

        @Override
        public void exec(Cpu c) {
            check(c);
            if (!memory) MmxOp.check(c);
            long integers = memory ? c.load64(read(c, 8)) : c.fpMantissa[mm];
            long singles = doubles ? 0 : singles(c, integers);
            finish(c);
            if (!memory) MmxOp.enter(c);
            if (doubles) {
                c.xmm[dst] = Double.doubleToRawLongBits((int) integers);
                c.xmm[dst + 1] = Double.doubleToRawLongBits((int) (integers >> 32));
            } else {
                c.xmm[dst] = singles;
            }
        }
    }

    private static final class ToMmx extends SseOp {
        private final boolean truncate, doubles;
        private final int mm;

        ToMmx(Insn i) {
            super(i);
            truncate = truncates(i);
            doubles = i.row.mnemonic.contains("PD");
            mm = i.reg & 7;
        }

        @Override
        public void exec(Cpu c) {
            check(c);
            MmxOp.check(c);
            long[] x = doubles ? source(c) : source64(c);
            long result = doubles ? integers(c, truncate, x[src], x[src + 1]) : integers(c, truncate, x[src]);
            finish(c);
            MmxOp.enter(c);
            MmxOp.set(c, mm, result);
        }
    }
}
