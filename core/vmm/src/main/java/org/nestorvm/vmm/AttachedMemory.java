package org.nestorvm.vmm;

import java.io.IOException;
import java.net.ProtocolException;
import java.util.ArrayList;
import java.util.List;
import org.nestorvm.memory.AddressSpace;
import org.nestorvm.memory.DescriptorChannel;
import org.nestorvm.memory.Mapping;
import org.nestorvm.memory.MemoryObject;

/**
 * The memory of a machine that lives in another process, mapped here. The pages stay as long as this does, whatever
 * becomes of the machine and of its process.
 */
public final class AttachedMemory implements AutoCloseable {
    private final MemoryOffer offer;
    private final List<MemorySlot> slots;
    private final GuestMemory memory;
    private boolean closed;

    private AttachedMemory(MemoryOffer offer, List<MemorySlot> slots) {
        this.offer = offer;
        this.slots = List.copyOf(slots);
        this.memory = new GuestMemory(slots);
    }

    /** See {@link GuestMemory#attach}. */
    static AttachedMemory receive(DescriptorChannel channel, MemoryMap expected, boolean sealed) throws IOException {
        try (DescriptorChannel.Message message = channel.receive(MemoryOffer.BYTES, MemoryMap.MAX_RANGES);
                Undo undo = new Undo()) {
            if (message == null)
                throw new ProtocolException(
                        channel + " was closed before memory was shared: the machine may have ended");
            MemoryOffer offer = MemoryOffer.parse(message.bytes());
            if (expected != null) offer.requireSame(expected);
            AttachedMemory attached = new AttachedMemory(offer, map(offer, message, undo));
            if (sealed) MemorySlot.seal(attached.slots);
            undo.keep();
            return attached;
        }
    }

    private static List<MemorySlot> map(MemoryOffer offer, DescriptorChannel.Message message, Undo undo)
            throws IOException {
        List<MemoryRange> ranges =
                offer.map().ranges().stream().filter(MemoryRange::isMemory).toList();
        if (message.descriptorCount() != ranges.size())
            throw new ProtocolException("machine \"" + offer.name() + "\" shares " + message.descriptorCount()
                    + " descriptors for " + ranges.size() + " ranges of memory");
        List<MemorySlot> slots = new ArrayList<>(ranges.size());
        for (int i = 0; i < ranges.size(); i++) {
            MemoryObject object = MemoryObject.adopt(
                    MemorySlot.objectName(offer.name(), ranges.get(i), i),
                    message.take(i),
                    ranges.get(i).sizeBytes());
            undo.add(object::release);
            Mapping mapping = AddressSpace.map(object, false);
            undo.add(mapping::unmap);
            slots.add(new MemorySlot(ranges.get(i), object, mapping));
        }
        return slots;
    }

    public GuestMemory memory() {
        return memory;
    }

    /** The machine's ranges, those without memory too. */
    public MemoryMap map() {
        return offer.map();
    }

    public List<MemorySlot> slots() {
        return slots;
    }

    /** The machine's id in the monitor that shares it. */
    public int id() {
        return offer.id();
    }

    public String name() {
        return offer.name();
    }

    /**
     * Unmaps, but for what was sealed, and drops the references. No thread may use the memory any more. A second call
     * does nothing.
     */
    @Override
    public synchronized void close() {
        if (closed) return;
        closed = true;
        memory.detach();
        try (Undo steps = new Undo()) {
            for (MemorySlot slot : slots) {
                steps.add(slot.object()::release);
                steps.add(slot.mapping()::unmap);
            }
        }
    }
}
