package org.nestorvm.vhost;

import java.io.IOException;
import org.nestorvm.memory.sys.Descriptors;
import org.nestorvm.memory.sys.Events;
import org.nestorvm.memory.sys.FileStatus;
import org.nestorvm.vhost.Payloads.VringAddress;

/** A queue as the front end has described it so far. */
final class Vring {
    private static final int NONE = -1;

    final int index;
    int size;
    VringAddress address;
    /** Where to go on from; as it was when the queue stopped. */
    int base;

    boolean enabled;
    boolean running;
    private int kick = NONE;
    private int call = NONE, error = NONE; // under this object's lock: the device's threads use them

    Vring(int index) {
        this.index = index;
    }

    int kick() {
        return kick;
    }

    boolean hasKick() {
        return kick != NONE;
    }

    /** @param descriptor a {@link #checked} one, or -1 for none */
    void kick(int descriptor) {
        close(kick);
        kick = descriptor;
    }

    /** @param descriptor the vring's from now on, even when this fails; -1 for none */
    synchronized void call(int descriptor) throws IOException {
        int checked = checked("call", descriptor);
        close(call);
        call = checked;
    }

    synchronized void error(int descriptor) throws IOException {
        int checked = checked("error", descriptor);
        close(error);
        error = checked;
    }

    /** Without a descriptor the driver looks by itself. */
    synchronized void interrupt() {
        if (call != NONE) Events.trySignal(call, 1);
    }

    synchronized void tellError() {
        if (error != NONE) Events.trySignal(error, 1);
    }

    /** An eventfd or a pipe, and one on which this process never waits. Closed when it is neither. */
    int checked(String what, int descriptor) throws IOException {
        if (descriptor == NONE) return NONE;
        try {
            String name = what + " descriptor of queue " + index;
            int type = FileStatus.of(name, descriptor).mode() & FileStatus.S_IFMT;
            if (type != 0 && type != FileStatus.S_IFIFO)
                throw new ProtocolException(
                        name + " is neither an eventfd nor a pipe: type 0x" + Integer.toHexString(type));
            Descriptors.nonBlocking(name, descriptor, true);
            return descriptor;
        } catch (Throwable t) {
            Descriptors.close(descriptor);
            throw t;
        }
    }

    private static void close(int descriptor) {
        if (descriptor != NONE) Descriptors.close(descriptor);
    }

    /** As it was in the beginning. */
    synchronized void reset() {
        close(kick);
        close(call);
        close(error);
        kick = NONE;
        call = NONE;
        error = NONE;
        size = 0;
        address = null;
        base = 0;
        enabled = false;
    }
}
