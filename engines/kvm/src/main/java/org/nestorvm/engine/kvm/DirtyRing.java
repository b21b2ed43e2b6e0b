package org.nestorvm.engine.kvm;

import static org.nestorvm.engine.kvm.CStruct.offset;

import org.nestorvm.memory.sys.ErrnoException;
import org.nestorvm.memory.sys.HostMemory;
import org.nestorvm.memory.sys.MemoryCalls;

/**
 * Pages that one processor wrote, in a ring that the kernel fills: the cost of a round is that of the pages written,
 * not of the memory there is. An entry goes from empty to dirty by the kernel, to harvested by us, back to empty by
 * KVM_RESET_DIRTY_RINGS. When it is nearly full the processor leaves with KVM_EXIT_DIRTY_RING_FULL. See
 * {@link KvmDirtyRings}.
 */
final class DirtyRing implements AutoCloseable {
    /** One page. @param page its number in the slot */
    interface Consumer {
        void dirty(int slot, long page);
    }

    private static final long FLAGS = offset(KvmStructs.DIRTY_GFN, "flags"),
            SLOT = offset(KvmStructs.DIRTY_GFN, "slot"),
            OFFSET = offset(KvmStructs.DIRTY_GFN, "offset");

    private final long address;
    private final long sizeBytes;
    private final int entries;
    private int next;

    private DirtyRing(long address, int sizeBytes) {
        this.address = address;
        this.sizeBytes = sizeBytes;
        entries = (int) (sizeBytes / KvmStructs.DIRTY_GFN.byteSize());
    }

    /** @param sizeBytes as the machine was told with KVM_CAP_DIRTY_LOG_RING */
    static DirtyRing map(KvmFile vcpu, int sizeBytes) throws ErrnoException {
        return new DirtyRing(
                MemoryCalls.mmap(
                        "dirty ring",
                        sizeBytes,
                        MemoryCalls.PROT_READ | MemoryCalls.PROT_WRITE,
                        MemoryCalls.MAP_SHARED,
                        vcpu.descriptor(),
                        (long) Kvm.DIRTY_LOG_PAGE_OFFSET * MemoryCalls.PAGE_BYTES),
                sizeBytes);
    }

    /** Takes what is there; by one thread at a time, also while the processor runs. @return how many pages */
    int harvest(Consumer consumer) {
        for (int count = 0; ; count++) {
            long entry = address + next * KvmStructs.DIRTY_GFN.byteSize();
            int flags = (int) HostMemory.ATOMIC_INT.getAcquire(
                    HostMemory.ALL, entry + FLAGS); // pairs with the kernel's release of a filled entry
            if ((flags & Kvm.DIRTY_GFN_F_DIRTY) == 0 || (flags & Kvm.DIRTY_GFN_F_RESET) != 0) return count;
            consumer.dirty(HostMemory.getInt(entry + SLOT), HostMemory.getLong(entry + OFFSET));
            HostMemory.ATOMIC_INT.setRelease(
                    HostMemory.ALL, entry + FLAGS, Kvm.DIRTY_GFN_F_RESET); // pairs with its acquire in the reset
            next = (next + 1) % entries;
        }
    }

    int entries() {
        return entries;
    }

    @Override
    public void close() {
        MemoryCalls.tryMunmap(address, sizeBytes);
    }
}
