package org.nestorvm.engine.soft.ops.system;

import org.nestorvm.engine.soft.isa.Insn;
import org.nestorvm.engine.soft.isa.Reg;
import org.nestorvm.engine.soft.ops.Op;
import org.nestorvm.engine.soft.ops.RmOp;
import org.nestorvm.engine.soft.ops.integer.Strings;
import org.nestorvm.engine.soft.state.Cpu;
import org.nestorvm.engine.soft.state.Debug;

/** IN, OUT, INS, OUTS. Each ends its block, so that the monitor sees the processor between two instructions. */
final class Ports {
    private Ports() {}

    static Op make(Insn i) {
        int size = (i.opcode & 1) == 0 ? 1 : Math.min(i.opSize, 4);
        if (i.row.mnemonic.endsWith("S")) return new Str(i, size);
        boolean immediate = i.opcode < 0xe8;
        int port = (int) i.imm & 0xff;
        if (i.row.mnemonic.equals("IN")) {
            return new Op(i) {
                @Override
                public void exec(Cpu c) {
                    int p = immediate ? port : (int) c.r[Reg.RDX] & 0xffff;
                    check(c, p, size);
                    RmOp.set(c, Reg.RAX, size, false, read(c, p, size));
                }
            };
        }
        return new Op(i) {
            @Override
            public void exec(Cpu c) {
                int p = immediate ? port : (int) c.r[Reg.RDX] & 0xffff;
                check(c, p, size);
                write(c, p, size, (int) c.r[Reg.RAX]);
            }
        };
    }

    private static void check(Cpu c, int port, int size) {
        if (!c.protectedMode() || c.cpl <= c.iopl() && !c.virtual8086()) return;
        if (!Tasks.portsAllowed(c, port, size)) throw c.gp(0);
    }

    private static int read(Cpu c, int port, int size) {
        int value = c.mmu.portRead(port, size);
        if (c.portBreakpoints) Debug.port(c, port, size);
        return value;
    }

    private static void write(Cpu c, int port, int size, int value) {
        c.mmu.portWrite(port, size, value);
        if (c.portBreakpoints) Debug.port(c, port, size);
    }

    private static final class Str extends Strings.StringOp {
        private final boolean in;

        Str(Insn i, int size) {
            super(i, size);
            in = i.row.mnemonic.equals("INS");
        }

        @Override
        public void one(Cpu c) {
            int port = (int) c.r[Reg.RDX] & 0xffff;
            check(c, port, size);
            if (in) {
                long to = destination(c);
                c.probeWrite(to, size);
                c.store(to, size, read(c, port, size));
                advance(c, Reg.RDI, step(c));
            } else {
                write(c, port, size, (int) c.load(source(c), size));
                advance(c, Reg.RSI, step(c));
            }
        }
    }
}
