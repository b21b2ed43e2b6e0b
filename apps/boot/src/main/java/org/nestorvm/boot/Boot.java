package org.nestorvm.boot;

/** Tells kernels apart and plans their start: Linux bzImage, ELF with a PVH note, multiboot, in this order. */
public final class Boot {
    /** @throws BootException with one line for the user; nothing has been written anywhere */
    public static BootPlan plan(BootRequest request) throws BootException {
        return plan(request, Image.read("--kernel", request.kernel()));
    }

    static BootPlan plan(BootRequest request, Image kernel) throws BootException {
        GuestMap map = new GuestMap(request.memory());
        if (BzImage.matches(kernel)) return LinuxBoot.plan(request, kernel, map);
        MultibootHeader multiboot = MultibootHeader.find(kernel);
        if (Elf.matches(kernel)) {
            Elf elf = new Elf(kernel);
            long entry = elf.note(PvhBoot.NOTE_OWNER, PvhBoot.PHYS32_ENTRY);
            if (entry >= 0) return PvhBoot.plan(request, kernel, elf, entry, map);
            if (multiboot == null)
                throw kernel.error(
                        "an ELF file with neither a PVH note nor a multiboot header",
                        "pass a bzImage, or an ELF kernel that has one of them");
        }
        if (multiboot != null) return MultibootBoot.plan(request, kernel, multiboot, map);
        throw kernel.error(
                "not a kernel: neither a Linux bzImage nor ELF nor multiboot", "pass one of these to --kernel");
    }

    /** A flat binary for tests: real mode, loaded and entered at 1000h. */
    public static BootPlan planFlat(BootRequest request) throws BootException {
        Image image = Image.read("--kernel", request.kernel());
        BootPlan plan = new BootPlan(image.name(), new GuestMap(request.memory()));
        plan.add("flat binary", BootLayout.FLAT, image.bytes());
        EntryState.realMode(plan.cpu(), BootLayout.FLAT);
        plan.describe("flat binary, real mode at 0x" + Integer.toHexString(BootLayout.FLAT));
        return plan;
    }

    private Boot() {}
}
