package org.nestorvm.sandbox;

import java.util.Arrays;
import java.util.stream.Collectors;

/**
 * What must hold of one argument of a system call: its low 32 bits, masked, are one of some values. The kernel takes no more than 32 bits of any argument that is checked here (flags,
 * commands, process ids), so the high half says nothing.
 *
 * @param argument 0 to 5
 * @param what for people: {@code prot without PROT_EXEC}
 */
record Check(int argument, int mask, String what, int... values) {
    Check {
        if (argument < 0 || argument > 5 || values.length == 0 || values.length > 100) throw new IllegalArgumentException("no check: argument=" + argument + " values=" + values.length);
    }

    static Check oneOf(int argument, String what, int... values) {
        return new Check(argument, -1, what, values);
    }

    static Check without(int argument, String what, int bits) {
        return new Check(argument, bits, what, 0);
    }

    static Check with(int argument, String what, int bits) {
        return new Check(argument, bits, what, bits);
    }

    boolean holds(long[] arguments) {
        int value = (int) arguments[argument] & mask;
        return Arrays.stream(values).anyMatch(allowed -> allowed == value);
    }

    @Override
    public String toString() {
        return what + (mask == -1 && values.length > 1 ? " (" + Arrays.stream(values).mapToObj(value -> "0x" + Integer.toHexString(value)).collect(Collectors.joining(", ")) + ")" : "");
    }
}
