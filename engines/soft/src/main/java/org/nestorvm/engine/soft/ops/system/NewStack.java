package org.nestorvm.engine.soft.ops.system;

import org.nestorvm.engine.soft.state.Cpu;
import org.nestorvm.engine.soft.state.Debug;
import org.nestorvm.engine.soft.state.GuestFault;
import org.nestorvm.engine.soft.state.Segments;
import org.nestorvm.paging.Access;

/** The stack of an inner ring while a gate still copies to it: protected mode, before SS is loaded. */
final class NewStack {
    private final Cpu c;
    private final long descriptor;
    private final long mask;
    private final int set;
    long sp;

    NewStack(Cpu c, long descriptor, long sp, boolean wide, int ring) {
        this.c = c;
        this.descriptor = descriptor;
        this.sp = sp;
        mask = wide ? 0xffffffffL : 0xffffL;
        set = ring;
    }

    void push(int size, long value) {
        sp = sp - size & mask;
        long limit = Segments.limit(descriptor) & 0xffffffffL;
        boolean down = (Segments.access(descriptor) & Segments.E) != 0;
        if (down ? sp <= limit || sp + size - 1 > mask : sp + size - 1 > limit) throw c.raise(GuestFault.SS, 0);
        long linear = sp + Segments.base(descriptor) & 0xffffffffL;
        if (set == 3) c.store(linear, size, value);
        else {
            c.mmu.systemStore(linear, size, value);
            if (c.dataBreakpoints) Debug.access(c, linear, size, Access.WRITE);
        }
    }
}
