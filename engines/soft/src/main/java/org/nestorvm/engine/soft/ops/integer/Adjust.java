package org.nestorvm.engine.soft.ops.integer;

import org.nestorvm.engine.soft.isa.Insn;
import org.nestorvm.engine.soft.isa.Reg;
import org.nestorvm.engine.soft.ops.Op;
import org.nestorvm.engine.soft.state.Cpu;
import org.nestorvm.engine.soft.state.Flags;
import org.nestorvm.engine.soft.state.GuestFault;

/** CBW/CWDE/CDQE, CWD/CDQ/CQO, the decimal adjustments, SAHF/LAHF, and the instructions that set single flags. */
final class Adjust {
    private Adjust() {}

    static Op make(Insn i) {
        int size = i.opSize;
        int imm = (int) i.imm & 0xff;
        return switch (i.row.mnemonic) {
            case "CBW" ->
                new Op(i) {
                    @Override
                    public void exec(Cpu c) {
                        switch (size) {
                            case 2 -> c.set16(Reg.RAX, (byte) c.r[Reg.RAX]);
                            case 4 -> c.r[Reg.RAX] = (short) c.r[Reg.RAX] & 0xffffffffL;
                            default -> c.r[Reg.RAX] = (int) c.r[Reg.RAX];
                        }
                    }
                };
            case "CWD" ->
                new Op(i) {
                    @Override
                    public void exec(Cpu c) {
                        switch (size) {
                            case 2 -> c.set16(Reg.RDX, (short) c.r[Reg.RAX] >> 15);
                            case 4 -> c.r[Reg.RDX] = (int) c.r[Reg.RAX] >> 31 & 0xffffffffL;
                            default -> c.r[Reg.RDX] = c.r[Reg.RAX] >> 63;
                        }
                    }
                };
            case "CMC", "CLC", "STC" ->
                new Op(i) {
                    private final int kind = "CMC".equals(i.row.mnemonic) ? 2 : "STC".equals(i.row.mnemonic) ? 1 : 0;

                    @Override
                    public void exec(Cpu c) {
                        Flags.materialize(c);
                        c.rflags = kind == 2 ? c.rflags ^ Cpu.CF : c.rflags & ~Cpu.CF | kind;
                    }
                };
            case "CLD" ->
                new Op(i) {
                    @Override
                    public void exec(Cpu c) {
                        c.rflags &= ~Cpu.DF;
                    }
                };
            case "STD" ->
                new Op(i) {
                    @Override
                    public void exec(Cpu c) {
                        c.rflags |= Cpu.DF;
                    }
                };
            case "SAHF" ->
                new Op(i) {
                    @Override
                    public void exec(Cpu c) {
                        long kept = Flags.overflow(c) ? Cpu.OF : 0;
                        Flags.set(c, c.r[Reg.RAX] >>> 8 & (Cpu.SF | Cpu.ZF | Cpu.AF | Cpu.PF | Cpu.CF) | kept);
                    }
                };
            case "LAHF" ->
                new Op(i) {
                    @Override
                    public void exec(Cpu c) {
                        c.set8(Reg.RAX, true, (int) (Flags.status(c) & ~Cpu.OF | 2));
                    }
                };
            case "SALC" ->
                new Op(i) {
                    @Override
                    public void exec(Cpu c) {
                        c.set8(Reg.RAX, false, Flags.carry(c) ? 0xff : 0);
                    }
                };
            case "DAA", "DAS" ->
                new Op(i) {
                    private final boolean subtract = "DAS".equals(i.row.mnemonic);

                    @Override
                    public void exec(Cpu c) {
                        decimal(c, subtract);
                    }
                };
            case "AAA", "AAS" ->
                new Op(i) {
                    private final boolean subtract = "AAS".equals(i.row.mnemonic);

                    @Override
                    public void exec(Cpu c) {
                        ascii(c, subtract);
                    }
                };
            case "AAM" ->
                new Op(i) {
                    @Override
                    public void exec(Cpu c) {
                        if (imm == 0) throw c.raise(GuestFault.DE, -1);
                        int al = (int) c.r[Reg.RAX] & 0xff;
                        c.set16(Reg.RAX, al / imm << 8 | al % imm);
                        Flags.logic(c, (byte) (al % imm));
                    }
                };
            case "AAD" ->
                new Op(i) {
                    @Override
                    public void exec(Cpu c) {
                        int ax = (int) c.r[Reg.RAX];
                        int al = (ax & 0xff) + (ax >>> 8 & 0xff) * imm & 0xff;
                        c.set16(Reg.RAX, al);
                        Flags.logic(c, (byte) al);
                    }
                };
            default -> throw new IllegalStateException("no meaning for " + i.row);
        };
    }

    private static void decimal(Cpu c, boolean subtract) {
        int al = (int) c.r[Reg.RAX] & 0xff, old = al;
        boolean carry = Flags.carry(c), half = (al & 15) > 9 || Flags.adjust(c);
        boolean carryOut = false;
        if (half) {
            carryOut = subtract ? carry || al < 6 : carry || al > 0xf9;
            al = subtract ? al - 6 : al + 6;
        }
        if (old > 0x99 || carry) {
            al = subtract ? al - 0x60 : al + 0x60;
            carryOut = true;
        } else if (!subtract) {
            carryOut = false;
        }
        al &= 0xff;
        c.set8(Reg.RAX, false, al);
        Flags.result(c, (byte) al, (carryOut ? Cpu.CF : 0) | (half ? Cpu.AF : 0));
    }

    private static void ascii(Cpu c, boolean subtract) {
        int ax = (int) c.r[Reg.RAX] & 0xffff;
        boolean adjust = (ax & 15) > 9 || Flags.adjust(c);
        if (adjust) ax = subtract ? ax - 0x106 : ax + 0x106;
        c.set16(Reg.RAX, ax & 0xff0f);
        Flags.result(c, (byte) (ax & 15), adjust ? Cpu.CF | Cpu.AF : 0);
    }
}
