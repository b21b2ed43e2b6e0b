package org.nestorvm.virtio.console;

import org.nestorvm.memory.sys.IoVector;

/** Port 0 of a device without a console: the driver is never told of it. */
final class NoEnd implements HostEnd {
    @Override
    public boolean isConnected() {
        return false;
    }

    @Override
    public long take(IoVector from) {
        return from.totalBytes();
    }

    @Override
    public long give(IoVector to) {
        return 0;
    }

    @Override
    public void watch(boolean input, boolean output) {
        // nothing ever comes
    }

    @Override
    public void close() {
        // nothing is open
    }
}
