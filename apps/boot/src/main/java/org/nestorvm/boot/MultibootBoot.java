package org.nestorvm.boot;

import java.util.ArrayList;
import java.util.List;
import org.nestorvm.memory.sys.HostText;
import org.nestorvm.vmm.CpuState;

/**
 * Multiboot 1 (Multiboot Specification 0.6.96): 32-bit entry with EAX = 2BADB002h and EBX at the information structure.
 * The kernel is ELF32, ELF64 (whose first code is 32 bit, loaded at its physical addresses), or any file whose header
 * carries the address fields.
 */
final class MultibootBoot {
    private static final long BOOT_MAGIC = 0x2badb002L;
    private static final int INFO_MEMORY = 1,
            INFO_CMDLINE = 1 << 2,
            INFO_MODULES = 1 << 3,
            INFO_MMAP = 1 << 6,
            INFO_LOADER_NAME = 1 << 9;
    private static final int INFO_SIZE = 116, MODULE_SIZE = 16, PAGE = 0x1000, MAX_INFO = 0x1000;
    private static final String LOADER_NAME = "nestor";

    /** A module in guest memory: [start, end). */
    private record Module(long start, long end, String text) {}

    /** One entry of the list that {@code --initrd} gives. */
    record ModuleArgument(String file, String text) {}

    static BootPlan plan(BootRequest request, Image kernel, MultibootHeader header, GuestMap map) throws BootException {
        BootPlan plan = new BootPlan(kernel.name(), map);
        String kind;
        long entry;
        if (header.has(MultibootHeader.ADDRESSES)) {
            kind = "address fields";
            entry = loadByAddresses(kernel, header, plan);
        } else {
            if (!Elf.matches(kernel))
                throw kernel.error(
                        "a multiboot header without address fields in a file that is not ELF",
                        "link the kernel as ELF or set bit 16 of the header's flags");
            Elf elf = new Elf(kernel);
            kind = elf.is64() ? "ELF64" : "ELF32";
            elf.load(plan);
            entry = elf.physicalEntry();
        }
        if (entry >>> 32 != 0 || !plan.covers(entry))
            throw kernel.error(
                    "entry point 0x" + Long.toHexString(entry) + " is in none of its segments",
                    "it is damaged, link it again");
        BootLayout.addCommandLine(plan, (kernel.name() + " " + request.commandLine()).trim());
        List<Module> modules = addModules(plan, request.initrd());
        plan.add("multiboot information", BootLayout.START_INFO, information(map, modules));
        plan.add("GDT", BootLayout.GDT, EntryState.gdt(false));
        EntryState.protectedMode(plan.cpu(), entry);
        plan.cpu().gpr[CpuState.RAX] = BOOT_MAGIC;
        plan.cpu().gpr[CpuState.RBX] = BootLayout.START_INFO;
        plan.describe("multiboot 1, " + kind + ", " + modules.size() + (modules.size() == 1 ? " module" : " modules")
                + ", 32-bit entry at 0x" + Long.toHexString(entry));
        return plan;
    }

    /**
     * 3.1.3: the header's own address tells which file offset is {@code load_addr}; 0 in load_end_addr is the file's
     * end, 0 in bss_end_addr no bss.
     */
    private static long loadByAddresses(Image kernel, MultibootHeader header, BootPlan plan) throws BootException {
        long start = header.offset() - (header.headerAddress() - header.loadAddress());
        long length = header.loadEnd() == 0 ? kernel.length() - start : header.loadEnd() - header.loadAddress();
        long size = header.bssEnd() == 0 ? length : header.bssEnd() - header.loadAddress();
        if (header.headerAddress() < header.loadAddress() || start < 0 || length <= 0 || !kernel.has(start, length)) {
            throw kernel.error(
                    "multiboot load_addr 0x" + Long.toHexString(header.loadAddress()) + " and load_end_addr 0x"
                            + Long.toHexString(header.loadEnd()) + " ask for 0x" + Long.toHexString(length)
                            + " bytes at offset 0x" + Long.toHexString(start) + " of a file of 0x"
                            + Integer.toHexString(kernel.length()),
                    "it is truncated or its header is wrong");
        }
        if (size < length)
            throw kernel.error(
                    "multiboot bss_end_addr 0x" + Long.toHexString(header.bssEnd()) + " is below load_end_addr",
                    "correct the header");
        plan.add("kernel", header.loadAddress(), size, kernel.bytes(), (int) start, (int) length);
        return header.entry();
    }

    private static List<Module> addModules(BootPlan plan, String list) throws BootException {
        List<Module> modules = new ArrayList<>();
        if (list == null) return modules;
        for (ModuleArgument argument : parse(list)) {
            Image image = Image.read("--initrd", HostText.path(argument.file));
            if (image.length() == 0) throw image.error("the module is empty", "leave it out");
            long at = plan.addHigh("--initrd " + image.name(), image.bytes(), PAGE, BootLayout.GIB * 4);
            modules.add(new Module(at, at + image.length(), argument.text));
        }
        return modules;
    }

    /** {@code a.bin,b.bin x=1,,2}: two modules, with the strings "a.bin" and "b.bin x=1,2". */
    static List<ModuleArgument> parse(String list) {
        List<ModuleArgument> modules = new ArrayList<>();
        for (String part : list.replace(",,", "\0").split(",")) {
            String text = part.replace('\0', ',').strip();
            int space = text.indexOf(' ');
            if (!text.isEmpty()) modules.add(new ModuleArgument(space < 0 ? text : text.substring(0, space), text));
        }
        return modules;
    }

    /** 3.3, with what it points to behind it: module list, memory map, strings. */
    private static byte[] information(GuestMap map, List<Module> modules) throws BootException {
        Bytes strings = new Bytes();
        long moduleList = BootLayout.START_INFO + INFO_SIZE,
                memoryMap = moduleList + (long) modules.size() * MODULE_SIZE;
        byte[] memory = memoryMap(map);
        long stringsAt = memoryMap + memory.length;
        Bytes info = new Bytes();
        info.u32(INFO_MEMORY | INFO_CMDLINE | INFO_MODULES | INFO_MMAP | INFO_LOADER_NAME);
        info.u32(lowerKib(map)).u32(upperKib(map)).u32(0).u32(BootLayout.COMMAND_LINE);
        info.u32(modules.size()).u32(moduleList).zeros(16);
        info.u32(memory.length).u32(memoryMap).u32(0).u32(0).u32(0);
        info.u32(stringsAt).zeros(INFO_SIZE - info.size());
        strings.string(LOADER_NAME);
        for (Module module : modules) {
            info.u32(module.start)
                    .u32(module.end)
                    .u32(stringsAt + strings.size())
                    .u32(0);
            strings.string(module.text);
        }
        info.raw(memory).raw(strings.toArray());
        if (info.size() > MAX_INFO)
            throw new BootException("--initrd: " + modules.size() + " modules need " + info.size()
                    + " bytes of multiboot information, at most " + MAX_INFO + "; pass fewer or shorter ones");
        return info.toArray();
    }

    private static byte[] memoryMap(GuestMap map) {
        Bytes lines = new Bytes();
        for (FirmwareMap.Line line : map.e820())
            lines.u32(20).u64(line.start()).u64(line.sizeBytes()).u32(line.type());
        return lines.toArray();
    }

    /** KiB from address 0. */
    private static long lowerKib(GuestMap map) {
        return map.ram().isEmpty() || map.ram().getFirst().start() != 0
                ? 0
                : Math.min(map.ram().getFirst().end(), 640 << 10) >> 10;
    }

    /** KiB from 1 MiB up to the first hole. */
    private static long upperKib(GuestMap map) {
        for (GuestMap.Run run : map.ram()) {
            if (run.start() <= BootLayout.MIB && run.end() > BootLayout.MIB)
                return Math.min(run.end() - BootLayout.MIB, BootLayout.GIB * 4) >> 10;
        }
        return 0;
    }

    private MultibootBoot() {}
}
