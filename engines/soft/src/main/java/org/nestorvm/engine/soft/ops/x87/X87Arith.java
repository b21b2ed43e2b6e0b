package org.nestorvm.engine.soft.ops.x87;

import org.nestorvm.engine.soft.isa.Insn;
import org.nestorvm.engine.soft.number.SoftFloat;
import org.nestorvm.engine.soft.number.SoftFloat.Number;
import org.nestorvm.engine.soft.ops.Op;
import org.nestorvm.engine.soft.state.Cpu;

/** FADD, FMUL, FSUB, FDIV with their reversed, popping and integer forms. */
final class X87Arith {
    private X87Arith() {}

    static Op make(Insn i) {
        String name = i.row.mnemonic;
        boolean integer = name.charAt(1) == 'I';
        String root = integer ? name.substring(2) : name.substring(1);
        int operation = switch (root.substring(0, 3)) {
            case "ADD" -> X87Math.ADD;
            case "MUL" -> X87Math.MUL;
            case "SUB" -> X87Math.SUB;
            default -> X87Math.DIV;
        };
        boolean reversed = root.startsWith("R", 3);
        if (!i.isReg()) return new WithMemory(i, operation, reversed, integer, X87Load.size(i));
        return new WithRegister(i, operation, reversed, i.row.operands[0].equals("STi"), root.endsWith("P"));
    }

    /** Loads an operand from memory into a number, as FLD and FILD would; an SNaN stays one. */
    static void load(Cpu c, long linear, boolean integer, int size, Number into) {
        if (!integer) {
            into.set(size == 8, size == 8 ? c.load64(linear) : c.load32(linear), false);
            return;
        }
        long value = size == 2 ? (short) c.load16(linear) : c.load32(linear), magnitude = Math.abs(value);
        int shift = Long.numberOfLeadingZeros(magnitude);
        into.setFinite(value < 0, 63 - shift, magnitude << shift);
        if (value == 0) into.kind = Number.ZERO;
    }

    private static final class WithMemory extends X87Op {
        private final int operation, size;
        private final boolean reversed, integer;

        WithMemory(Insn i, int operation, boolean reversed, boolean integer, int size) {
            super(i);
            this.operation = operation;
            this.reversed = reversed;
            this.integer = integer;
            this.size = size;
        }

        @Override
        public void exec(Cpu c) {
            check(c);
            SoftFloat s = c.soft;
            load(c, read(c, size), integer, size, reversed ? s.a : s.b);
            begin(c);
            point(c);
            if (isEmpty(c, 0)) {
                if (underflow(c)) setIndefinite(c, 0);
                return;
            }
            get(c, 0, reversed ? s.b : s.a);
            X87Math.arithmetic(c, operation);
            finish(c, 0);
        }
    }

    private static final class WithRegister extends X87Op {
        private final int operation, target;
        private final boolean reversed, pops;

        WithRegister(Insn i, int operation, boolean reversed, boolean toSti, boolean pops) {
            super(i);
            this.operation = operation;
            // The minuend is the target, unless reversed.
            this.reversed = reversed ^ toSti;
            this.pops = pops;
            target = toSti ? sti : 0;
        }

        @Override
        public void exec(Cpu c) {
            begin(c);
            if (isEmpty(c, 0) || isEmpty(c, sti)) {
                if (!underflow(c)) return;
                setIndefinite(c, target);
                if (pops) pop(c);
                return;
            }
            SoftFloat s = c.soft;
            get(c, 0, reversed ? s.b : s.a);
            get(c, sti, reversed ? s.a : s.b);
            X87Math.arithmetic(c, operation);
            if (finish(c, target) && pops) pop(c);
        }
    }
}
