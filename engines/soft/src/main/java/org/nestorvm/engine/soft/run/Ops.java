package org.nestorvm.engine.soft.run;

import org.nestorvm.engine.soft.isa.Insn;
import org.nestorvm.engine.soft.ops.Op;
import org.nestorvm.engine.soft.ops.integer.Alu;
import org.nestorvm.engine.soft.ops.integer.BitOps;
import org.nestorvm.engine.soft.ops.integer.Branch;
import org.nestorvm.engine.soft.ops.integer.Move;
import org.nestorvm.engine.soft.ops.integer.Multiply;
import org.nestorvm.engine.soft.ops.integer.Shift;
import org.nestorvm.engine.soft.ops.integer.StackOps;
import org.nestorvm.engine.soft.ops.integer.Strings;
import org.nestorvm.engine.soft.ops.sse.Mmx;
import org.nestorvm.engine.soft.ops.sse.Sse;
import org.nestorvm.engine.soft.ops.system.SystemOps;
import org.nestorvm.engine.soft.ops.x87.X87;

/** From a decoded instruction to the operation that executes it: one maker a family of the table. */
public final class Ops {
    private Ops() {}

    /** Null when the combination is undefined: #UD. */
    public static Op make(Insn i) {
        return switch (i.row.family) {
            case "alu" -> Alu.make(i);
            case "mul" -> Multiply.make(i);
            case "shift" -> Shift.make(i);
            case "mov" -> Move.make(i);
            case "bits" -> BitOps.make(i);
            case "stack" -> StackOps.make(i);
            case "branch" -> Branch.make(i);
            case "string" -> Strings.make(i);
            case "system" -> SystemOps.make(i);
            case "sse" -> Sse.make(i);
            case "mmx" -> Mmx.make(i);
            case "x87" -> X87.make(i);
            default -> throw new IllegalStateException("instruction table names an unknown family: " + i.row.family);
        };
    }
}
