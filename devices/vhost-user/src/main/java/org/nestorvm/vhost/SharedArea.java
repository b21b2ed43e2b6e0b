package org.nestorvm.vhost;

import java.io.IOException;
import org.nestorvm.memory.AddressSpace;
import org.nestorvm.memory.Mapping;
import org.nestorvm.memory.MemoryObject;

/** A piece of a memory file of the front end that is no guest memory, mapped here: a dirty log, in-flight regions. */
final class SharedArea {
    private final MemoryObject object;
    private final Mapping mapping;
    private final long offset, sizeBytes;

    /** @param descriptor the area's from now on, even when this fails */
    SharedArea(String name, int descriptor, long offset, long sizeBytes, int alignment) throws IOException {
        object = MemoryObject.adoptForeign(name, descriptor);
        this.offset = offset;
        this.sizeBytes = sizeBytes;
        try {
            if (offset < 0 || sizeBytes <= 0 || offset > object.sizeBytes() - sizeBytes)
                throw new ProtocolException(
                        name + ": " + sizeBytes + " bytes at " + offset + " are not inside " + object);
            if (offset % alignment != 0)
                throw new ProtocolException(name + ": offset " + offset + " is not a multiple of " + alignment);
            mapping = AddressSpace.map(object, false);
        } catch (Throwable t) {
            object.release();
            throw t;
        }
    }

    long hostAddress() {
        return mapping.hostAddress() + offset;
    }

    long sizeBytes() {
        return sizeBytes;
    }

    void release() throws IOException {
        mapping.unmap();
        object.release();
    }
}
