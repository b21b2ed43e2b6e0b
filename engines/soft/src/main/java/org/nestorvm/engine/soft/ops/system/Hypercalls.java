package org.nestorvm.engine.soft.ops.system;

import org.nestorvm.engine.soft.isa.Reg;
import org.nestorvm.engine.soft.state.Cpu;

/**
 * KVM's hypercalls, by VMCALL and by VMMCALL (Linux, Documentation/virt/kvm/x86/hypercalls): the number in RAX,
 * arguments in RBX, RCX, RDX and RSI, the result in RAX; outside 64-bit code 32 bits of each. CPUID leaf 40000001h
 * announces none of the features that have calls (PV_UNHALT, PV_SEND_IPI, PV_SCHED_YIELD), so that those calls are as
 * unknown as others.
 */
final class Hypercalls {
    private static final int VAPIC_POLL_IRQ = 1, CLOCK_PAIRING = 9;
    private static final long EPERM = 1, EOPNOTSUPP = 95, ENOSYS = 1000;

    private Hypercalls() {}

    static void call(Cpu c) {
        boolean wide = c.code64();
        long result = c.cpl != 0 ? -EPERM : result(wide ? c.r[Reg.RAX] : c.r[Reg.RAX] & 0xffffffffL);
        c.r[Reg.RAX] = wide ? result : result & 0xffffffffL;
    }

    /**
     * The loop looks at interrupts after the call anyway, which is all that VAPIC_POLL_IRQ asks for. The clock has no
     * pairs of its own and the host's time: ptp_kvm is told so.
     */
    private static long result(long number) {
        if (number == VAPIC_POLL_IRQ) return 0;
        return number == CLOCK_PAIRING ? -EOPNOTSUPP : -ENOSYS;
    }
}
