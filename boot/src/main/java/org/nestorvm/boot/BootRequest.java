package org.nestorvm.boot;

import java.nio.file.Path;
import java.util.List;
import org.nestorvm.vmm.MemoryRange;

/**
 * What a guest is started from.
 *
 * @param initrd null for none; a file, and for a multiboot kernel a list of modules: {@code FILE [ARGUMENTS][,FILE [ARGUMENTS]...]}, where {@code ,,} is a comma
 * @param commandLine may be empty
 * @param memory the machine's ranges, ascending
 * @param rsdpGpa where the ACPI tables begin; 0 for a machine without
 */
public record BootRequest(Path kernel, String initrd, String commandLine, List<MemoryRange> memory, long rsdpGpa) {
    Image readInitrd() throws BootException {
        return Image.read("--initrd", Path.of(initrd));
    }
}
