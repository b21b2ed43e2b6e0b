package org.nestorvm.sandbox;

/**
 * What the kernel does with a filter: linux/filter.h's instructions as far as {@link Bpf} uses them, checked as
 * seccomp_check_filter checks them.
 */
final class BpfMachine {
    private final long[] program;
    private int executed;

    BpfMachine(long[] program) {
        this.program = program;
    }

    /** Instructions of the last run. */
    int executed() {
        return executed;
    }

    int run(int architecture, int number, long... arguments) {
        int accumulator = 0;
        executed = 0;
        for (int at = 0; ; at++) {
            long instruction = program[at];
            executed++;
            int code = (int) instruction & 0xffff,
                    jumpTrue = (int) (instruction >>> 16) & 0xff,
                    jumpFalse = (int) (instruction >>> 24) & 0xff,
                    k = (int) (instruction >>> 32);
            switch (code) {
                case Bpf.LD_W_ABS -> accumulator = word(k, architecture, number, arguments);
                case Bpf.ALU_AND_K -> accumulator &= k;
                case Bpf.JMP_JA -> at += k;
                case Bpf.JMP_JEQ_K -> at += accumulator == k ? jumpTrue : jumpFalse;
                case Bpf.JMP_JGE_K -> at += Integer.compareUnsigned(accumulator, k) >= 0 ? jumpTrue : jumpFalse;
                case Bpf.JMP_JSET_K -> at += (accumulator & k) != 0 ? jumpTrue : jumpFalse;
                case Bpf.RET_K -> {
                    return k;
                }
                default -> throw new AssertionError("instruction " + at + ": code " + code);
            }
        }
    }

    private static int word(int offset, int architecture, int number, long[] arguments) {
        return switch (offset) {
            case Bpf.NR -> number;
            case Bpf.ARCH -> architecture;
            default -> (int) (arguments[(offset - Bpf.ARGS) / Long.BYTES] >>> 8 * (offset - Bpf.ARGS & 4));
        };
    }
}
