package org.nestorvm.virtio;

import java.util.Comparator;
import java.util.List;
import org.nestorvm.memory.sys.IoVector;

/**
 * Guest memory as a device sees it: regions of guest-physical addresses, each mapped somewhere in this process.
 * Immutable; when the memory changes a device gets another one. Who makes it keeps the mappings while a device has it.
 *
 * <p>Translation never trusts a length: an address is good for as many bytes as one region has, and what crosses from
 * one region into an adjoining one is taken apart.
 */
public final class DeviceMemory {
    /**
     * @param descriptor the file that backs the region, for whoever passes it on to another process; -1 when there is
     *     none
     * @param fileOffset where the region begins in that file
     */
    public record Region(long gpa, long sizeBytes, long hostAddress, int descriptor, long fileOffset) {
        public Region {
            if (sizeBytes <= 0 || gpa < 0 || gpa + sizeBytes < 0)
                throw new IllegalArgumentException("region of guest memory: gpa=" + gpa + " size=" + sizeBytes);
        }

        public long end() {
            return gpa + sizeBytes;
        }
    }

    /**
     * Hears what devices write, after they have written it: for dirty logs, and for processors that keep decoded code.
     * Called on any device's thread.
     */
    @FunctionalInterface
    public interface WriteListener {
        void written(long gpa, long sizeBytes);
    }

    private final List<Region> regions;
    private final long[] gpa, size, delta;
    private final WriteListener listener;

    /**
     * @param listener null when nobody needs to hear of writes
     * @throws IllegalArgumentException when regions overlap
     */
    public DeviceMemory(List<Region> regions, WriteListener listener) {
        this.regions =
                regions.stream().sorted(Comparator.comparingLong(Region::gpa)).toList();
        this.listener = listener;
        int count = regions.size();
        gpa = new long[count];
        size = new long[count];
        delta = new long[count];
        for (int i = 0; i < count; i++) {
            Region region = this.regions.get(i);
            if (i > 0 && region.gpa() < this.regions.get(i - 1).end())
                throw new IllegalArgumentException(
                        "regions of guest memory overlap: " + this.regions.get(i - 1) + ", " + region);
            gpa[i] = region.gpa();
            size[i] = region.sizeBytes();
            delta[i] = region.hostAddress() - region.gpa();
        }
    }

    public List<Region> regions() {
        return regions;
    }

    /** The region that the address lies in, or -1. */
    private int find(long address) {
        int low = 0;
        int high = gpa.length - 1;
        while (low <= high) {
            int mid = low + high >>> 1;
            if (gpa[mid] <= address) low = mid + 1;
            else high = mid - 1;
        }
        return high >= 0 && address - gpa[high] < size[high] ? high : -1;
    }

    /**
     * Host address of an object of the guest that must lie in one region; 0 when it does not. A size of 0 or less is
     * never valid.
     */
    public long translate(long address, long sizeBytes) {
        int i = find(address);
        return i >= 0 && sizeBytes > 0 && sizeBytes <= size[i] - (address - gpa[i]) ? address + delta[i] : 0;
    }

    /**
     * The guest-physical address of a byte of this memory in this process, as {@link #add} has put it in a vector; -1
     * when it is none.
     */
    public long gpa(long hostAddress) {
        for (int i = 0; i < gpa.length; i++) {
            long offset = hostAddress - delta[i] - gpa[i];
            if (offset >= 0 && offset < size[i]) return gpa[i] + offset;
        }
        return -1;
    }

    /**
     * Adds a buffer of the guest to a vector, in as many pieces as it takes. @return false when not all of it is
     * memory; the vector then has a part of it
     */
    public boolean add(long address, long sizeBytes, IoVector to) {
        while (sizeBytes > 0) {
            int i = find(address);
            if (i < 0) return false;
            long piece = Math.min(sizeBytes, size[i] - (address - gpa[i]));
            to.add(address + delta[i], piece);
            address += piece;
            sizeBytes -= piece;
        }
        return true;
    }

    /** Whether {@link #written} is of use to anybody. */
    public boolean isWatched() {
        return listener != null;
    }

    /** A device has written these bytes. */
    public void written(long address, long sizeBytes) {
        if (listener != null) listener.written(address, sizeBytes);
    }
}
