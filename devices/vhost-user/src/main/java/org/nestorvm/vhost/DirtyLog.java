package org.nestorvm.vhost;

import java.io.IOException;
import org.nestorvm.memory.sys.HostMemory;
import org.nestorvm.virtio.DeviceMemory;

/**
 * The log of "Migration": a bit for each page that the device has written. Writes to a used ring are marked at the
 * ring's own address.
 */
final class DirtyLog implements DeviceMemory.WriteListener {
    private static final int PAGE_SHIFT = 12, ALIGNMENT = 8;

    private final SharedArea area;

    DirtyLog(int descriptor, Payloads.Log log) throws IOException {
        area = new SharedArea("dirty log", descriptor, log.offset(), log.sizeBytes(), ALIGNMENT);
    }

    @Override
    public void written(long gpa, long sizeBytes) {
        if (sizeBytes <= 0) return;
        long last = gpa + sizeBytes - 1 >>> PAGE_SHIFT;
        for (long page = gpa >>> PAGE_SHIFT; page <= last && page >>> 3 < area.sizeBytes(); page++) mark(page);
    }

    /** A 32-bit word reaches over the log's end at most inside its page. */
    private void mark(long page) {
        long word = area.hostAddress() + (page >>> 5) * Integer.BYTES;
        int bit = 1 << (page & 31);
        if ((HostMemory.getInt(word) & bit) == 0) {
            int _ = (int) HostMemory.ATOMIC_INT.getAndBitwiseOr(HostMemory.ALL, word, bit);
        }
    }

    void release() throws IOException {
        area.release();
    }
}
