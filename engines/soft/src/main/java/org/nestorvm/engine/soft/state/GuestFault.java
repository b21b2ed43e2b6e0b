package org.nestorvm.engine.soft.state;

/**
 * An exception of the guest's, on its way out of an instruction. Each processor has one and throws it again and again:
 * no stack trace, no allocation. An instruction throws before it has changed anything the guest can see.
 */
public final class GuestFault extends RuntimeException {
    private static final long serialVersionUID = 1L;

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

    public int vector;
    /** -1 when the vector has none. */
    public int errorCode;

    GuestFault() {
        super(null, null, false, false);
    }
}
