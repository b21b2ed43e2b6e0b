package org.nestorvm.boot;

import java.util.List;
import org.nestorvm.vmm.CpuState;

/**
 * The PVH boot protocol (Xen's docs/misc/pvh.pandoc; public/arch-x86/hvm/start_info.h): an ELF note names a 32-bit
 * entry point, EBX points to hvm_start_info version 1.
 */
final class PvhBoot {
    static final String NOTE_OWNER = "Xen";
    static final int PHYS32_ENTRY = 18;
    private static final long MAGIC = 0x336ec578L;
    private static final int START_INFO_SIZE = 56, MODULE_SIZE = 32, PAGE = 0x1000;

    static BootPlan plan(BootRequest request, Image kernel, Elf elf, long entry, GuestMap map) throws BootException {
        if (entry >>> 32 != 0)
            throw kernel.error(
                    "PVH entry point 0x" + Long.toHexString(entry) + ", it must be below 4 GiB",
                    "link the kernel lower");
        BootPlan plan = new BootPlan(kernel.name(), map);
        elf.load(plan);
        if (!plan.covers(entry))
            throw kernel.error(
                    "PVH entry point 0x" + Long.toHexString(entry) + " is in none of its segments",
                    "it is damaged, link it again");
        BootLayout.addCommandLine(plan, request.commandLine());
        Image initrd = request.initrd() == null ? null : request.readInitrd();
        long initrdAt = initrd == null
                ? 0
                : plan.addHigh("--initrd " + initrd.name(), initrd.bytes(), PAGE, BootLayout.GIB * 4);
        plan.add(
                "hvm_start_info",
                BootLayout.START_INFO,
                startInfo(map.e820(), initrdAt, initrd == null ? -1 : initrd.length(), request.rsdpGpa()));
        plan.add("GDT", BootLayout.GDT, EntryState.gdt(false));
        EntryState.protectedMode(plan.cpu(), entry);
        plan.cpu().gpr[CpuState.RBX] = BootLayout.START_INFO;
        plan.describe((elf.is64() ? "ELF64" : "ELF32") + " with PVH, 32-bit entry at 0x" + Long.toHexString(entry));
        return plan;
    }

    /** hvm_start_info, the module's entry if there is one, the memory map. */
    private static byte[] startInfo(List<FirmwareMap.Line> memory, long initrdAt, int initrdSize, long rsdp) {
        int modules = initrdSize < 0 ? 0 : 1;
        long moduleList = modules == 0 ? 0 : BootLayout.START_INFO + START_INFO_SIZE;
        long memoryMap = BootLayout.START_INFO + START_INFO_SIZE + (long) modules * MODULE_SIZE;
        Bytes info = new Bytes();
        info.u32(MAGIC).u32(1).u32(0).u32(modules); // version 1, flags
        info.u64(moduleList).u64(BootLayout.COMMAND_LINE).u64(rsdp);
        info.u64(memoryMap).u32(memory.size()).u32(0);
        if (modules != 0) info.u64(initrdAt).u64(initrdSize).u64(0).u64(0);
        for (FirmwareMap.Line line : memory)
            info.u64(line.start()).u64(line.sizeBytes()).u32(line.type()).u32(0);
        return info.toArray();
    }

    private PvhBoot() {}
}
