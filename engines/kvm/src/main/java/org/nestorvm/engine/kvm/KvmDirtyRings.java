package org.nestorvm.engine.kvm;

import java.util.ArrayList;
import java.util.List;
import org.nestorvm.memory.sys.Errno;
import org.nestorvm.memory.sys.ErrnoException;

/**
 * The dirty log of a machine whose processors report the pages they write in rings ({@link DirtyRing}); the kernel then
 * keeps no bitmap of a slot. The rings say when a page was first written, not for whom, so what is taken from them is
 * noted here for each slot until somebody collects it.
 *
 * <p>A page that was taken from a ring and reset is protected again at once. It is noted before that, and what is noted
 * is told before its reader looks at the page: a write before the reset is in what the reader sees, one after it makes
 * a new entry.
 *
 * <p>Hardware may keep what a running processor writes in a buffer of its own until the processor leaves the guest
 * (page modification log, SDM vol. 3C, 29.3.6). Such a page is told by a later collection, at the latest by the one
 * after the processor has stopped.
 *
 * <p>A processor whose ring is nearly full leaves the guest. It empties all rings itself and goes on, so a guest that
 * writes much runs slower and neither waits for a collector nor loses a page.
 *
 * <p>The kernel leaves room for what is written until the processor is out. KVM without hardware (kvm_pvm, Linux 6.18)
 * serves page faults without looking whether the ring is nearly full, and writes over entries that nobody has read. A
 * ring without an empty place is the sign of that; pages may be lost then, so the log fails instead of telling too few.
 * Hence {@link KvmEngine} offers no rings there.
 */
final class KvmDirtyRings {
    /** 4,096 entries, as QEMU's documentation advises. */
    static final int DEFAULT_BYTES = 4096 * (int) KvmStructs.DIRTY_GFN.byteSize();
    /**
     * Address space 0 in the upper half; the other one is that of system management mode, which no guest of ours has.
     */
    private static final int SLOT_MASK = 0xffff;

    private static final int ENOBUFS = 105;

    private final KvmFile vm;
    private final List<DirtyRing> rings = new ArrayList<>();
    /** One bit a page; null: the slot is not logged. */
    private final long[][] noted;

    private int timesFull;

    KvmDirtyRings(KvmFile vm, int slots) {
        this.vm = vm;
        noted = new long[slots][];
    }

    synchronized void add(DirtyRing ring) {
        rings.add(ring);
    }

    /** Before the ring's mapping goes. */
    synchronized void remove(DirtyRing ring) {
        ring.harvest(this::note);
        rings.remove(ring);
    }

    /**
     * Before the kernel starts to log the slot; entries of an earlier log are not for this one. @param words of the
     * slot's bitmap
     */
    synchronized void start(int slot, int words) throws ErrnoException {
        empty();
        noted[slot] = new long[words];
    }

    synchronized void stop(int slot) {
        noted[slot] = null;
    }

    synchronized void collect(int slot, long[] into) throws ErrnoException {
        empty();
        long[] words = noted[slot];
        if (words == null) return;
        for (int i = 0; i < words.length; i++) {
            into[i] |= words[i];
            words[i] = 0;
        }
    }

    /** The answer to KVM_EXIT_DIRTY_RING_FULL. */
    synchronized void full() throws ErrnoException {
        timesFull++;
        empty();
    }

    /** Takes all entries, then gives their places back and protects their pages. */
    private void empty() throws ErrnoException {
        int taken = 0;
        for (DirtyRing ring : rings) {
            int ofOne = ring.harvest(this::note);
            if (ofOne == ring.entries())
                throw new ErrnoException(
                        "dirty ring", vm + ", overrun by the kernel: use " + KvmEngine.DIRTY_LOG + "=bitmap", ENOBUFS);
            taken += ofOne;
        }
        if (taken > 0) reset();
    }

    /** A signal, which may be a kick, ends the call between two entries. */
    private void reset() throws ErrnoException {
        int result;
        do result = vm.tryIoctl(Kvm.RESET_DIRTY_RINGS, 0);
        while (result == -Errno.EINTR);
        if (result < 0) throw new ErrnoException("KVM_RESET_DIRTY_RINGS", vm.toString(), -result);
    }

    /** An entry may be older than the end of its slot's log. */
    private void note(int slot, long page) {
        long[] words = noted[slot & SLOT_MASK];
        if (words != null) words[(int) (page >>> 6)] |= 1L << page;
    }

    /** How often a processor had to leave the guest for its ring. */
    synchronized int timesFull() {
        return timesFull;
    }
}
