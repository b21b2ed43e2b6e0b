package org.nestorvm.sandbox;

import java.util.Arrays;
import java.util.stream.Collectors;

/**
 * What must hold of one argument of a system call: its low 32 bits, masked, are one of some values. The kernel takes no
 * more than 32 bits of any argument that is checked here (flags, commands, process ids), so the high half says nothing.
 *
 * @param argument 0 to 5
 * @param what for people: {@code prot without PROT_EXEC}
 * @param when null, or the check concerns only calls for which this holds
 */
record Check(int argument, int mask, String what, Check when, int... values) {
    Check {
        if (argument < 0 || argument > 5 || values.length == 0 || values.length > 100)
            throw new IllegalArgumentException("no check: argument=" + argument + " values=" + values.length);
    }

    static Check oneOf(int argument, String what, int... values) {
        return new Check(argument, -1, what, null, values);
    }

    static Check without(int argument, String what, int bits) {
        return new Check(argument, bits, what, null, 0);
    }

    static Check with(int argument, String what, int bits) {
        return new Check(argument, bits, what, null, bits);
    }

    /** This check for calls for which the other one holds; nothing is said of others. */
    Check onlyWhen(Check condition) {
        return new Check(argument, mask, what, condition, values);
    }

    boolean holds(long[] arguments) {
        if (when != null && !when.holds(arguments)) return true;
        int value = (int) arguments[argument] & mask;
        return Arrays.stream(values).anyMatch(allowed -> allowed == value);
    }

    @Override
    public String toString() {
        return (when == null ? "" : when.what + ": ")
                + what
                + (mask == -1 && values.length > 1
                        ? " ("
                                + Arrays.stream(values)
                                        .mapToObj(value -> "0x" + Integer.toHexString(value))
                                        .collect(Collectors.joining(", "))
                                + ")"
                        : "");
    }
}
