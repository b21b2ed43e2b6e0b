package org.nestorvm.engine.soft;

/** What a processor's state knows of the block that runs. */
abstract class RunningBlock {
    /**
     * False once the bytes have changed. Read without ordering: x86 asks for a serializing instruction before modified code
     * runs on another processor.
     */
    boolean valid = true;

    /** Does this operation of the block reach memory through the stack segment? */
    abstract boolean stackAccess(int operation);

    /** Where this operation's instruction begins, from the block's first byte. */
    abstract int start(int operation);
}
