package org.nestorvm.engine.soft.ops.system;

import org.nestorvm.engine.soft.isa.Insn;
import org.nestorvm.engine.soft.isa.Reg;
import org.nestorvm.engine.soft.ops.MemOp;
import org.nestorvm.engine.soft.ops.Op;
import org.nestorvm.engine.soft.ops.RmOp;
import org.nestorvm.engine.soft.state.Cpu;
import org.nestorvm.engine.soft.state.Flags;
import org.nestorvm.engine.soft.state.GuestFault;
import org.nestorvm.engine.soft.state.Segments;

/** The instructions that load, store and examine descriptor tables and selectors. */
final class Descriptors {
    private Descriptors() {}

    static Op make(Insn i) {
        return switch (i.row.mnemonic) {
            case "SLDT", "STR" -> new Store(i, i.row.mnemonic.equals("STR") ? Reg.TR : Reg.LDTR);
            case "LLDT", "LTR" -> new Load(i, i.row.mnemonic.equals("LTR"));
            case "VERR", "VERW" -> new Verify(i, i.row.mnemonic.equals("VERW"));
            case "LAR" -> new Examine(i, false);
            case "LSL" -> new Examine(i, true);
            case "SGDT", "SIDT" -> new StoreTable(i, i.row.mnemonic.equals("SIDT"));
            case "LGDT", "LIDT" -> new LoadTable(i, i.row.mnemonic.equals("LIDT"));
            case "SMSW" ->
                new RmOp(i, i.isReg() ? i.opSize : 2) {
                    @Override
                    public void exec(Cpu c) {
                        SystemOps.checkUmip(c);
                        setRm(c, c.cr0);
                    }
                };
            case "LMSW" ->
                new RmOp(i, 2) {
                    @Override
                    public void exec(Cpu c) {
                        SystemOps.checkPrivileged(c);
                        long v = getRm(c) & 15;
                        if ((c.cr0 & Cpu.CR0_PE) != 0) v |= Cpu.CR0_PE; // it cannot leave protected mode
                        Control.writeCr0(c, c.cr0 & ~15L | v);
                    }
                };
            case "ARPL" ->
                new RmOp(i, 2) {
                    @Override
                    public void exec(Cpu c) {
                        SystemOps.checkProtected(c);
                        long a = getRmForWrite(c);
                        long rpl = getReg(c) & 3;
                        boolean raise = (a & 3) < rpl;
                        if (raise) setRm(c, a & ~3L | rpl);
                        setZero(c, raise);
                    }
                };
            default -> new Bound(i);
        };
    }

    private static void setZero(Cpu c, boolean zero) {
        Flags.materialize(c);
        c.rflags = zero ? c.rflags | Cpu.ZF : c.rflags & ~Cpu.ZF;
    }

    private static final class Store extends RmOp {
        private final int seg;

        Store(Insn i, int seg) {
            super(i, i.isReg() ? i.opSize : 2);
            this.seg = seg;
        }

        @Override
        public void exec(Cpu c) {
            SystemOps.checkProtected(c);
            SystemOps.checkUmip(c);
            setRm(c, c.selector[seg]);
        }
    }

    private static final class Load extends RmOp {
        private final boolean task;

        Load(Insn i, boolean task) {
            super(i, 2);
            this.task = task;
        }

        @Override
        public void exec(Cpu c) {
            SystemOps.checkProtected(c);
            SystemOps.checkPrivileged(c);
            int selector = (int) getRm(c) & 0xffff;
            if (task) Segments.loadTr(c, selector);
            else Segments.loadLdtr(c, selector);
        }
    }

    /** The descriptor that a selector names, or 0 where the table ends or the selector is null. */
    private static long find(Cpu c, int selector) {
        if ((selector & 0xfffc) == 0) return 0;
        int limit = (selector & 4) != 0 ? c.segLimit[Reg.LDTR] : c.gdtrLimit;
        if ((selector & 4) != 0 && (c.segAccess[Reg.LDTR] & Segments.UNUSABLE) != 0) return 0;
        if (Integer.compareUnsigned((selector & 0xfff8) + 7, limit) > 0) return 0;
        return Segments.descriptor(c, selector, GuestFault.GP);
    }

    private static boolean visible(Cpu c, int selector, int access) {
        return Segments.isConforming(access) || Segments.dpl(access) >= Math.max(c.cpl, selector & 3);
    }

    private static final class Verify extends RmOp {
        private final boolean write;

        Verify(Insn i, boolean write) {
            super(i, 2);
            this.write = write;
        }

        @Override
        public void exec(Cpu c) {
            SystemOps.checkProtected(c);
            int selector = (int) getRm(c) & 0xffff;
            long d = find(c, selector);
            int access = Segments.access(d);
            boolean code = (access & Segments.CODE) != 0;
            boolean ok = d != 0
                    && (access & Segments.S) != 0
                    && visible(c, selector, access)
                    && (write ? !code && (access & Segments.W) != 0 : !code || (access & Segments.R) != 0);
            setZero(c, ok);
        }
    }

    /** LAR and LSL: rights or limit, if the selector is one that the program may see. */
    private static final class Examine extends RmOp {
        private final boolean limit;

        Examine(Insn i, boolean limit) {
            super(i, i.opSize);
            this.limit = limit;
        }

        @Override
        public void exec(Cpu c) {
            SystemOps.checkProtected(c);
            int selector = (isReg ? (int) c.r[rm] : c.load16(read(c, 2))) & 0xffff;
            long d = find(c, selector);
            int access = Segments.access(d);
            boolean ok = d != 0
                    && ((access & Segments.S) != 0 || systemType(c, access & 15))
                    && visible(c, selector, access);
            if (ok) set(c, reg, size, false, limit ? Segments.limit(d) & 0xffffffffL : d >>> 32 & 0xffff00L);
            setZero(c, ok);
        }

        private boolean systemType(Cpu c, int type) {
            if (c.longMode()) return type == 2 || type == 9 || type == 11 || !limit && type == 12;
            return switch (type) {
                case 1, 2, 3, 9, 11 -> true;
                case 4, 5, 12 -> !limit;
                default -> false;
            };
        }
    }

    private static final class StoreTable extends MemOp {
        private final boolean idt;
        private final boolean wide;

        StoreTable(Insn i, boolean idt) {
            super(i);
            this.idt = idt;
            wide = i.code64();
        }

        @Override
        public void exec(Cpu c) {
            SystemOps.checkUmip(c);
            int bytes = wide ? 10 : 6;
            c.probeWrite(write(c, bytes), bytes);
            c.store16(write(c, 2), idt ? c.idtrLimit : c.gdtrLimit);
            long base = idt ? c.idtrBase : c.gdtrBase;
            long at = writeAt(c, offset(c) + 2, bytes - 2);
            if (wide) c.store64(at, base);
            else c.store32(at, (int) base);
        }
    }

    private static final class LoadTable extends MemOp {
        private final boolean idt, wide, narrow;

        LoadTable(Insn i, boolean idt) {
            super(i);
            this.idt = idt;
            wide = i.code64();
            narrow = !wide && i.opSize == 2;
        }

        @Override
        public void exec(Cpu c) {
            SystemOps.checkPrivileged(c);
            int limit = c.load16(read(c, 2));
            long at = readAt(c, offset(c) + 2, wide ? 8 : 4);
            long base = wide ? c.load64(at) : c.load32(at) & (narrow ? 0xffffffL : 0xffffffffL);
            if (wide && !Segments.canonical(base)) throw c.gp(0);
            if (idt) {
                c.idtrBase = base;
                c.idtrLimit = limit;
            } else {
                c.gdtrBase = base;
                c.gdtrLimit = limit;
            }
        }
    }

    private static final class Bound extends RmOp {
        Bound(Insn i) {
            super(i, i.opSize);
        }

        @Override
        public void exec(Cpu c) {
            long v = getReg(c);
            long low = c.load(read(c, size), size) << shift >> shift;
            long high = c.load(readAt(c, offset(c) + size, size), size) << shift >> shift;
            if (v < low || v > high) throw c.raise(GuestFault.BR, -1);
        }
    }
}
