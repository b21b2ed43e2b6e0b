package org.nestorvm.vmm;

import java.util.Objects;
import java.util.regex.Pattern;
import org.nestorvm.memory.Pages;
import org.nestorvm.paging.EntryFormat;

/**
 * What {@link Vmm#create} makes a machine from. Checked when made, so that a configuration that exists is a valid one.
 *
 * @param name 1 to 63 bytes: a letter, then letters, digits, {@code . - _}
 * @param memory the guest-physical layout
 * @param vcpus virtual CPUs, 1 to {@value #MAX_VCPUS}
 * @param owner whose memory limit the machine counts against
 * @param sealed make the mappings immutable: they then live until this process ends, so this is for a process that runs
 *     one machine
 * @param pages what the memory objects consist of; ranges of memory must be multiples of the size
 * @param format the nested page table's entry format
 * @param engine what runs the virtual CPUs; null to {@linkplain VirtualMachine#attach attach} one later
 * @param options for the engine; null exactly when that is
 */
public record VmConfig(
        String name,
        MemoryMap memory,
        int vcpus,
        String owner,
        boolean sealed,
        Pages pages,
        EntryFormat format,
        Engine engine,
        EngineOptions options) {
    public static final int MAX_VCPUS = 64, MAX_NAME_BYTES = 63;
    private static final Pattern NAME = Pattern.compile("[A-Za-z][A-Za-z0-9._-]*");

    public VmConfig {
        checkName(name);
        Objects.requireNonNull(memory, "memory");
        Objects.requireNonNull(owner, "owner");
        Objects.requireNonNull(pages, "pages");
        Objects.requireNonNull(format, "format");
        for (MemoryRange range : memory.ranges())
            if (range.isMemory() && range.sizeBytes() % pages.bytes() != 0)
                throw new VmRefusedException("machine \"" + name + "\": " + range + " is no multiple of the "
                        + pages.bytes() + "-byte pages asked for; use smaller pages");
        if (vcpus < 1 || vcpus > MAX_VCPUS)
            throw new VmRefusedException(
                    "machine \"" + name + "\" asks for " + vcpus + " virtual CPUs: there must be 1 to " + MAX_VCPUS);
        if ((engine == null) != (options == null))
            throw new VmRefusedException("machine \"" + name + "\": an engine and its options come together");
    }

    /** One virtual CPU, owned by the user of this process, not sealed, EPT entries, no engine yet. */
    public static VmConfig of(String name, MemoryMap memory) {
        return new VmConfig(
                name,
                memory,
                1,
                System.getProperty("user.name", "unknown"),
                false,
                Pages.SMALL,
                EntryFormat.EPT,
                null,
                null);
    }

    public VmConfig withVcpus(int count) {
        return new VmConfig(name, memory, count, owner, sealed, pages, format, engine, options);
    }

    public VmConfig withOwner(String newOwner) {
        return new VmConfig(name, memory, vcpus, newOwner, sealed, pages, format, engine, options);
    }

    public VmConfig withSealed(boolean seal) {
        return new VmConfig(name, memory, vcpus, owner, seal, pages, format, engine, options);
    }

    public VmConfig withPages(Pages newPages) {
        return new VmConfig(name, memory, vcpus, owner, sealed, newPages, format, engine, options);
    }

    public VmConfig withFormat(EntryFormat newFormat) {
        return new VmConfig(name, memory, vcpus, owner, sealed, pages, newFormat, engine, options);
    }

    public VmConfig withEngine(Engine newEngine, EngineOptions newOptions) {
        return new VmConfig(name, memory, vcpus, owner, sealed, pages, format, newEngine, newOptions);
    }

    /** @throws VmRefusedException unless {@code name} may name a machine */
    public static void checkName(String name) {
        if (name == null || name.isEmpty())
            throw new VmRefusedException("a machine needs a name: 1 to " + MAX_NAME_BYTES + " characters");
        if (name.length() > MAX_NAME_BYTES)
            throw new VmRefusedException("machine name \"" + name.substring(0, 16) + "...\" has " + name.length()
                    + " characters: at most " + MAX_NAME_BYTES + " are allowed");
        if (!NAME.matcher(name).matches())
            throw new VmRefusedException("machine name \"" + name
                    + "\" must begin with a letter (A-Z, a-z) and go on with letters, digits, '.', '-' or '_'");
    }
}
