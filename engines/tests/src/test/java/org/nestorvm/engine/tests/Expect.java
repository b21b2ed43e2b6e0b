package org.nestorvm.engine.tests;

import static org.junit.jupiter.api.Assertions.assertEquals;

import org.nestorvm.asm.Label;
import org.nestorvm.asm.Reg;

/** Vectors by the manual's names, and what tests say most often. */
public final class Expect {
    public static final int DE = 0,
            DB = 1,
            NMI = 2,
            BP = 3,
            OF = 4,
            BR = 5,
            UD = 6,
            NM = 7,
            DF = 8,
            TS = 10,
            NP = 11,
            SS = 12,
            GP = 13,
            PF = 14,
            MF = 16,
            AC = 17,
            XM = 19;
    public static final int NONE = -1;

    private Expect() {}

    /** The guest's next event is this exception. @param errorCode {@link #NONE} for none */
    public static Frame fault(TestMachine vm, int vector, int errorCode, long rip) {
        Event e = vm.run();
        if (!(e instanceof Event.Fault f) || f.vector() != vector || f.errorCode() != errorCode || f.rip() != rip) {
            assertEquals(
                    "vector " + vector + " error " + Integer.toHexString(errorCode) + " at " + Long.toHexString(rip),
                    describe(e, vm));
        }
        return vm.frame();
    }

    public static Frame fault(TestMachine vm, int vector, int errorCode, Label at) {
        return fault(vm, vector, errorCode, at.address());
    }

    /** A page fault, with CR2. */
    public static Frame pageFault(TestMachine vm, int errorCode, long gva, Label at) {
        Frame frame = fault(vm, PF, errorCode, at.address());
        assertEquals(Long.toHexString(gva), Long.toHexString(vm.cpu.cr2), "CR2");
        return frame;
    }

    /** The guest reaches a HLT of its own. */
    public static void halt(TestMachine vm) {
        Event e = vm.run();
        if (!(e instanceof Event.Halt)) assertEquals("Halt", describe(e, vm));
    }

    public static void reg(TestMachine vm, Reg reg, long value) {
        assertEquals(Long.toHexString(value), Long.toHexString(vm.get(reg)), reg.toString());
    }

    private static String describe(Event e, TestMachine vm) {
        String where = " (rip " + Long.toHexString(vm.cpu.rip) + " cr2 " + Long.toHexString(vm.cpu.cr2) + ")";
        return e instanceof Event.Fault f
                ? "vector " + f.vector() + " error " + Integer.toHexString(f.errorCode()) + " at "
                        + Long.toHexString(f.rip())
                : e + where;
    }
}
