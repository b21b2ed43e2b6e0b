package org.nestorvm.devices;

/** One interrupt wire with several devices on it: asserted while any of them asserts it. */
public final class SharedLine {
    private final IrqLine wire;
    private int users;
    private long asserted;

    public SharedLine(IrqLine wire) {
        this.wire = wire;
    }

    /** A place on the wire for one more device, 64 at most. */
    public synchronized IrqLine join() {
        if (users == Long.SIZE) throw new IllegalStateException("too many devices on one interrupt wire: " + users);
        long bit = 1L << users++;
        return level -> set(bit, level);
    }

    public synchronized boolean asserted() {
        return asserted != 0;
    }

    private synchronized void set(long bit, boolean level) {
        asserted = level ? asserted | bit : asserted & ~bit;
        wire.set(asserted != 0);
    }
}
