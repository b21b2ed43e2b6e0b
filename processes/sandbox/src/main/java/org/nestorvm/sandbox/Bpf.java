package org.nestorvm.sandbox;

import java.util.Arrays;

/**
 * Pieces of programs in classic BPF, Documentation/networking/filter.rst, as seccomp takes them: loads of words of
 * struct seccomp_data, jumps forward, returns. A piece is an array of struct sock_filter, see
 * {@link org.nestorvm.memory.sys.Seccomp}; since jumps are relative, pieces are put together by concatenation. A
 * conditional jump reaches 255 instructions, one without condition any number.
 */
final class Bpf {
    static final int LD_W_ABS = 0x20,
            ALU_AND_K = 0x54,
            JMP_JA = 0x05,
            JMP_JEQ_K = 0x15,
            JMP_JGE_K = 0x35,
            JMP_JSET_K = 0x45,
            RET_K = 0x06;
    /** struct seccomp_data, linux/seccomp.h. */
    static final int NR = 0, ARCH = 4, ARGS = 16;

    private static final int FARTHEST = 255;

    private Bpf() {}

    static long[] load(int offset) {
        return new long[] {instruction(LD_W_ABS, 0, 0, offset)};
    }

    /** The low half of an argument, little endian. */
    static long[] loadArgument(int argument) {
        return load(ARGS + Long.BYTES * argument);
    }

    static long[] and(int mask) {
        return new long[] {instruction(ALU_AND_K, 0, 0, mask)};
    }

    static long[] give(int value) {
        return new long[] {instruction(RET_K, 0, 0, value)};
    }

    /** {@code yes} when the loaded word is at least {@code k}, unsigned, else {@code no}. Both end in returns. */
    static long[] ifAtLeast(int k, long[] yes, long[] no) {
        return either(JMP_JGE_K, k, yes, no);
    }

    /** {@code yes} when the loaded word has one of the bits. */
    static long[] ifAnyBit(int bits, long[] yes, long[] no) {
        return either(JMP_JSET_K, bits, yes, no);
    }

    static long[] ifEqual(int k, long[] yes, long[] no) {
        return either(JMP_JEQ_K, k, yes, no);
    }

    private static long[] either(int code, int k, long[] yes, long[] no) {
        long[] test = no.length <= FARTHEST
                ? new long[] {instruction(code, no.length, 0, k)}
                : new long[] {instruction(code, 0, 1, k), instruction(JMP_JA, 0, 0, no.length)};
        return concat(test, no, yes);
    }

    /** {@code yes} when the loaded word is one of the values. */
    static long[] ifOneOf(int[] values, long[] yes, long[] no) {
        if (values.length + no.length > FARTHEST)
            throw new IllegalArgumentException("too far to jump: " + values.length + " values");
        long[] tests = new long[values.length];
        for (int i = 0; i < values.length; i++)
            tests[i] = instruction(JMP_JEQ_K, values.length - 1 - i + no.length, 0, values[i]);
        return concat(tests, no, yes);
    }

    static long[] concat(long[]... pieces) {
        return Arrays.stream(pieces).flatMapToLong(Arrays::stream).toArray();
    }

    static long instruction(int code, int jumpTrue, int jumpFalse, int k) {
        return code | jumpTrue << 16 | (long) jumpFalse << 24 | (long) k << 32;
    }
}
