package org.nestorvm.vmm;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.util.List;
import java.util.Objects;
import org.nestorvm.memory.DescriptorChannel;
import org.nestorvm.memory.sys.HostMemory;

/**
 * A VM's memory as seen from this process. Bounds-safe; an access that is not wholly inside memory throws
 * {@link GuestAddressException} and has touched nothing. Memory is RAM and RESERVED; MMIO ranges and holes are not.
 *
 * <p>Accesses of 1, 2, 4 and 8 bytes inside one slot are single loads and stores (naturally aligned ones are atomic).
 * What spans two slots that adjoin is split at the border; a view or a translated length never spans.
 *
 * <p>Any thread may use it while it holds a reference to the machine ({@link Vmm#find},
 * {@link VirtualMachine#reference}) or runs one of its virtual CPUs: host addresses and views are valid just so long.
 * Afterwards every access throws; but an access that another thread's close overtakes reaches memory that is no longer
 * mapped, so do hold one.
 */
public final class GuestMemory {
    private SlotIndex index;

    GuestMemory(List<MemorySlot> slots) {
        index = new SlotIndex(slots);
    }

    /**
     * Maps the memory that the process at the other end shares ({@link Vmm#share}). All or nothing: after an exception
     * this process's mappings, descriptors and objects are as before.
     *
     * @param expected what the memory must consist of; null to take any, see {@link AttachedMemory#map}
     * @param sealed make the mappings immutable where the kernel can: they then live until this process ends
     * @throws VmRefusedException when number, type, address or size of the ranges differ from what is expected; the
     *     message says which
     * @throws IOException when the peer breaks the protocol, offers files that are not what it says, or the host cannot
     *     map them
     */
    public static AttachedMemory attach(DescriptorChannel channel, MemoryMap expected, boolean sealed)
            throws IOException {
        return AttachedMemory.receive(channel, expected, sealed);
    }

    /**
     * Guest-physical to host-virtual: the host address of the byte at {@code gpa}, or 0 when no memory is there. O(log
     * slots), allocates nothing.
     */
    public long translate(long gpa) {
        SlotIndex slots = index;
        int i = slots.candidate(gpa);
        return Long.compareUnsigned(gpa - slots.gpa[i], slots.size[i]) < 0 ? gpa + slots.delta[i] : 0;
    }

    /** The same for {@code sizeBytes} bytes that must lie in one slot; 0 otherwise. Length 0 or less is never valid. */
    public long translate(long gpa, long sizeBytes) {
        SlotIndex slots = index;
        int i = slots.candidate(gpa);
        return slots.inside(i, gpa, sizeBytes) ? gpa + slots.delta[i] : 0;
    }

    /**
     * All of an object that the guest placed lies inside memory, in one range; it may end exactly at the range's end.
     */
    public boolean containsObject(long gpa, long sizeBytes) {
        return translate(gpa, sizeBytes) != 0;
    }

    /** All bytes are memory, be it in several slots that adjoin. Length 0 or less is never valid. */
    public boolean contains(long gpa, long sizeBytes) {
        return index.contains(gpa, sizeBytes);
    }

    /**
     * A view of one piece of one slot, bounded to it. For a device that keeps a ring or a buffer.
     *
     * <p>Writes through a view are not seen by a dirty log: tell {@link #markDirty}.
     */
    public MemorySegment view(long gpa, long sizeBytes) {
        return HostMemory.ALL.asSlice(locate(gpa, sizeBytes), sizeBytes);
    }

    /**
     * Says that {@code sizeBytes} bytes were written through a view or a translated address. Needed only where a dirty
     * log may run.
     */
    public void markDirty(long gpa, long sizeBytes) {
        SlotIndex slots = requireInside(gpa, sizeBytes);
        for (long done = 0; done < sizeBytes; ) {
            int i = slots.candidate(gpa + done);
            long piece = Math.min(sizeBytes - done, slots.room(gpa + done));
            wrote(slots, i, gpa + done, piece);
            done += piece;
        }
    }

    /** Copies; may cross from one slot into an adjacent one. Length 0 is a valid copy of nothing wherever it points. */
    public void read(long gpa, byte[] to, int offset, int length) {
        Objects.checkFromIndexSize(offset, length, to.length);
        read(gpa, MemorySegment.ofArray(to), offset, length);
    }

    public void write(long gpa, byte[] from, int offset, int length) {
        Objects.checkFromIndexSize(offset, length, from.length);
        write(gpa, MemorySegment.ofArray(from), offset, length);
    }

    /** Fills the buffer's remaining bytes, and moves its position to its limit. */
    public void read(long gpa, ByteBuffer to) {
        read(gpa, MemorySegment.ofBuffer(to), 0, to.remaining());
        to.position(to.limit());
    }

    /** Writes the buffer's remaining bytes, and moves its position to its limit. */
    public void write(long gpa, ByteBuffer from) {
        write(gpa, MemorySegment.ofBuffer(from), 0, from.remaining());
        from.position(from.limit());
    }

    public void read(long gpa, MemorySegment to, long offset, long sizeBytes) {
        Objects.checkFromIndexSize(offset, sizeBytes, to.byteSize());
        SlotIndex slots = requireInside(gpa, sizeBytes);
        for (long done = 0; done < sizeBytes; ) {
            int i = slots.candidate(gpa + done);
            long piece = Math.min(sizeBytes - done, slots.room(gpa + done));
            MemorySegment.copy(HostMemory.ALL, gpa + done + slots.delta[i], to, offset + done, piece);
            done += piece;
        }
    }

    public void write(long gpa, MemorySegment from, long offset, long sizeBytes) {
        Objects.checkFromIndexSize(offset, sizeBytes, from.byteSize());
        SlotIndex slots = requireInside(gpa, sizeBytes);
        for (long done = 0; done < sizeBytes; ) {
            int i = slots.candidate(gpa + done);
            long piece = Math.min(sizeBytes - done, slots.room(gpa + done));
            MemorySegment.copy(from, offset + done, HostMemory.ALL, gpa + done + slots.delta[i], piece);
            wrote(slots, i, gpa + done, piece);
            done += piece;
        }
    }

    public void fill(long gpa, long sizeBytes, byte value) {
        SlotIndex slots = requireInside(gpa, sizeBytes);
        for (long done = 0; done < sizeBytes; ) {
            int i = slots.candidate(gpa + done);
            long piece = Math.min(sizeBytes - done, slots.room(gpa + done));
            HostMemory.fill(gpa + done + slots.delta[i], piece, value);
            wrote(slots, i, gpa + done, piece);
            done += piece;
        }
    }

    public byte getByte(long gpa) {
        return HostMemory.getByte(locate(gpa, Byte.BYTES));
    }

    public void putByte(long gpa, byte value) {
        SlotIndex slots = index;
        int i = slots.find(gpa);
        if (i < 0) throw new GuestAddressException(gpa, Byte.BYTES);
        HostMemory.putByte(gpa + slots.delta[i], value);
        wrote(slots, i, gpa, Byte.BYTES);
    }

    public short getShort(long gpa) {
        long at = translate(gpa, Short.BYTES);
        return at != 0 ? HostMemory.getShort(at) : (short) gather(gpa, Short.BYTES);
    }

    public void putShort(long gpa, short value) {
        SlotIndex slots = index;
        int i = slots.candidate(gpa);
        if (slots.inside(i, gpa, Short.BYTES)) {
            HostMemory.putShort(gpa + slots.delta[i], value);
            wrote(slots, i, gpa, Short.BYTES);
        } else {
            scatter(gpa, Short.BYTES, value);
        }
    }

    public int getInt(long gpa) {
        long at = translate(gpa, Integer.BYTES);
        return at != 0 ? HostMemory.getInt(at) : (int) gather(gpa, Integer.BYTES);
    }

    public void putInt(long gpa, int value) {
        SlotIndex slots = index;
        int i = slots.candidate(gpa);
        if (slots.inside(i, gpa, Integer.BYTES)) {
            HostMemory.putInt(gpa + slots.delta[i], value);
            wrote(slots, i, gpa, Integer.BYTES);
        } else {
            scatter(gpa, Integer.BYTES, value);
        }
    }

    public long getLong(long gpa) {
        long at = translate(gpa, Long.BYTES);
        return at != 0 ? HostMemory.getLong(at) : gather(gpa, Long.BYTES);
    }

    public void putLong(long gpa, long value) {
        SlotIndex slots = index;
        int i = slots.candidate(gpa);
        if (slots.inside(i, gpa, Long.BYTES)) {
            HostMemory.putLong(gpa + slots.delta[i], value);
            wrote(slots, i, gpa, Long.BYTES);
        } else {
            scatter(gpa, Long.BYTES, value);
        }
    }

    SlotIndex index() {
        return index;
    }

    /** The mappings are about to go: from here on nothing translates. */
    void detach() {
        index = SlotIndex.EMPTY;
    }

    private long locate(long gpa, long sizeBytes) {
        long at = translate(gpa, sizeBytes);
        if (at == 0) throw new GuestAddressException(gpa, sizeBytes);
        return at;
    }

    /** @return the index that was asked, so that a copy uses the same */
    private SlotIndex requireInside(long gpa, long sizeBytes) {
        SlotIndex slots = index;
        if (sizeBytes != 0 && !slots.contains(gpa, sizeBytes)) throw new GuestAddressException(gpa, sizeBytes);
        return slots;
    }

    /** A little-endian value that spans two adjoining slots. */
    private long gather(long gpa, int sizeBytes) {
        requireInside(gpa, sizeBytes);
        long value = 0;
        for (int i = 0; i < sizeBytes; i++) value |= (getByte(gpa + i) & 0xffL) << 8 * i;
        return value;
    }

    private void scatter(long gpa, int sizeBytes, long value) {
        requireInside(gpa, sizeBytes);
        for (int i = 0; i < sizeBytes; i++) putByte(gpa + i, (byte) (value >>> 8 * i));
    }

    /**
     * The data first, then the mark: a collection in between leaves the mark for the next one, which then reads the
     * data.
     */
    private static void wrote(SlotIndex slots, int i, long gpa, long sizeBytes) {
        DirtyLog log = slots.log(i);
        if (log != null) log.mark(gpa - slots.gpa[i], sizeBytes);
    }
}
