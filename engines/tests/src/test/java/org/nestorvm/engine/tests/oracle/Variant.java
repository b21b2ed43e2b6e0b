package org.nestorvm.engine.tests.oracle;

import java.math.BigInteger;
import java.util.Map;
import org.nestorvm.asm.Imm;
import org.nestorvm.asm.Operand;
import org.nestorvm.asm.Reg;

/**
 * One encoded instruction, with what must hold of the state that it starts from.
 *
 * @param pattern the form's operands, as in {@code forms.txt}
 * @param code the instruction's bytes
 * @param registers values of the registers that addresses are made of
 * @param target offset in the window of the memory operand, -1 without one
 */
record Variant(
        Spec spec, String pattern, String text, byte[] code, Operand[] operands, Map<Reg, Long> registers, int target) {
    String form() {
        return spec.name() + " " + pattern;
    }

    /** Makes a state to start from; null when the values found do not suit the instruction. */
    CaseState start(Values values, long windowAddress) {
        CaseState s = new CaseState();
        for (int i = 0; i < 16; i++) s.gpr[i] = values.integer();
        s.rflags |= values.integer() & Spec.STATUS;
        fillWindow(s, values);
        fillVectors(s, values);
        if (spec.has("ps") || spec.has("pd")) s.fx.putInt(CaseState.FX_MXCSR, mxcsr(values));
        if (spec.has("x87") || spec.has("mmx")) fillX87(s, values);
        if (spec.has("string")) string(s, values, windowAddress);
        if (spec.has("rdi")) s.gpr[Reg.RDI.number] = windowAddress + 1024 + values.below(512);
        if (spec.has("rbx")) s.gpr[Reg.RBX.number] = windowAddress + 1024;
        if (spec.has("rbp")) s.gpr[Reg.RBP.number] = windowAddress + CaseState.STACK + 8L * values.below(16);
        s.gpr[Reg.RSP.number] = windowAddress + CaseState.STACK;
        if (spec.has("popf")) s.window.putLong(CaseState.STACK, values.integer() & (Spec.STATUS | Spec.DF) | 0x202);
        registers.forEach((register, value) -> s.gpr[register.number] = value);
        if (spec.has("bits")) smallBitNumber(s, values);
        if (spec.has("div") || spec.has("idiv")) return makeDivisible(s, values) ? s : null;
        return shiftResultDefined(s) ? s : null;
    }

    private void fillWindow(CaseState s, Values values) {
        int near = Math.max(0, target - 64), bytes = 256;
        if (target < 0) {
            near = 1024;
            bytes = 1024;
        }
        near &= -16;
        values.putIntegers(s.window, CaseState.STACK, 256);
        if (spec.has("ps") || spec.has("x87") && pattern.contains("m32") && values.oneIn(2))
            values.putFloats(s.window, near, bytes);
        else if (spec.has("pd") || spec.has("x87") && pattern.contains("m64") && values.oneIn(2))
            values.putDoubles(s.window, near, bytes);
        else values.putIntegers(s.window, near, bytes);
        if (pattern.contains("m80")) {
            if (spec.name().equals("fbld"))
                for (int i = 0; i < 10; i++)
                    s.window.put(target + i, (byte)
                            (i == 9 ? values.below(2) << 7 : values.below(10) << 4 | values.below(10)));
            else values.putExtended(s.window, target, false);
        } else if (target >= 0 && spec.has("ps") | spec.has("pd") && values.oneIn(2)) {
            if (spec.has("ps")) values.putFloats(s.window, target, 16);
            else values.putDoubles(s.window, target, 16);
        }
    }

    private void fillVectors(CaseState s, Values values) {
        for (int at = CaseState.FX_XMM; at < CaseState.FX_END; at += 16) {
            if (spec.has("ps")) values.putFloats(s.fx, at, 16);
            else if (spec.has("pd")) values.putDoubles(s.fx, at, 16);
            else if (spec.group().equals("sse42") && values.oneIn(2))
                for (int i = 0; i < 16; i++) s.fx.put(at + i, (byte) values.below(4));
            else values.putIntegers(s.fx, at, 16);
        }
    }

    /** Rounding, DAZ and FTZ as it comes; every exception masked; sometimes with flags that are set already. */
    private static int mxcsr(Values values) {
        int control = values.oneIn(2)
                ? 0
                : values.below(4) << 13 | (values.oneIn(3) ? 1 << 15 : 0) | (values.oneIn(3) ? 1 << 6 : 0);
        return 0x1f80 | control | (values.oneIn(4) ? values.below(64) : 0);
    }

    private void fillX87(CaseState s, Values values) {
        boolean x87 = spec.has("x87");
        int control =
                x87 && values.oneIn(2) ? values.below(4) << 10 | new int[] {0, 2, 3}[values.below(3)] << 8 : 0x300;
        s.fx.putShort(CaseState.FX_FCW, (short) (0x7f | control));
        int top = x87 ? values.below(8) : 0;
        int codes = x87 ? values.below(16) : 0;
        s.fx.putShort(CaseState.FX_FSW, (short)
                (top << 11 | (codes & 8) << 11 | (codes & 7) << 8 | (values.oneIn(4) ? values.below(64) : 0)));
        s.fx.put(CaseState.FX_FTW, (byte) (values.oneIn(4) ? values.below(256) : 0xff));
        for (int i = 0; i < 8; i++) values.putExtended(s.fx, CaseState.FX_ST + 16 * i, spec.has("moderate"));
        if (spec.has("moderate")) s.fx.putShort(CaseState.FX_FCW, (short) 0x37f).put(CaseState.FX_FTW, (byte) 0xff);
        if (spec.name().startsWith("fyl2x") || spec.name().equals("fpatan")) positiveTop(s);
    }

    private void positiveTop(CaseState s) {
        s.fx.put(CaseState.FX_ST + 9, (byte) (s.fx.get(CaseState.FX_ST + 9) & 0x7f));
        if (spec.name().equals("fyl2xp1")) s.fx.putShort(CaseState.FX_ST + 8, (short) 0x3ffc);
    }

    /** Pointers to the window, a short count, either direction, and bytes that are often equal. */
    private void string(CaseState s, Values values, long windowAddress) {
        s.gpr[Reg.RSI.number] = windowAddress + 2048 + values.below(2048);
        s.gpr[Reg.RDI.number] = values.oneIn(4)
                ? s.gpr[Reg.RSI.number] + values.below(32) - 16
                : windowAddress + 4096 - 512 + values.below(1024);
        s.gpr[Reg.RCX.number] = values.below(48);
        if (values.oneIn(3)) s.rflags |= Spec.DF;
        boolean fill = values.oneIn(3);
        for (int i = 1024; i < 6144; i++) s.window.put(i, (byte) (fill ? values.below(256) : values.oneIn(64) ? 1 : 0));
        if (values.oneIn(2)) s.gpr[Reg.RAX.number] = values.below(2);
    }

    /** A bit number in a register reaches far beyond a memory operand: keep it in the window. */
    private void smallBitNumber(CaseState s, Values values) {
        if (target >= 0 && operands[1] instanceof Reg r && !registers.containsKey(Reg.gpr(64, r.number)))
            s.gpr[r.number] = values.below(4096) - 2048;
    }

    /** Undefined results: a 16-bit double shift by more than 16. */
    private boolean shiftResultDefined(CaseState s) {
        return !spec.has("shiftdouble") || width() != 16 || count(s) <= 16;
    }

    private int width() {
        String first = pattern.split(",")[0];
        return Integer.parseInt(first.replaceAll("\\D", ""));
    }

    private long count(CaseState s) {
        Operand last = operands[operands.length - 1];
        long count = last instanceof Imm i ? i.value() : s.gpr[Reg.RCX.number];
        return count & (width() == 64 ? 63 : 31);
    }

    /** Flags that are undefined after running from {@code s}. */
    long undefinedFlags(CaseState s) {
        boolean shift = spec.has("shift") || spec.has("shiftdouble");
        if (!shift && !spec.has("rotate") && !spec.has("rotatecarry")) return spec.undefined();
        long count = count(s);
        if (count == 0) return 0;
        long undefined = shift ? Spec.AF : 0;
        if (count != 1) undefined |= Spec.OF;
        boolean carryToo = count >= width() && !spec.name().equals("sar") && shift;
        return undefined | (carryToo ? Spec.CF : 0);
    }

    private boolean makeDivisible(CaseState s, Values values) {
        for (int attempt = 0; attempt < 20; attempt++) {
            if (divides(s)) return true;
            s.gpr[Reg.RAX.number] = values.integer();
            boolean negative = spec.has("idiv") && values.oneIn(2);
            s.gpr[Reg.RDX.number] = negative ? -1 : values.oneIn(2) ? 0 : values.below(100);
            if (width() == 8) s.gpr[Reg.RAX.number] = values.below(0x4000) - (negative ? 0x2000 : 0);
            registers.forEach((register, value) -> s.gpr[register.number] = value);
        }
        return false;
    }

    private boolean divides(CaseState s) {
        int width = width();
        boolean signed = spec.has("idiv");
        BigInteger divisor = number(value(s, operands[0], width), width, signed);
        if (divisor.signum() == 0) return false;
        long rax = s.gpr[Reg.RAX.number], rdx = s.gpr[Reg.RDX.number];
        long low = width == 8 ? rax & 0xff : rax, high = width == 8 ? rax >> 8 : rdx;
        BigInteger quotient = number(high, width, signed)
                .shiftLeft(width)
                .add(number(low, width, false))
                .divide(divisor);
        BigInteger bound = BigInteger.ONE.shiftLeft(signed ? width - 1 : width);
        return signed
                ? quotient.compareTo(bound) < 0 && quotient.compareTo(bound.negate()) >= 0
                : quotient.compareTo(bound) < 0;
    }

    private static BigInteger number(long bits, int width, boolean signed) {
        BigInteger value =
                BigInteger.valueOf(bits).and(BigInteger.ONE.shiftLeft(width).subtract(BigInteger.ONE));
        return signed && value.testBit(width - 1) ? value.subtract(BigInteger.ONE.shiftLeft(width)) : value;
    }

    private long value(CaseState s, Operand operand, int width) {
        if (operand instanceof Reg r) return r.kind == Reg.Kind.HIGH8 ? s.gpr[r.number - 4] >> 8 : s.gpr[r.number];
        return width == 8 ? s.window.get(target) : s.window.getLong(target);
    }
}
