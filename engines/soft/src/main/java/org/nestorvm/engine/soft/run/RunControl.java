package org.nestorvm.engine.soft.run;

import org.nestorvm.engine.soft.state.Cpu;
import org.nestorvm.vmm.Exit;

/** What the run loop asks of its virtual processor and machine. */
public interface RunControl {
    /** Answers whatever set {@link Cpu#attention}. @return an exit, or null to go on */
    Exit attend();

    /** The decoded code has outgrown its share of the heap: all of it goes. */
    void forgetAllCode();

    /** A host page holds code from now on: no processor keeps the right to write it unseen. */
    void codeAppeared(long hostPage);
}
