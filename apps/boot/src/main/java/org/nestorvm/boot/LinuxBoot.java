package org.nestorvm.boot;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import org.nestorvm.vmm.CpuState;

/**
 * The 64-bit boot protocol (Documentation/arch/x86/boot.rst, "64-bit Boot Protocol"; zero-page.rst for boot_params).
 * The payload is unpacked on the host and vmlinux entered at its linked address, which saves the guest the decompressor
 * and its page tables; a payload in a format that is not known goes in as it is, and the guest's own decompressor is
 * entered 200h after its start. So is a program without a payload, which has its own code there.
 */
final class LinuxBoot {
    private static final int ZERO_PAGE = 0x1000,
            ACPI_RSDP_ADDR = 0x070,
            EXT_RAMDISK_IMAGE = 0x0c0,
            EXT_RAMDISK_SIZE = 0x0c4,
            E820_ENTRIES = 0x1e8,
            E820_TABLE = 0x2d0,
            E820_ENTRY = 20,
            E820_MAX = 128;
    private static final int LOADER_UNDEFINED = 0xff;
    /**
     * KASLR_FLAG says to vmlinux that addresses were randomized, which nobody did. QUIET_FLAG is the guest's own
     * business.
     */
    private static final int KASLR_FLAG = 1 << 1;

    private static final int PAGE = 0x1000;

    static BootPlan plan(BootRequest request, Image image, GuestMap map) throws BootException {
        BzImage kernel = new BzImage(image);
        BootPlan plan = new BootPlan(image.name(), map);
        Payload format = kernel.format();
        long entry = format == null ? loadAsItIs(kernel, plan) : loadUnpacked(kernel, format, plan);
        byte[] zeroPage = new byte[ZERO_PAGE];
        byte[] header = kernel.setupHeader();
        System.arraycopy(header, 0, zeroPage, BzImage.SETUP_SECTS, header.length);
        ByteBuffer params = ByteBuffer.wrap(zeroPage).order(ByteOrder.LITTLE_ENDIAN);
        params.put(BzImage.TYPE_OF_LOADER, (byte) LOADER_UNDEFINED);
        params.put(BzImage.LOADFLAGS, (byte) (params.get(BzImage.LOADFLAGS) & ~KASLR_FLAG));
        params.putLong(ACPI_RSDP_ADDR, request.rsdpGpa());
        putMemoryMap(params, map);
        putCommandLine(plan, params, kernel, request.commandLine());
        if (request.initrd() != null) putInitrd(plan, params, kernel, request.readInitrd());
        plan.add("boot_params", BootLayout.START_INFO, zeroPage);
        plan.add("page tables", BootLayout.PAGE_TABLES, PageTables.identity(BootLayout.PAGE_TABLES));
        plan.add("GDT", BootLayout.GDT, EntryState.gdt(true));
        EntryState.longMode(plan.cpu(), entry, BootLayout.PAGE_TABLES);
        plan.cpu().gpr[CpuState.RSI] = BootLayout.START_INFO;
        plan.describe(description(kernel, format) + ", 64-bit entry at 0x" + Long.toHexString(entry));
        return plan;
    }

    private static String description(BzImage kernel, Payload format) throws BootException {
        if (!kernel.hasPayload()) return ("bzImage without a payload " + kernel.release()).strip();
        String unpacked =
                format == null ? "compressed, unpacks itself in the guest" : format.label() + ", unpacked on the host";
        return "Linux " + kernel.release() + ", " + unpacked;
    }

    private static long loadUnpacked(BzImage kernel, Payload format, BootPlan plan) throws BootException {
        Elf vmlinux = new Elf(kernel.unpack(format));
        vmlinux.load(plan);
        return vmlinux.physicalEntry();
    }

    /**
     * Where it was linked: a decompressor then needs no move. {@code init_size} bytes from there are the program's to
     * use.
     */
    private static long loadAsItIs(BzImage kernel, BootPlan plan) throws BootException {
        int start = kernel.protectedMode(), length = kernel.image().length() - start;
        long at = kernel.prefAddress();
        plan.add(
                "kernel",
                at,
                Math.max(kernel.initSize(), length),
                kernel.image().bytes(),
                start,
                length);
        return BzImage.entry64(at);
    }

    private static void putMemoryMap(ByteBuffer params, GuestMap map) {
        int count = Math.min(map.e820().size(), E820_MAX);
        params.put(E820_ENTRIES, (byte) count);
        for (int i = 0; i < count; i++) {
            FirmwareMap.Line line = map.e820().get(i);
            int at = E820_TABLE + i * E820_ENTRY;
            params.putLong(at, line.start()).putLong(at + 8, line.sizeBytes()).putInt(at + 16, line.type());
        }
    }

    private static void putCommandLine(BootPlan plan, ByteBuffer params, BzImage kernel, String text)
            throws BootException {
        int length = text.getBytes(StandardCharsets.UTF_8).length;
        long max = Math.min(kernel.commandLineMax(), BootLayout.COMMAND_LINE_MAX - 1);
        if (length > max)
            throw new BootException(
                    "--append: " + length + " bytes, this kernel takes at most " + max + "; shorten it");
        plan.addText("command line", BootLayout.COMMAND_LINE, text);
        params.putInt(BzImage.CMD_LINE_PTR, BootLayout.COMMAND_LINE);
    }

    private static void putInitrd(BootPlan plan, ByteBuffer params, BzImage kernel, Image initrd) throws BootException {
        if (initrd.length() == 0) throw initrd.error("it is empty", "pass an initramfs or leave --initrd out");
        long limit = Math.min(kernel.initrdAddressMax() + 1, BootLayout.GIB * 4);
        long at = plan.addHigh("--initrd " + initrd.name(), initrd.bytes(), PAGE, limit);
        params.putInt(BzImage.RAMDISK_IMAGE, (int) at).putInt(EXT_RAMDISK_IMAGE, (int) (at >>> 32));
        params.putInt(BzImage.RAMDISK_SIZE, initrd.length()).putInt(EXT_RAMDISK_SIZE, 0);
    }

    private LinuxBoot() {}
}
