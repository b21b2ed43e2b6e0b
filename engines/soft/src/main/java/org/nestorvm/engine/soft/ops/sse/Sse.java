package org.nestorvm.engine.soft.ops.sse;

import org.nestorvm.engine.soft.isa.Insn;
import org.nestorvm.engine.soft.ops.Op;

/** Makes operations of SSE instructions, AES, PCLMULQDQ and the state instructions: says which class has which. */
public final class Sse {
    private Sse() {
    }

    public static Op make(Insn i) {
        return switch (i.row.mnemonic) {
            case "MOVUPS", "MOVUPD", "MOVSS", "MOVSD", "MOVLPS", "MOVHLPS", "MOVLPD", "MOVSLDUP", "MOVDDUP", "MOVHPS", "MOVLHPS", "MOVHPD", "MOVSHDUP", "MOVAPS", "MOVAPD", "MOVNTPS", "MOVNTPD",
                    "MOVMSKPS", "MOVMSKPD", "MOVD", "MOVQ", "MOVDQA", "MOVDQU", "MOVNTDQ", "MOVNTDQA", "LDDQU", "PMOVMSKB", "MASKMOVDQU", "MOVDQ2Q", "MOVQ2DQ" -> SseMove.make(i);
            case "ADDPS", "ADDPD", "ADDSS", "ADDSD", "MULPS", "MULPD", "MULSS", "MULSD", "SUBPS", "SUBPD", "SUBSS", "SUBSD", "MINPS", "MINPD", "MINSS", "MINSD", "DIVPS", "DIVPD", "DIVSS", "DIVSD",
                    "MAXPS", "MAXPD", "MAXSS", "MAXSD", "SQRTPS", "SQRTPD", "SQRTSS", "SQRTSD", "RSQRTPS", "RSQRTSS", "RCPPS", "RCPSS", "HADDPD", "HADDPS", "HSUBPD", "HSUBPS", "ADDSUBPD", "ADDSUBPS",
                    "DPPS", "DPPD" -> SseArith.make(i);
            case "CMPPS", "CMPPD", "CMPSS", "CMPSD", "UCOMISS", "UCOMISD", "COMISS", "COMISD" -> SseCompare.make(i);
            case "ROUNDPS", "ROUNDPD", "ROUNDSS", "ROUNDSD" -> SseConvertOp.make(i);
            case "PUNPCKLBW", "PUNPCKLWD", "PUNPCKLDQ", "PUNPCKLQDQ", "PUNPCKHBW", "PUNPCKHWD", "PUNPCKHDQ", "PUNPCKHQDQ", "UNPCKLPS", "UNPCKLPD", "UNPCKHPS", "UNPCKHPD", "SHUFPS", "SHUFPD",
                    "PACKSSWB", "PACKUSWB", "PACKSSDW", "PACKUSDW", "PHADDW", "PHADDD", "PHADDSW", "PHSUBW", "PHSUBD", "PHSUBSW", "PSHUFD", "PSHUFHW", "PSHUFLW", "PSHUFB", "PALIGNR", "PBLENDVB",
                    "BLENDVPS", "BLENDVPD", "BLENDPS", "BLENDPD", "PBLENDW", "PMOVSXBW", "PMOVSXBD", "PMOVSXBQ", "PMOVSXWD", "PMOVSXWQ", "PMOVSXDQ", "PMOVZXBW", "PMOVZXBD", "PMOVZXBQ", "PMOVZXWD",
                    "PMOVZXWQ", "PMOVZXDQ" -> SseShuffle.make(i);
            case "PINSRB", "PINSRW", "PINSRD", "PEXTRB", "PEXTRW", "PEXTRD", "EXTRACTPS", "INSERTPS" -> SseInsert.make(i);
            case "PCMPESTRM", "PCMPESTRI", "PCMPISTRM", "PCMPISTRI" -> new SseString(i);
            case "AESIMC", "AESENC", "AESENCLAST", "AESDEC", "AESDECLAST", "AESKEYGENASSIST" -> Aes.make(i);
            case "PCLMULQDQ" -> new CarrylessMultiply(i);
            case "FXSAVE", "FXRSTOR", "LDMXCSR", "STMXCSR", "XSAVE", "XRSTOR", "XSAVEOPT", "XGETBV", "XSETBV" -> FpuStateOp.make(i);
            default -> i.row.mnemonic.startsWith("CVT") ? SseConvertOp.make(i) : SseInteger.make(i);
        };
    }
}
