package org.nestorvm.engine.soft.ops.sse;

import org.nestorvm.engine.soft.isa.Insn;
import org.nestorvm.engine.soft.isa.Reg;
import org.nestorvm.engine.soft.state.Cpu;
import org.nestorvm.engine.soft.state.Flags;

/**
 * PCMPESTRI, PCMPESTRM, PCMPISTRI, PCMPISTRM: SDM vol. 1, 5.12.1 and vol. 2, 4.1. The first operand (a set, ranges, or
 * a string to be found) is the destination register, the second the text. Memory need not be aligned.
 */
final class SseString extends SseOp {
    private static final int ANY = 0, RANGES = 1, EACH = 2;
    private final boolean explicit, wantsMask, wideLengths;
    private final int count, bits, aggregation, polarity;
    private final boolean signed, msbOrExpanded;

    SseString(Insn i) {
        super(i);
        explicit = i.row.mnemonic.charAt(4) == 'E';
        wantsMask = i.row.mnemonic.endsWith("M");
        wideLengths = i.rexW();
        int imm = (int) i.imm;
        bits = (imm & 1) != 0 ? 16 : 8;
        count = 128 / bits;
        signed = (imm & 2) != 0;
        aggregation = imm >> 2 & 3;
        polarity = imm >> 4 & 3;
        msbOrExpanded = (imm & 0x40) != 0;
    }

    @Override
    public void exec(Cpu c) {
        long[] x = sourceUnaligned(c);
        int length1 = explicit ? explicitLength(c.r[Reg.RAX]) : implicitLength(x, dst),
                length2 = explicit ? explicitLength(c.r[Reg.RDX]) : implicitLength(x, src);
        int all = (1 << count) - 1, result = aggregate(x, length1, length2);
        if ((polarity & 1) != 0) result ^= (polarity & 2) != 0 ? (1 << length2) - 1 : all;
        Flags.set(
                c,
                (result != 0 ? Cpu.CF : 0)
                        | (length2 < count ? Cpu.ZF : 0)
                        | (length1 < count ? Cpu.SF : 0)
                        | ((result & 1) != 0 ? Cpu.OF : 0));
        if (wantsMask) {
            x[0] = msbOrExpanded ? expand(result) : result;
            x[1] = msbOrExpanded ? expand(result >> count / 2) : 0;
        } else {
            c.r[Reg.RCX] = result == 0
                    ? count
                    : msbOrExpanded ? 31 - Integer.numberOfLeadingZeros(result) : Integer.numberOfTrailingZeros(result);
        }
    }

    private int explicitLength(long register) {
        long length = wideLengths ? register : (int) register;
        return length > count || length < -count ? count : (int) Math.abs(length);
    }

    private int implicitLength(long[] x, int register) {
        int n = 0;
        while (n < count && element(x, register, n) != 0) n++;
        return n;
    }

    private int element(long[] x, int register, int n) {
        long shifted = x[register + n * bits / 64] >>> n * bits % 64;
        if (bits == 8) return signed ? (byte) shifted : (int) shifted & 0xff;
        return signed ? (short) shifted : (int) shifted & 0xffff;
    }

    private int aggregate(long[] x, int length1, int length2) {
        int result = 0;
        for (int j = 0; j < count; j++) {
            boolean holds = switch (aggregation) {
                case ANY -> j < length2 && inSet(x, length1, element(x, src, j));
                case RANGES -> j < length2 && inRanges(x, length1, element(x, src, j));
                case EACH ->
                    j < length1 && j < length2
                            ? element(x, dst, j) == element(x, src, j)
                            : j >= length1 && j >= length2;
                default -> startsAt(x, length1, length2, j);
            };
            if (holds) result |= 1 << j;
        }
        return result;
    }

    private boolean inSet(long[] x, int length, int value) {
        for (int i = 0; i < length; i++) if (element(x, dst, i) == value) return true;
        return false;
    }

    /** A pair of which only the first is valid is no range. */
    private boolean inRanges(long[] x, int length, int value) {
        for (int i = 0; i + 1 < length; i += 2)
            if (element(x, dst, i) <= value && value <= element(x, dst, i + 1)) return true;
        return false;
    }

    /** The first string, as far as the register reaches, stands in the text at j. */
    private boolean startsAt(long[] x, int length1, int length2, int j) {
        for (int i = 0; i < length1 && i + j < count; i++)
            if (i + j >= length2 || element(x, dst, i) != element(x, src, i + j)) return false;
        return true;
    }

    /** The low bits of {@code mask}, as many as there are lanes in 64 bits, as lanes of ones. */
    private long expand(int mask) {
        long result = 0;
        for (int i = 0; i < 64 / bits; i++) if ((mask >> i & 1) != 0) result |= -1L >>> 64 - bits << i * bits;
        return result;
    }
}
