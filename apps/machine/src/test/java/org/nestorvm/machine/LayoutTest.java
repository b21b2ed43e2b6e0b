package org.nestorvm.machine;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assertions.assertEquals;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import org.junit.jupiter.api.Test;
import org.nestorvm.boot.acpi.AcpiTables;
import org.nestorvm.vmm.MemoryMap;
import org.nestorvm.vmm.MemoryRange;

class LayoutTest {
    @Test
    void theTablesLieInTheReservedRangeAndFit() {
        assertThat(Layout.ACPI_TABLES).isGreaterThanOrEqualTo(MemoryMap.CONVENTIONAL_END);
        assertThat(Layout.ACPI_TABLES_END).isLessThanOrEqualTo(MemoryMap.FIRST_MIB);
        for (int cpus : new int[] {1, 64})
            assertThat(Board.acpiTables(cpus).length).isLessThanOrEqualTo(AcpiTables.MAX_BYTES);
    }

    @Test
    void windowsOfDevicesHoldNoMemory() {
        for (MemoryRange range : MemoryMap.pc(MemoryMap.MAX_MEMORY_BYTES).ranges()) {
            if (!range.isMemory()) continue;
            for (long[] window : new long[][] {
                {Layout.PCI_MEMORY, Layout.PCI_MEMORY_BYTES},
                {Layout.IO_APIC, 0x1000},
                {Layout.HPET, 0x1000},
                {Layout.LOCAL_APIC, 0x1000},
                {Layout.PCI_MEMORY_64, Layout.PCI_MEMORY_64_BYTES}
            }) {
                assertThat(window[0] + window[1] <= range.gpa() || window[0] >= range.end())
                        .as(range + " and 0x" + Long.toHexString(window[0]))
                        .isTrue();
            }
        }
    }

    @Test
    void e820() {
        ByteBuffer table = ByteBuffer.wrap(E820.table(MemoryMap.pc(5L << 30))).order(ByteOrder.LITTLE_ENDIAN);
        assertEquals(4 * 20, table.capacity());
        assertEquals(0x9fc00, table.getLong(8));
        assertEquals(0x9fc00, table.getLong(20));
        assertEquals(0x100000 - 0x9fc00, table.getLong(28));
        assertEquals(2, table.getInt(36));
        assertEquals(0xc0000000L - 0x100000, table.getLong(48));
        assertEquals(1L << 32, table.getLong(60));
        assertEquals(2L << 30, table.getLong(68));
    }
}
