package org.nestorvm.boot;

import java.nio.charset.StandardCharsets;

/**
 * The guest-physical addresses that loaders use below 1 MiB; everything else follows from the image or from where RAM
 * ends.
 */
final class BootLayout {
    static final int GDT = 0x500, GDT_SIZE = 0x30;
    /** Linux's boot_params, or the start information of PVH and multiboot. */
    static final int START_INFO = 0x7000;

    static final int PAGE_TABLES = 0x9000;
    static final int COMMAND_LINE = 0x20000;
    /** Room for the command line with its NUL: more than any kernel reads (COMMAND_LINE_SIZE of Linux is 2048). */
    static final int COMMAND_LINE_MAX = 0x10000;
    /** Where flat test images go, and the smallest address at which a kernel may have its segments. */
    static final int FLAT = 0x1000;

    static final long MIB = 1L << 20, GIB = 1L << 30;

    /** The command line for the protocols that set no limit of their own. */
    static void addCommandLine(BootPlan plan, String text) throws BootException {
        int length = text.getBytes(StandardCharsets.UTF_8).length;
        if (length >= COMMAND_LINE_MAX)
            throw new BootException(
                    "--append: " + length + " bytes, at most " + (COMMAND_LINE_MAX - 1) + " are allowed; shorten it");
        plan.addText("command line", COMMAND_LINE, text);
    }

    private BootLayout() {}
}
