package org.nestorvm.boot;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.nestorvm.boot.TestImages.bzImage;
import static org.nestorvm.boot.TestImages.elf;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.nestorvm.vmm.CpuState;
import org.nestorvm.vmm.MemoryRange;

/** Starts kernels made here, and looks at memory and registers as the kernel's first instruction would find them. */
class LinuxBootTest {
    private static final byte[] VMLINUX = elf(true, -1, new byte[0]);
    private static final String COMMAND_LINE = "console=ttyS0 quiet";

    @TempDir
    Path directory;

    private BootPlan plan(byte[] kernel, byte[] initrd, String commandLine) throws IOException {
        String path = initrd == null
                ? null
                : Files.write(directory.resolve("initrd"), initrd).toString();
        return Boot.plan(new BootRequest(
                Files.write(directory.resolve("vmlinuz"), kernel), path, commandLine, TestMemory.RANGES, 0xe0000));
    }

    @ParameterizedTest
    @EnumSource(Payload.class)
    void payloadIsUnpackedToItsLinkedAddress(Payload format) throws IOException {
        BootPlan plan = plan(bzImage(format, VMLINUX), null, COMMAND_LINE);
        TestMemory memory = new TestMemory(plan);
        assertThat(memory.bytes(TestImages.TEXT, TestImages.TEXT_SIZE)).isEqualTo(TestImages.text());
        assertThat(memory.bytes(TestImages.DATA, TestImages.DATA_SIZE)).isEqualTo(TestImages.data());
        assertThat(memory.bytes(TestImages.DATA + TestImages.DATA_SIZE, TestImages.DATA_MEMORY - TestImages.DATA_SIZE))
                .containsOnly(0);
        assertThat(memory.u8(TestImages.DATA + TestImages.DATA_MEMORY)).isEqualTo(TestMemory.GARBAGE & 0xff);
        assertThat(plan.cpu().rip).isEqualTo(TestImages.TEXT + 0x10);
        assertThat(plan.description()).contains("6.1.99-test", format.label(), "0x400010");
    }

    @Test
    void unknownPayloadGoesInAsItIsAndIsEnteredAtItsSixtyFourBitEntry() throws IOException {
        BootPlan plan = plan(bzImage(null, VMLINUX), null, COMMAND_LINE);
        TestMemory memory = new TestMemory(plan);
        assertThat(plan.cpu().rip).isEqualTo(0x400200);
        assertThat(memory.bytes(0x400000 + 0x301, 3)).isEqualTo(TestMemory.ascii("LZO"));
        assertThat(plan.end()).isEqualTo(0x600000); // init_size is kept free
        assertThat(plan.description()).contains("unpacks itself in the guest");
    }

    /** What memtest86+ is: a setup header whose payload fields are 0. */
    @Test
    void programWithoutAPayloadIsEnteredAtItsSixtyFourBitEntry() throws IOException {
        byte[] program = bzImage(Payload.GZIP, VMLINUX);
        TestImages.put(program, BzImage.PAYLOAD_OFFSET, 4, 0);
        TestImages.put(program, BzImage.PAYLOAD_LENGTH, 4, 0);
        BootPlan plan = plan(program, null, COMMAND_LINE);
        TestMemory memory = new TestMemory(plan);
        assertThat(plan.cpu().rip).isEqualTo(0x400200);
        assertThat(memory.bytes(0x400000, program.length - 0x800))
                .isEqualTo(Arrays.copyOfRange(program, 0x800, program.length));
        assertThat(plan.end()).as("init_size is kept free").isEqualTo(0x600000);
        assertThat(memory.text(memory.u32(plan.cpu().gpr[CpuState.RSI] + 0x228)))
                .isEqualTo(COMMAND_LINE);
        assertThat(plan.description()).startsWith("bzImage without a payload 6.1.99-test, 64-bit entry at 0x400200");
    }

    @Test
    void zeroPageTellsMemoryCommandLineInitrdAndTables() throws IOException {
        byte[] initrd = new byte[10_000];
        initrd[0] = 7;
        BootPlan plan = plan(bzImage(Payload.GZIP, VMLINUX), initrd, COMMAND_LINE);
        TestMemory memory = new TestMemory(plan);
        long params = plan.cpu().gpr[CpuState.RSI];
        assertThat(memory.u32(params + 0x202)).isEqualTo(0x53726448L);
        assertThat(memory.u8(params + 0x210)).isEqualTo(0xff);
        assertThat(memory.u8(params + 0x211))
                .as("LOADED_HIGH stays, KASLR_FLAG goes")
                .isEqualTo(1);
        assertThat(memory.u64(params + 0x70)).isEqualTo(0xe0000);
        assertThat(memory.text(memory.u32(params + 0x228))).isEqualTo(COMMAND_LINE);
        long at = memory.u32(params + 0x218);
        assertThat(at % 4096).isZero();
        assertThat(memory.u32(params + 0x21c)).isEqualTo(initrd.length);
        assertThat(memory.bytes(at, initrd.length)).isEqualTo(initrd);
        assertThat(memory.u8(params + 0x1e8)).isEqualTo(3);
        assertThat(memory.u64(params + 0x2d0 + 8)).isEqualTo(0x9fc00);
        assertThat(memory.u64(params + 0x2d0 + 20))
                .as("the extended BIOS data area and all up to 1 MiB")
                .isEqualTo(0x9fc00);
        assertThat(memory.u32(params + 0x2d0 + 36)).as("reserved").isEqualTo(2);
        assertThat(memory.u64(params + 0x2d0 + 40)).isEqualTo(0x100000);
        assertThat(memory.u64(params + 0x2d0 + 48)).isEqualTo(TestMemory.SIZE - 0x100000);
        assertThat(memory.u32(params + 0x2d0 + 56)).isEqualTo(1);
    }

    @Test
    void processorIsInLongModeWithIdentityPages() throws IOException {
        BootPlan plan = plan(bzImage(Payload.GZIP, VMLINUX), null, "");
        TestMemory memory = new TestMemory(plan);
        CpuState cpu = plan.cpu();
        assertThat(cpu.cr0).isEqualTo(0x80000011L);
        assertThat(cpu.cr4).isEqualTo(0x20);
        assertThat(cpu.efer).isEqualTo(0x500);
        assertThat(cpu.rflags).isEqualTo(2);
        for (long address : new long[] {0, 0x1234567, 0xfee00000L, 0xffffffffL})
            assertThat(walk(memory, cpu.cr3, address)).isEqualTo(address);
        assertThat(memory.u64(cpu.gdtrBase + cpu.selector[CpuState.CS])).isEqualTo(0x00af9b000000ffffL);
        assertThat(memory.u64(cpu.gdtrBase + cpu.selector[CpuState.DS])).isEqualTo(0x00cf93000000ffffL);
    }

    private static long walk(TestMemory memory, long cr3, long address) throws BootException {
        long directoryPointer = memory.u64(cr3 + (address >>> 39 & 511) * 8) & ~0xfffL;
        long directory = memory.u64(directoryPointer + (address >>> 30 & 511) * 8) & ~0xfffL;
        long entry = memory.u64(directory + (address >>> 21 & 511) * 8);
        assertThat(entry & 0x81).isEqualTo(0x81);
        return (entry & ~0x1fffffL) + (address & 0x1fffff);
    }

    @Test
    void tooLittleMemoryNamesTheSizeThatIsEnough() throws IOException {
        Path kernel = Files.write(directory.resolve("vmlinuz"), bzImage(Payload.GZIP, VMLINUX));
        List<MemoryRange> tiny = List.of(new MemoryRange(0, 0x450000, MemoryRange.Type.RAM));
        assertThatThrownBy(() -> Boot.plan(new BootRequest(kernel, null, "", tiny, 0)))
                .isInstanceOf(BootException.class)
                .hasMessageContaining("ELF segment 1")
                .hasMessageContaining("0x500000+0x30d40")
                .hasMessageContaining("--memory 64M or more");
    }

    @Test
    void initrdThatDoesNotFitIsRefused() {
        assertThatThrownBy(() -> plan(bzImage(Payload.GZIP, VMLINUX), new byte[12 << 20], ""))
                .isInstanceOf(BootException.class)
                .hasMessageContaining("--initrd")
                .hasMessageContaining("12582912 bytes do not fit")
                .hasMessageContaining("larger --memory");
    }

    @Test
    void commandLineLongerThanTheKernelTakesIsRefused() {
        assertThatThrownBy(() -> plan(bzImage(Payload.GZIP, VMLINUX), null, "x".repeat(2048)))
                .hasMessage("--append: 2048 bytes, this kernel takes at most 2047; shorten it");
    }

    @Test
    void sizeThatDoesNotMatchThePayloadIsRefused() throws IOException {
        for (Payload format : Payload.values()) {
            byte[] image = bzImage(format, VMLINUX);
            for (long wrong : new long[] {VMLINUX.length - 1, VMLINUX.length + 1, 0, 0xffffffffL}) {
                TestImages.put(image, image.length - 64 - 4, 4, wrong);
                assertThatThrownBy(() -> plan(image, null, ""))
                        .as(format + " " + wrong)
                        .isInstanceOf(BootException.class)
                        .hasMessageContaining("payload")
                        .hasMessageNotContaining("\n");
            }
        }
    }

    @Test
    void oldAndThirtyTwoBitKernelsAreRefused() throws IOException {
        byte[] old = bzImage(Payload.GZIP, VMLINUX), narrow = old.clone();
        TestImages.put(old, BzImage.VERSION, 2, 0x20a);
        TestImages.put(narrow, BzImage.XLOADFLAGS, 2, 0);
        assertThatThrownBy(() -> plan(old, null, "")).hasMessageContaining("boot protocol 2.10");
        assertThatThrownBy(() -> plan(narrow, null, "")).hasMessageContaining("32 bit");
    }
}
