package org.nestorvm.memory.sys;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/**
 * Capabilities of the calling thread, capabilities(7), and of the programs that it starts: capget(2), capset(2),
 * prctl(2).
 */
public final class Capabilities {
    public static final int CAP_DAC_OVERRIDE = 1, CAP_SETGID = 6, CAP_SETUID = 7, CAP_SYS_CHROOT = 18;
    public static final int PR_CAPBSET_READ = 23, PR_CAPBSET_DROP = 24;

    private static final int _LINUX_CAPABILITY_VERSION_3 = 0x20080522;
    // struct __user_cap_header_struct, and two of struct __user_cap_data_struct: effective, permitted, inheritable of
    // 32 capabilities each
    private static final int HEADER_BYTES = 8, DATA_BYTES = 24, HALF_BYTES = 12, DATA_INHERITABLE = 8;
    /** The kernel keeps them in 64 bits. */
    private static final int HIGHEST = 63;

    private static final LibcFunction CAPGET = LibcFunction.of("capget");
    private static final LibcFunction CAPSET = LibcFunction.of("capset");

    private Capabilities() {}

    /**
     * From now on programs that root starts from this thread have these capabilities and can never get others: they
     * come by the inheritable set, and the bounding set is emptied. The thread keeps its own.
     *
     * @param capabilities bits by number
     */
    public static void limitPrograms(long capabilities) throws ErrnoException {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment header = arena.allocate(HEADER_BYTES, Integer.BYTES),
                    data = arena.allocate(DATA_BYTES, Integer.BYTES);
            header.set(Libc.INT, 0, _LINUX_CAPABILITY_VERSION_3);
            Libc.check("capget", "this thread", CAPGET.tryInt(header.address(), data.address()));
            for (int half = 0; half < 2; half++) {
                int permitted = data.get(Libc.INT, half * HALF_BYTES + Integer.BYTES);
                data.set(
                        Libc.INT, half * HALF_BYTES + DATA_INHERITABLE, permitted & (int) (capabilities >>> 32 * half));
            }
            Libc.check("capset", "this thread", CAPSET.tryInt(header.address(), data.address()));
        }
        for (int capability = 0; capability <= HIGHEST && isInBoundingSet(capability) >= 0; capability++) {
            if (isInBoundingSet(capability) == 1) Processes.prctl("PR_CAPBSET_DROP", PR_CAPBSET_DROP, capability, 0);
        }
    }

    /** @return 1 or 0; a negated errno for a capability that this kernel does not know */
    private static int isInBoundingSet(int capability) {
        return Processes.tryPrctl(PR_CAPBSET_READ, capability, 0);
    }
}
