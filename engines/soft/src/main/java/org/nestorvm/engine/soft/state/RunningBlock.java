package org.nestorvm.engine.soft.state;

/** What a processor's state knows of the block that runs. */
public abstract class RunningBlock {
    /**
     * False once the bytes have changed. Read without ordering: x86 asks for a serializing instruction before modified
     * code runs on another processor.
     */
    public boolean valid = true;

    /** Does this operation of the block reach memory through the stack segment? */
    public abstract boolean stackAccess(int operation);

    /** Where this operation's instruction begins, from the block's first byte. */
    public abstract int start(int operation);
}
