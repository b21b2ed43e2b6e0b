package org.nestorvm.vmm;

import org.nestorvm.memory.Mapping;
import org.nestorvm.memory.MemoryObject;

/**
 * A range of guest memory with the object that backs it and the object's mapping in this process. Byte n of the range is byte n of the object,
 * in every process. A slot holds one reference to its object, the mapping another.
 */
public record MemorySlot(MemoryRange range, MemoryObject object, Mapping mapping) {
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
}
