package org.nestorvm.machine;

import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.function.Function;
import org.nestorvm.boot.Boot;
import org.nestorvm.boot.BootPlan;
import org.nestorvm.boot.BootRequest;
import org.nestorvm.vmm.CpuState;
import org.nestorvm.vmm.GuestMemory;
import org.nestorvm.vmm.MemoryRange;

/** Where a machine's first program comes from. */
@FunctionalInterface
public interface Loader {
    /**
     * Reads and checks everything before a machine exists.
     *
     * @param memory the machine's ranges, ascending
     * @param rsdpGpa where the ACPI tables begin
     * @throws IOException with one line for the user
     */
    Program plan(List<MemoryRange> memory, long rsdpGpa) throws IOException;

    /** A program that is known to fit. */
    interface Program {
        /** Writes it. @return the state in which the boot processor starts */
        CpuState place(GuestMemory memory);

        /** One line: what it is and how it is entered. */
        String description();
    }

    /** A Linux bzImage, ELF with PVH, or multiboot kernel. @param initrd null for none */
    static Loader kernel(Path kernel, String initrd, String commandLine) {
        return kernel(kernel, initrd, null, commandLine);
    }

    /** A Linux kernel with an initrd and an archive after it, whose files replace those of the first. */
    static Loader kernel(Path kernel, String initrd, byte[] moreInitrd, String commandLine) {
        return (memory, rsdpGpa) -> {
            BootPlan plan = Boot.plan(new BootRequest(kernel, initrd, moreInitrd, commandLine, memory, rsdpGpa));
            return program(plan.description(), guest -> {
                plan.place(guest);
                return plan.cpu();
            });
        };
    }

    /** Bytes at an address, and any state to start in. */
    static Loader flat(long gpa, byte[] code, CpuState start) {
        return (memory, rsdpGpa) -> program(code.length + " bytes at 0x" + Long.toHexString(gpa), guest -> {
            guest.write(gpa, code, 0, code.length);
            return start;
        });
    }

    private static Program program(String description, Function<GuestMemory, CpuState> place) {
        return new Program() {
            @Override
            public CpuState place(GuestMemory memory) {
                return place.apply(memory);
            }

            @Override
            public String description() {
                return description;
            }
        };
    }
}
