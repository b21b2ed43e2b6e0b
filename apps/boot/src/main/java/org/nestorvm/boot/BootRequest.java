package org.nestorvm.boot;

import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import org.nestorvm.memory.sys.HostText;
import org.nestorvm.vmm.MemoryRange;

/**
 * What a guest is started from.
 *
 * @param initrd null for none; a file, and for a multiboot kernel a list of modules: {@code FILE [ARGUMENTS][,FILE
 *     [ARGUMENTS]...]}, where {@code ,,} is a comma
 * @param moreInitrd an archive that follows the initrd, which Linux unpacks as well; null for none
 * @param commandLine may be empty
 * @param memory the machine's ranges, ascending
 * @param rsdpGpa where the ACPI tables begin; 0 for a machine without
 */
public record BootRequest(
        Path kernel, String initrd, byte[] moreInitrd, String commandLine, List<MemoryRange> memory, long rsdpGpa) {
    private static final int ARCHIVE_ALIGNMENT = 4;

    public BootRequest(Path kernel, String initrd, String commandLine, List<MemoryRange> memory, long rsdpGpa) {
        this(kernel, initrd, null, commandLine, memory, rsdpGpa);
    }

    /** An archive begins at a multiple of four bytes; zeroes before it are skipped. */
    Image readInitrd() throws BootException {
        Image image = Image.read("--initrd", HostText.path(initrd));
        if (moreInitrd == null) return image;
        int length = image.length(), start = length + ARCHIVE_ALIGNMENT - 1 & -ARCHIVE_ALIGNMENT;
        byte[] both = Arrays.copyOf(Arrays.copyOf(image.bytes(), length), start + moreInitrd.length);
        System.arraycopy(moreInitrd, 0, both, start, moreInitrd.length);
        return new Image(image.name(), both);
    }
}
