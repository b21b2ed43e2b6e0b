package org.nestorvm.machine;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import org.nestorvm.vmm.MemoryMap;
import org.nestorvm.vmm.MemoryRange;

/** The memory map as QEMU's fw_cfg file {@code etc/e820} has it: address, length, type, packed, little endian. */
final class E820 {
    private static final int ENTRY_BYTES = 20, RAM = 1, RESERVED = 2;

    static byte[] table(MemoryMap map) {
        ByteBuffer out = ByteBuffer.allocate(ENTRY_BYTES * map.ranges().size()).order(ByteOrder.LITTLE_ENDIAN);
        for (MemoryRange range : map.ranges()) {
            if (range.isMemory()) out.putLong(range.gpa()).putLong(range.sizeBytes()).putInt(range.type() == MemoryRange.Type.RAM ? RAM : RESERVED);
        }
        byte[] table = new byte[out.position()];
        out.flip().get(table);
        return table;
    }

    private E820() {
    }
}
