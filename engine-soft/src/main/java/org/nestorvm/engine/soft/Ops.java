package org.nestorvm.engine.soft;

/** From a decoded instruction to the operation that executes it: one maker a family of the table. */
final class Ops {
    private Ops() {
    }

    /** Null when the combination is undefined: #UD. */
    static Op make(Insn i) {
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
