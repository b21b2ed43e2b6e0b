package org.nestorvm.boot;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.nestorvm.boot.TestImages.elf;
import static org.nestorvm.boot.TestImages.multiboot;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.nestorvm.vmm.CpuState;

/** PVH and multiboot kernels, as their first instruction would find the machine. */
class ElfBootTest {
    @TempDir
    Path directory;

    private BootPlan plan(byte[] kernel, String initrd) throws IOException {
        return Boot.plan(new BootRequest(
                Files.write(directory.resolve("kernel"), kernel), initrd, "a=1 b", TestMemory.RANGES, 0xe0000));
    }

    private String file(String name, String content) throws IOException {
        return Files.writeString(directory.resolve(name), content).toString();
    }

    private static void assertProtectedMode(CpuState cpu) {
        assertThat(cpu.cr0).isEqualTo(0x11);
        assertThat(cpu.cr4).isZero();
        assertThat(cpu.efer).isZero();
        assertThat(cpu.rflags & 0x200).as("IF").isZero();
        for (int s = CpuState.ES; s <= CpuState.GS; s++) {
            assertThat(cpu.base[s]).isZero();
            assertThat(cpu.limit[s]).isEqualTo(-1);
            assertThat(cpu.access[s]).isEqualTo(s == CpuState.CS ? 0xc09b : 0xc093);
        }
        assertThat(cpu.access[CpuState.TR]).isEqualTo(0x8b);
        assertThat(cpu.limit[CpuState.TR]).isEqualTo(0x67);
    }

    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void pvhKernelGetsItsStartInformation(boolean is64) throws IOException {
        BootPlan plan = plan(elf(is64, TestImages.PVH_ENTRY, new byte[0]), file("initrd", "root"));
        TestMemory memory = new TestMemory(plan);
        assertProtectedMode(plan.cpu());
        assertThat(plan.cpu().rip).isEqualTo(TestImages.PVH_ENTRY);
        long info = plan.cpu().gpr[CpuState.RBX];
        assertThat(memory.u32(info)).isEqualTo(0x336ec578L);
        assertThat(memory.u32(info + 4)).isEqualTo(1);
        assertThat(memory.text(memory.u64(info + 24))).isEqualTo("a=1 b");
        assertThat(memory.u64(info + 32)).isEqualTo(0xe0000);
        assertThat(memory.u32(info + 12)).isEqualTo(1);
        long module = memory.u64(info + 16);
        assertThat(memory.bytes(memory.u64(module), 4)).isEqualTo(TestMemory.ascii("root"));
        assertThat(memory.u64(module + 8)).isEqualTo(4);
        long map = memory.u64(info + 40);
        assertThat(memory.u32(info + 48)).isEqualTo(3);
        assertThat(memory.u64(map + 48)).isEqualTo(0x100000);
        assertThat(memory.u32(map + 64)).isEqualTo(1);
        assertThat(memory.bytes(TestImages.TEXT, TestImages.TEXT_SIZE)).isEqualTo(TestImages.text());
        assertThat(memory.bytes(TestImages.DATA + TestImages.DATA_SIZE, 1000)).containsOnly(0);
    }

    @Test
    void pvhEntryOutsideTheKernelIsRefused() {
        assertThatThrownBy(() -> plan(elf(true, 0x700000, new byte[0]), null))
                .hasMessageContaining("0x700000 is in none of its segments");
        assertThatThrownBy(() -> plan(elf(true, 0x1_0040_0000L, new byte[0]), null))
                .hasMessageContaining("below 4 GiB");
    }

    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void multibootElfGetsModulesWithTheirStrings(boolean is64) throws IOException {
        String first = file("one.bin", "11"), second = file("two.bin", "2222");
        BootPlan plan = plan(elf(is64, -1, multiboot(3, 0, 0, 0, 0)), first + "," + second + " x=1,,2");
        TestMemory memory = new TestMemory(plan);
        assertProtectedMode(plan.cpu());
        assertThat(plan.cpu().gpr[CpuState.RAX]).isEqualTo(0x2badb002L);
        assertThat(plan.cpu().rip).isEqualTo(TestImages.TEXT + 0x10);
        long info = plan.cpu().gpr[CpuState.RBX];
        assertThat(memory.u32(info)).isEqualTo(1 | 4 | 8 | 64 | 512);
        assertThat(memory.u32(info + 4))
                .as("without the extended BIOS data area")
                .isEqualTo(639);
        assertThat(memory.u32(info + 8)).isEqualTo((TestMemory.SIZE >> 10) - 1024);
        assertThat(memory.text(memory.u32(info + 16))).isEqualTo(directory.resolve("kernel") + " a=1 b");
        assertThat(memory.u32(info + 20)).isEqualTo(2);
        long modules = memory.u32(info + 24);
        assertThat(memory.bytes(memory.u32(modules), 2)).isEqualTo(TestMemory.ascii("11"));
        assertThat(memory.u32(modules + 4) - memory.u32(modules)).isEqualTo(2);
        assertThat(memory.text(memory.u32(modules + 8))).isEqualTo(first);
        assertThat(memory.bytes(memory.u32(modules + 16), 4)).isEqualTo(TestMemory.ascii("2222"));
        assertThat(memory.u32(modules + 16) % 4096).isZero();
        assertThat(memory.text(memory.u32(modules + 24))).isEqualTo(second + " x=1,2");
        assertThat(memory.u32(info + 44)).isEqualTo(3 * 24);
        long map = memory.u32(info + 48);
        assertThat(memory.u32(map)).isEqualTo(20);
        assertThat(memory.u64(map + 4 + 24 * 2)).isEqualTo(0x100000);
        assertThat(memory.text(memory.u32(info + 64))).isEqualTo("nestor");
    }

    @Test
    void multibootAddressFieldsPlaceAFlatFile() throws IOException {
        byte[] body = TestImages.text();
        byte[] header = multiboot(0, 0x200000, 0x200000 + 3000, 0x200000 + 9000, 0x200030);
        System.arraycopy(header, 0, body, 0, header.length);
        byte[] file = new Bytes().zeros(64).raw(body).toArray();
        BootPlan plan = plan(file, null);
        TestMemory memory = new TestMemory(plan);
        assertThat(plan.cpu().rip).isEqualTo(0x200030);
        assertThat(memory.bytes(0x200000, 3000)).isEqualTo(Arrays.copyOf(body, 3000));
        assertThat(memory.bytes(0x200000 + 3000, 6000)).containsOnly(0);
        assertThat(memory.u8(0x200000 + 9000)).isEqualTo(TestMemory.GARBAGE & 0xff);
        assertThat(plan.description()).contains("address fields", "0 modules");
    }

    @Test
    void multibootAddressFieldsThatLieAreRefused() {
        assertThatThrownBy(() -> plan(multiboot(0, 0x200000, 0x300000, 0, 0x200020), null))
                .hasMessageContaining("load_end_addr 0x300000");
        assertThatThrownBy(() -> plan(multiboot(0, 0x200000, 0x100000, 0, 0x200020), null))
                .hasMessageContaining("load_end_addr 0x100000");
        assertThatThrownBy(() -> plan(multiboot(0, 0x9ffff0, 0, 0xffffff0L, 0x9ffff0), null))
                .hasMessageContaining("not wholly in guest memory");
        assertThatThrownBy(() -> plan(multiboot(0, 0x200000, 0, 0, 0x300000), null))
                .hasMessageContaining("entry point 0x300000");
        assertThatThrownBy(() -> plan(multiboot(8, 0, 0, 0, 0), null)).hasMessageContaining("flags 0x8");
        assertThatThrownBy(() -> plan(multiboot(3, 0, 0, 0, 0), null)).hasMessageContaining("without address fields");
    }

    @Test
    void moduleListIsSplitAtSingleCommas() {
        assertThat(MultibootBoot.parse("a,,b x,c ,"))
                .containsExactly(
                        new MultibootBoot.ModuleArgument("a,b", "a,b x"), new MultibootBoot.ModuleArgument("c", "c"));
    }

    @Test
    void whatIsNoKernelIsRefusedInOneLine() {
        assertThatThrownBy(() -> plan(TestMemory.ascii("#!/bin/sh\n"), null))
                .isInstanceOf(BootException.class)
                .hasMessageContaining("not a kernel")
                .hasMessageContaining(directory.resolve("kernel").toString());
        assertThatThrownBy(() -> plan(new byte[0], null)).hasMessageContaining("not a kernel");
        assertThatThrownBy(() -> plan(elf(true, -1, new byte[0]), null))
                .hasMessageContaining("neither a PVH note nor a multiboot header");
        assertThatThrownBy(() -> Boot.plan(new BootRequest(directory.resolve("none"), null, "", TestMemory.RANGES, 0)))
                .hasMessageContaining("none: no such file");
        assertThatThrownBy(() -> Boot.plan(new BootRequest(directory, null, "", TestMemory.RANGES, 0)))
                .hasMessageContaining("is a directory");
    }

    @Test
    void flatBinaryRunsInRealMode() throws IOException {
        BootPlan plan = Boot.planFlat(new BootRequest(
                Files.write(directory.resolve("flat"), new byte[] {(byte) 0xf4}), null, "", TestMemory.RANGES, 0));
        assertThat(new TestMemory(plan).u8(0x1000)).isEqualTo(0xf4);
        assertThat(plan.cpu().rip + plan.cpu().base[CpuState.CS]).isEqualTo(0x1000);
        assertThat(plan.cpu().cr0 & 1).isZero();
    }
}
