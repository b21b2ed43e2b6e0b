package org.nestorvm.boot.acpi;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.File;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Reads the tables as a guest does, from the RSDP on; and lets ACPICA's compiler read them. */
class AcpiTablesTest {
    private static final long GPA = 0xe0000;
    private final byte[] memory = AcpiTables.build(AcpiPlatform.pc(2), GPA);
    private final ByteBuffer at = ByteBuffer.wrap(memory).order(ByteOrder.LITTLE_ENDIAN);

    private static AcpiPlatform everything(int cpus) {
        return new AcpiPlatform(
                cpus,
                0xfee00000L,
                0xfec00000L,
                24,
                0x600,
                24,
                9,
                0,
                0xcf9,
                6,
                0xfed00000L,
                0xb0000000L,
                256,
                new int[] {16, 17, 18, 19},
                0xc0000000L,
                0x3c000000L,
                1L << 36,
                1L << 34,
                new int[] {0x3f8, 0x2f8},
                new int[] {4, 3},
                true,
                false,
                0x505);
    }

    private static int sum(byte[] bytes, int from, int length) {
        int sum = 0;
        for (int i = from; i < from + length; i++) sum += bytes[i];
        return sum & 0xff;
    }

    /** Signature to offset, from the XSDT and the FADT. */
    private static Map<String, Integer> tables(byte[] memory) {
        ByteBuffer at = ByteBuffer.wrap(memory).order(ByteOrder.LITTLE_ENDIAN);
        Map<String, Integer> found = new LinkedHashMap<>();
        int xsdt = (int) (at.getLong(24) - GPA);
        found.put("XSDT", xsdt);
        for (int i = 36; i < at.getInt(xsdt + 4); i += 8) {
            int table = (int) (at.getLong(xsdt + i) - GPA);
            found.put(signature(memory, table), table);
        }
        found.put("DSDT", (int) (at.getLong(found.get("FACP") + 140) - GPA));
        return found;
    }

    private static String signature(byte[] memory, int offset) {
        return new String(memory, offset, 4, StandardCharsets.US_ASCII);
    }

    @Test
    void rootPointerIsValidInBothRevisions() {
        assertThat(new String(memory, 0, 8, StandardCharsets.US_ASCII)).isEqualTo("RSD PTR ");
        assertThat(sum(memory, 0, 20)).isZero();
        assertThat(sum(memory, 0, 36)).isZero();
    }

    @Test
    void everyTableSumsToZeroAndLiesInside() {
        for (int cpus : new int[] {1, 2, 64, 300}) {
            byte[] all = AcpiTables.build(everything(cpus), GPA);
            Map<String, Integer> tables = tables(all);
            assertThat(tables.keySet()).containsExactlyInAnyOrder("XSDT", "FACP", "APIC", "HPET", "MCFG", "DSDT");
            tables.forEach((name, offset) -> {
                assertThat(signature(all, offset)).isEqualTo(name);
                assertThat(sum(
                                all,
                                offset,
                                ByteBuffer.wrap(all)
                                        .order(ByteOrder.LITTLE_ENDIAN)
                                        .getInt(offset + 4)))
                        .as(name)
                        .isZero();
            });
        }
    }

    @Test
    void tablesOfAbsentHardwareAreAbsent() {
        assertThat(tables(memory)).doesNotContainKey("MCFG");
    }

    @Test
    void fixedHardwareIsWhereTheMachineHasIt() {
        int fadt = tables(memory).get("FACP");
        assertThat(at.getInt(fadt + 4)).isEqualTo(276);
        assertThat(at.getShort(fadt + 46)).isEqualTo((short) 9);
        assertThat(at.getInt(fadt + 56)).isEqualTo(0x600);
        assertThat(at.getInt(fadt + 64)).isEqualTo(0x604);
        assertThat(at.getInt(fadt + 76)).isEqualTo(0x608);
        assertThat(at.getLong(fadt + 116 + 4)).isEqualTo(0xcf9);
        assertThat(memory[fadt + 128]).isEqualTo((byte) 6);
        assertThat(at.getInt(fadt + 36) % 64).isZero();
        assertThat(signature(memory, (int) (at.getInt(fadt + 36) - GPA))).isEqualTo("FACS");
    }

    @Test
    void everyProcessorHasItsLocalApic() {
        int madt = tables(memory).get("APIC"), end = madt + at.getInt(madt + 4);
        int processors = 0, ioApics = 0;
        for (int entry = madt + 44; entry < end; entry += memory[entry + 1]) {
            assertThat((int) memory[entry + 1]).isPositive();
            if (memory[entry] == 0) assertThat((int) memory[entry + 3]).isEqualTo(processors++);
            if (memory[entry] == 1) ioApics++;
        }
        assertThat(processors).isEqualTo(2);
        assertThat(ioApics).isEqualTo(1);
    }

    @Test
    void unalignedAddressIsRefused() {
        assertThatThrownBy(() -> AcpiTables.build(AcpiPlatform.pc(1), 0xe0008)).hasMessageContaining("0xe0008");
    }

    /**
     * Disassembles every table and compiles the DSDT's source again: names, package lengths and resource descriptors
     * must agree.
     */
    @Test
    void acpicaReadsEveryTable(@TempDir Path directory) throws Exception {
        assumeTrue(onPath("iasl"), "skipped: iasl is not installed (Debian package acpica-tools)");
        byte[] all = AcpiTables.build(everything(3), GPA);
        Map<String, Integer> tables = tables(all);
        for (Map.Entry<String, Integer> table : tables.entrySet()) {
            int offset = table.getValue(),
                    length = ByteBuffer.wrap(all).order(ByteOrder.LITTLE_ENDIAN).getInt(offset + 4);
            Files.write(directory.resolve(table.getKey() + ".aml"), Arrays.copyOfRange(all, offset, offset + length));
            String said = iasl(directory, "-d", table.getKey() + ".aml");
            assertThat(said)
                    .as(table.getKey())
                    .doesNotContainIgnoringCase("error")
                    .doesNotContainIgnoringCase("warning")
                    .doesNotContain("Invalid");
            String source = Files.readString(directory.resolve(table.getKey() + ".dsl"));
            assertThat(source).as(table.getKey()).doesNotContain("Unknown").doesNotContain("Incorrect checksum");
        }
        assertThat(Files.readString(directory.resolve("DSDT.dsl")))
                .contains(
                        "_S5",
                        "EisaId (\"PNP0A08\")",
                        "EisaId (\"PNP0501\")",
                        "QWordMemory",
                        "C002",
                        "\"QEMU0001\"",
                        "0x0505");
        assertThat(Files.readString(directory.resolve("DSDT.dsl")))
                .as("sleep states besides power-off")
                .doesNotContain("_S1", "_S2", "_S3", "_S4");
        assertThat(iasl(directory, "-p", "again", "DSDT.dsl")).contains("0 Errors");
        assertThat(iasl(directory, "FACP.dsl")).contains("0 Errors");
    }

    private static boolean onPath(String program) {
        return Arrays.stream(System.getenv("PATH").split(File.pathSeparator))
                .anyMatch(folder -> Files.isExecutable(Path.of(folder, program)));
    }

    private static String iasl(Path directory, String... arguments) throws IOException, InterruptedException {
        ProcessBuilder builder =
                new ProcessBuilder("iasl").directory(directory.toFile()).redirectErrorStream(true);
        builder.command().addAll(List.of(arguments));
        Process process = builder.start();
        String said = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        assertThat(process.waitFor(60, TimeUnit.SECONDS)).isTrue();
        return said;
    }
}
