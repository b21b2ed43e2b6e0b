package org.nestorvm.vmm;

import java.io.IOException;
import java.util.List;
import java.util.Locale;
import org.nestorvm.memory.Mapping;
import org.nestorvm.memory.MemoryObject;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A range of guest memory with the object that backs it and the object's mapping in this process. Byte n of the range
 * is byte n of the object, in every process. A slot holds one reference to its object, the mapping another.
 */
public record MemorySlot(MemoryRange range, MemoryObject object, Mapping mapping) {
    private static final Logger LOG = LoggerFactory.getLogger(MemorySlot.class);

    public long gpa() {
        return range.gpa();
    }

    public long sizeBytes() {
        return range.sizeBytes();
    }

    /** Where the range begins in this process. */
    public long hostAddress() {
        return mapping.hostAddress();
    }

    /** What an object is called in /proc: {@code vm1.ram0}. @param index of the range among those that have memory */
    static String objectName(String machine, MemoryRange range, int index) {
        return machine + "." + range.type().name().toLowerCase(Locale.ROOT) + index;
    }

    /**
     * Makes all mappings immutable: the last step of creating and attaching, since there is no way back from it. If the
     * first is refused nothing has happened; if a later one is, the mapping stays as it is and says so
     * ({@link Mapping#sealed}).
     */
    static void seal(List<MemorySlot> slots) throws IOException {
        slots.getFirst().mapping().seal();
        for (MemorySlot slot : slots.subList(1, slots.size())) {
            try {
                slot.mapping().seal();
            } catch (IOException e) {
                LOG.warn(
                        "{} stays unsealed, since a sealed neighbour cannot be taken back any more: {}",
                        slot.mapping(),
                        e.getMessage());
            }
        }
    }
}
