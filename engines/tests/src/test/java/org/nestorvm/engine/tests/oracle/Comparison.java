package org.nestorvm.engine.tests.oracle;

import java.math.BigInteger;
import org.nestorvm.asm.Reg;

/** What differs between two states, in words; empty when nothing does that is defined. */
final class Comparison {
    /** FXSAVE fields of the last x87 instruction, and what is not state at all, are left out. */
    private final Variant variant;

    private final StringBuilder words = new StringBuilder();

    private Comparison(Variant variant) {
        this.variant = variant;
    }

    static String differences(
            Variant variant, CaseState start, CaseState expected, CaseState actual, long windowAddress) {
        return differences(variant, variant.undefinedFlags(start), expected, actual, windowAddress);
    }

    /** @param variant null for a program, which is compared exactly */
    static String differences(
            Variant variant, long undefinedFlags, CaseState expected, CaseState actual, long windowAddress) {
        Comparison c = new Comparison(variant);
        for (int i = 0; i < 16; i++) c.number(Reg.gpr(64, i).toString(), expected.gpr[i], actual.gpr[i]);
        long flags = (Spec.STATUS | Spec.DF) & ~undefinedFlags;
        c.number("flags", expected.rflags & flags, actual.rflags & flags);
        c.floatingPoint(expected, actual);
        for (int i = 0; i < CaseState.WINDOW_BYTES && c.words.length() < 600; i += 8) {
            c.number(
                    "[" + Long.toHexString(windowAddress + i) + "]",
                    expected.window.getLong(i),
                    actual.window.getLong(i));
        }
        return c.words.toString();
    }

    private void floatingPoint(CaseState expected, CaseState actual) {
        boolean x87 =
                variant != null && (variant.spec().has("x87") || variant.spec().has("mmx"));
        boolean approx = variant != null && variant.spec().has("approx");
        number("fcw", expected.fx.getShort(CaseState.FX_FCW) & 0xffff, actual.fx.getShort(CaseState.FX_FCW) & 0xffff);
        int status = approx && x87 ? 0xfdff & ~0x20 : 0xffff; // C1 and PE tell of the last bit
        number("fsw", expected.fx.getShort(CaseState.FX_FSW) & status, actual.fx.getShort(CaseState.FX_FSW) & status);
        number("ftw", expected.fx.get(CaseState.FX_FTW) & 0xff, actual.fx.get(CaseState.FX_FTW) & 0xff);
        number("mxcsr", expected.fx.getInt(CaseState.FX_MXCSR), actual.fx.getInt(CaseState.FX_MXCSR));
        for (int i = 0; i < 8; i++) extended(i, expected, actual, approx && x87);
        for (int i = 0; i < 16; i++) vector(i, expected, actual, approx && !x87);
    }

    private void extended(int i, CaseState expected, CaseState actual, boolean approx) {
        int at = CaseState.FX_ST + 16 * i;
        long mantissa = expected.fx.getLong(at), other = actual.fx.getLong(at);
        int exponent = expected.fx.getShort(at + 8) & 0xffff, otherExponent = actual.fx.getShort(at + 8) & 0xffff;
        if (approx && close(mantissa, exponent, other, otherExponent)) return;
        number("st" + i + ".mantissa", mantissa, other);
        number("st" + i + ".exponent", exponent, otherExponent);
    }

    /** Within three units in the last place. */
    private static boolean close(long mantissa, int exponent, long other, int otherExponent) {
        if ((exponent ^ otherExponent) >>> 15 != 0) return false;
        BigInteger a = unsigned(mantissa), b = unsigned(other);
        int apart = otherExponent - exponent;
        if (Math.abs(apart) > 1) return false;
        if (apart > 0) b = b.shiftLeft(apart);
        else a = a.shiftLeft(-apart);
        return a.subtract(b).abs().compareTo(BigInteger.valueOf(4)) < 0;
    }

    private static BigInteger unsigned(long value) {
        return new BigInteger(Long.toUnsignedString(value));
    }

    private void vector(int i, CaseState expected, CaseState actual, boolean approx) {
        int at = CaseState.FX_XMM + 16 * i;
        if (approx) {
            for (int lane = 0; lane < 16; lane += 4) {
                int e = expected.fx.getInt(at + lane), a = actual.fx.getInt(at + lane);
                if (!closeFloats(Float.intBitsToFloat(e), Float.intBitsToFloat(a)))
                    number("xmm" + i + "." + lane, e, a);
            }
            return;
        }
        number("xmm" + i + ".low", expected.fx.getLong(at), actual.fx.getLong(at));
        number("xmm" + i + ".high", expected.fx.getLong(at + 8), actual.fx.getLong(at + 8));
    }

    /** The manual's bound for reciprocals, 1.5 * 2^-12, for either side. */
    private static boolean closeFloats(float e, float a) {
        if (Float.floatToRawIntBits(e) == Float.floatToRawIntBits(a)) return true;
        return Math.abs((double) e - a) <= Math.abs(e) * 3 * 0x1p-12;
    }

    private void number(String name, long expected, long actual) {
        if (expected != actual)
            words.append(' ')
                    .append(name)
                    .append(" is ")
                    .append(Long.toHexString(actual))
                    .append(", host ")
                    .append(Long.toHexString(expected))
                    .append(';');
    }
}
