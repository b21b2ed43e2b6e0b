package org.nestorvm.engine.kvm;

import static java.lang.foreign.MemoryLayout.PathElement.groupElement;

import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemoryLayout.PathElement;
import java.lang.foreign.StructLayout;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.List;

/**
 * Words for C structures: the members in the header's order, padded as the System V x86-64 ABI pads them. Little
 * endian, as every host of KVM on x86 is.
 */
final class CStruct {
    private CStruct() {}

    static StructLayout struct(String name, MemoryLayout... members) {
        List<MemoryLayout> padded = new ArrayList<>();
        long offset = 0;
        long alignment = 1;
        for (MemoryLayout member : members) {
            offset = pad(padded, offset, member.byteAlignment());
            padded.add(member);
            offset += member.byteSize();
            alignment = Math.max(alignment, member.byteAlignment());
        }
        pad(padded, offset, alignment);
        return MemoryLayout.structLayout(padded.toArray(MemoryLayout[]::new)).withName(name);
    }

    private static long pad(List<MemoryLayout> members, long offset, long alignment) {
        long padding = -offset & alignment - 1;
        if (padding != 0) members.add(MemoryLayout.paddingLayout(padding));
        return offset + padding;
    }

    static MemoryLayout u8(String name) {
        return ValueLayout.JAVA_BYTE.withName(name);
    }

    static MemoryLayout u16(String name) {
        return ValueLayout.JAVA_SHORT.withOrder(ByteOrder.LITTLE_ENDIAN).withName(name);
    }

    static MemoryLayout u32(String name) {
        return ValueLayout.JAVA_INT.withOrder(ByteOrder.LITTLE_ENDIAN).withName(name);
    }

    static MemoryLayout u64(String name) {
        return ValueLayout.JAVA_LONG.withOrder(ByteOrder.LITTLE_ENDIAN).withName(name);
    }

    static MemoryLayout u8(String name, long count) {
        return MemoryLayout.sequenceLayout(count, u8(name)).withName(name);
    }

    static MemoryLayout u32(String name, long count) {
        return MemoryLayout.sequenceLayout(count, u32(name)).withName(name);
    }

    static MemoryLayout u64(String name, long count) {
        return MemoryLayout.sequenceLayout(count, u64(name)).withName(name);
    }

    static MemoryLayout array(String name, long count, MemoryLayout element) {
        return MemoryLayout.sequenceLayout(count, element).withName(name);
    }

    /** A union of the members, at least {@code sizeBytes} long. */
    static MemoryLayout union(String name, long sizeBytes, MemoryLayout... members) {
        MemoryLayout[] all = java.util.Arrays.copyOf(members, members.length + 1);
        all[members.length] = u8("padding", sizeBytes);
        return MemoryLayout.unionLayout(all).withName(name);
    }

    /** Where a member starts; {@code path} names members from the outside in, separated by dots. */
    static long offset(MemoryLayout layout, String path) {
        return layout.byteOffset(elements(path));
    }

    static long size(MemoryLayout layout, String path) {
        return layout.select(elements(path)).byteSize();
    }

    private static PathElement[] elements(String path) {
        String[] names = path.split("\\.");
        PathElement[] elements = new PathElement[names.length];
        for (int i = 0; i < names.length; i++) elements[i] = groupElement(names[i]);
        return elements;
    }
}
