package org.nestorvm.engine.kvm;

import static org.nestorvm.engine.kvm.CStruct.offset;

import java.lang.foreign.Arena;
import java.util.List;
import org.nestorvm.memory.sys.ErrnoException;
import org.nestorvm.memory.sys.HostMemory;

/**
 * Guest memory as KVM sees it: each slot is one mapping of a memory object. What lies in no slot leaves the guest as a
 * memory-mapped access, so holes and MMIO ranges need nothing here. KVM follows the host's page tables: a page taken
 * from an object is gone from the guest when the call that took it returns.
 */
final class KvmMemory {
    private static final long SLOT = offset(KvmStructs.USERSPACE_MEMORY_REGION2, "slot"),
            FLAGS = offset(KvmStructs.USERSPACE_MEMORY_REGION2, "flags");
    private static final long GPA = offset(KvmStructs.USERSPACE_MEMORY_REGION2, "guest_phys_addr"),
            SIZE = offset(KvmStructs.USERSPACE_MEMORY_REGION2, "memory_size");
    private static final long ADDRESS = offset(KvmStructs.USERSPACE_MEMORY_REGION2, "userspace_addr");
    private static final long LOG_SLOT = offset(KvmStructs.DIRTY_LOG, "slot"),
            LOG_BITMAP = offset(KvmStructs.DIRTY_LOG, "dirty_bitmap");
    private static final long CLEAR_SLOT = offset(KvmStructs.CLEAR_DIRTY_LOG, "slot"),
            CLEAR_PAGES = offset(KvmStructs.CLEAR_DIRTY_LOG, "num_pages");
    private static final long CLEAR_FIRST = offset(KvmStructs.CLEAR_DIRTY_LOG, "first_page"),
            CLEAR_BITMAP = offset(KvmStructs.CLEAR_DIRTY_LOG, "dirty_bitmap");

    /** @param readOnly writes leave the guest as memory-mapped accesses, for firmware */
    record Slot(long gpa, long sizeBytes, long hostAddress, boolean readOnly) {
        /** Words of a bitmap with one bit for each 4 KiB, as the kernel rounds it. */
        int bitmapWords() {
            return Math.toIntExact((sizeBytes >>> 12) + 63 >>> 6);
        }
    }

    private final KvmFile vm;
    private final boolean region2;
    private final List<Slot> slots;

    KvmMemory(KvmFile vm, boolean region2, List<Slot> slots) {
        this.vm = vm;
        this.region2 = region2;
        this.slots = List.copyOf(slots);
    }

    List<Slot> slots() {
        return slots;
    }

    void install() throws ErrnoException {
        for (int i = 0; i < slots.size(); i++) set(i, 0);
    }

    /**
     * Version 2 of the call takes the same fields and more, zero here; kernels before 6.8 have only version 1, which
     * reads the first half.
     */
    private void set(int index, int flags) throws ErrnoException {
        Slot slot = slots.get(index);
        long region = Scratch.zeroed(KvmStructs.USERSPACE_MEMORY_REGION2.byteSize());
        HostMemory.putInt(region + SLOT, index);
        HostMemory.putInt(region + FLAGS, flags | (slot.readOnly() ? Kvm.MEM_READONLY : 0));
        HostMemory.putLong(region + GPA, slot.gpa());
        HostMemory.putLong(region + SIZE, slot.sizeBytes());
        HostMemory.putLong(region + ADDRESS, slot.hostAddress());
        if (region2) vm.ioctl("KVM_SET_USER_MEMORY_REGION2", Kvm.SET_USER_MEMORY_REGION2, region);
        else vm.ioctl("KVM_SET_USER_MEMORY_REGION", Kvm.SET_USER_MEMORY_REGION, region);
    }

    /** From now on the kernel notes which pages of the slot are written, or stops doing so. */
    void logDirtyPages(int slot, boolean on) throws ErrnoException {
        if (!slots.get(slot).readOnly()) set(slot, on ? Kvm.MEM_LOG_DIRTY_PAGES : 0);
    }

    /**
     * The pages of a slot written since they were last cleared: bit n of word n/64 is page n. Clears too, unless the
     * machine clears by hand ({@link KvmVm#clearDirtyByHand}). A slot that cannot be written has none.
     */
    long[] dirtyPages(int slot) throws ErrnoException {
        if (slots.get(slot).readOnly()) return new long[slots.get(slot).bitmapWords()];
        long[] words = new long[slots.get(slot).bitmapWords()];
        try (Arena arena = Arena.ofConfined()) {
            long bitmap = arena.allocate(8L * words.length, 8).address();
            long log = Scratch.zeroed(KvmStructs.DIRTY_LOG.byteSize());
            HostMemory.putInt(log + LOG_SLOT, slot);
            HostMemory.putLong(log + LOG_BITMAP, bitmap);
            vm.ioctl("KVM_GET_DIRTY_LOG", Kvm.GET_DIRTY_LOG, log);
            for (int i = 0; i < words.length; i++) words[i] = HostMemory.getLong(bitmap + 8L * i);
        }
        return words;
    }

    /**
     * Protects pages again: just before they are copied, so that a write after the copy is noted.
     *
     * @param firstWord the word of {@link #dirtyPages} that {@code words} starts with
     */
    void clearDirty(int slot, int firstWord, long[] words) throws ErrnoException {
        long pages = Math.min(64L * words.length, (slots.get(slot).sizeBytes() >>> 12) - 64L * firstWord);
        try (Arena arena = Arena.ofConfined()) {
            long bitmap = arena.allocate(8L * words.length, 8).address();
            for (int i = 0; i < words.length; i++) HostMemory.putLong(bitmap + 8L * i, words[i]);
            long clear = Scratch.zeroed(KvmStructs.CLEAR_DIRTY_LOG.byteSize());
            HostMemory.putInt(clear + CLEAR_SLOT, slot);
            HostMemory.putInt(clear + CLEAR_PAGES, (int) pages);
            HostMemory.putLong(clear + CLEAR_FIRST, 64L * firstWord);
            HostMemory.putLong(clear + CLEAR_BITMAP, bitmap);
            vm.ioctl("KVM_CLEAR_DIRTY_LOG", Kvm.CLEAR_DIRTY_LOG, clear);
        }
    }
}
