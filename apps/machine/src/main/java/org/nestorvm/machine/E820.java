package org.nestorvm.machine;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.List;
import org.nestorvm.boot.FirmwareMap;
import org.nestorvm.vmm.MemoryMap;

/** The memory map as QEMU's fw_cfg file {@code etc/e820} has it: address, length, type, packed, little endian. */
final class E820 {
    private static final int ENTRY_BYTES = 20;

    static byte[] table(MemoryMap map) {
        List<FirmwareMap.Line> lines = FirmwareMap.lines(map.ranges());
        ByteBuffer out = ByteBuffer.allocate(ENTRY_BYTES * lines.size()).order(ByteOrder.LITTLE_ENDIAN);
        for (FirmwareMap.Line line : lines)
            out.putLong(line.start()).putLong(line.sizeBytes()).putInt(line.type());
        return out.array();
    }

    private E820() {}
}
