package org.nestorvm.cli;

import java.util.List;
import org.nestorvm.machine.DeviceSource;
import org.nestorvm.machine.Devices;
import org.nestorvm.machine.DiskSpec;
import org.nestorvm.memory.sys.HostText;
import org.nestorvm.vmm.VmRefusedException;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.TypeConversionException;

/** What {@code --disk} says. @param isolated whether the disk gets a process of its own; null when it does not say */
record DiskChoice(DiskSpec disk, Boolean isolated) {
    /** @param otherwise whether it is isolated when it does not say */
    DeviceSource source(String name, boolean otherwise) {
        boolean own = isolated == null ? otherwise : isolated;
        return own ? Devices.isolatedDisk(name, disk) : Devices.disk(name, disk);
    }

    static final class Converter implements ITypeConverter<DiskChoice> {
        private static final List<String> KEYS =
                List.of("format", "readonly", "serial", "queues", "threads", "isolate");

        @Override
        public DiskChoice convert(String text) {
            OptionParts parts = OptionParts.parse("disk", text, KEYS);
            if (parts.first().isEmpty())
                throw new TypeConversionException("disk '" + text + "': begins with the image's path");
            try {
                DiskSpec disk = new DiskSpec(
                        HostText.path(parts.first()),
                        parts.get("format"),
                        Boolean.TRUE.equals(parts.flag("readonly")),
                        parts.get("serial"),
                        parts.number("queues"),
                        parts.number("threads"));
                return new DiskChoice(disk, parts.flag("isolate"));
            } catch (VmRefusedException e) {
                throw new TypeConversionException(e.getMessage());
            }
        }
    }
}
