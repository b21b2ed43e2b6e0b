package org.nestorvm.engine.soft.ops.x87;

import org.nestorvm.engine.soft.isa.Insn;
import org.nestorvm.engine.soft.ops.Op;

/** Makes operations of x87 instructions: says which class has which. */
public final class X87 {
    private X87() {}

    public static Op make(Insn i) {
        return switch (i.row.mnemonic) {
            case "FLD", "FILD", "FBLD", "FLD1", "FLDL2T", "FLDL2E", "FLDPI", "FLDLG2", "FLDLN2", "FLDZ" ->
                X87Load.make(i);
            case "FST", "FSTP", "FSTP1", "FIST", "FISTP", "FISTTP", "FBSTP" -> X87Store.make(i);
            case "FADD",
                    "FMUL",
                    "FSUB",
                    "FSUBR",
                    "FDIV",
                    "FDIVR",
                    "FIADD",
                    "FIMUL",
                    "FISUB",
                    "FISUBR",
                    "FIDIV",
                    "FIDIVR",
                    "FADDP",
                    "FMULP",
                    "FSUBP",
                    "FSUBRP",
                    "FDIVP",
                    "FDIVRP" -> X87Arith.make(i);
            case "FCOM",
                    "FCOMP",
                    "FCOMPP",
                    "FUCOM",
                    "FUCOMP",
                    "FUCOMPP",
                    "FICOM",
                    "FICOMP",
                    "FCOMI",
                    "FCOMIP",
                    "FUCOMI",
                    "FUCOMIP",
                    "FTST",
                    "FXAM" -> X87Compare.make(i);
            case "F2XM1", "FYL2X", "FYL2XP1", "FPTAN", "FPATAN", "FSIN", "FCOS", "FSINCOS" -> X87Transcendental.make(i);
            case "FLDENV", "FNSTENV", "FNSAVE", "FRSTOR" -> X87Environment.make(i);
            case "FCHS", "FABS", "FSQRT", "FRNDINT", "FSCALE", "FXTRACT", "FPREM", "FPREM1" -> X87Unary.make(i);
            case "FXCH",
                    "FCMOVB",
                    "FCMOVE",
                    "FCMOVBE",
                    "FCMOVU",
                    "FCMOVNB",
                    "FCMOVNE",
                    "FCMOVNBE",
                    "FCMOVNU",
                    "FFREE",
                    "FFREEP",
                    "FINCSTP",
                    "FDECSTP" -> X87Stack.make(i);
            default -> X87Control.make(i);
        };
    }
}
