package org.nestorvm.cli;

import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.nestorvm.machine.DeviceSource;
import org.nestorvm.machine.Devices;
import org.nestorvm.memory.sys.HostText;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.TypeConversionException;

/** What {@code --vhost-user} says. */
record VhostUserChoice(String kind, int type, Path socket, int queues, int queueSize) {
    /**
     * A device's number in section 5 of the virtio specification, how many queues one usually has, and a length of
     * theirs that back ends take: the protocol does not tell what they can.
     */
    private record Kind(int type, int queues, int queueSize) {}

    private static final int QUEUE_SIZE = 256;
    private static final Map<String, Kind> KINDS = Map.of(
            "net",
            new Kind(1, 2, QUEUE_SIZE),
            "blk",
            new Kind(2, 1, QUEUE_SIZE),
            "console",
            new Kind(3, Devices.ALL_QUEUES, 128),
            "rng",
            new Kind(4, 1, 64),
            "balloon",
            new Kind(5, 5, 128),
            "scsi",
            new Kind(8, 3, 128),
            "vsock",
            new Kind(19, 3, 128),
            "fs",
            new Kind(26, 2, QUEUE_SIZE));
    private static final int MOST_QUEUES = 256, LARGEST_QUEUE = 32768;

    static final class Converter implements ITypeConverter<VhostUserChoice> {
        @Override
        public VhostUserChoice convert(String text) {
            OptionParts parts = OptionParts.parse("vhost-user", text, List.of("path", "queues", "size"));
            Kind kind = KINDS.get(parts.first());
            if (kind == null && !parts.first().matches("[1-9][0-9]?"))
                throw new TypeConversionException("vhost-user '" + text + "': '" + parts.first()
                        + "' is no kind of device; "
                        + String.join(", ", KINDS.keySet().stream().sorted().toList())
                        + " are, and numbers of the virtio specification");
            if (parts.get("path") == null)
                throw new TypeConversionException(
                        "vhost-user '" + text + "': add path=SOCKET, where the device's program listens");
            int queues = number(parts, "queues", kind == null ? 1 : kind.queues, MOST_QUEUES),
                    size = number(parts, "size", kind == null ? QUEUE_SIZE : kind.queueSize, LARGEST_QUEUE);
            if (Integer.bitCount(size) != 1)
                throw new TypeConversionException(
                        "vhost-user '" + text + "': size=" + size + " must be a power of two");
            return new VhostUserChoice(
                    parts.first(),
                    kind == null ? Integer.parseInt(parts.first()) : kind.type,
                    HostText.path(parts.get("path")),
                    queues,
                    size);
        }

        private static int number(OptionParts parts, String key, int otherwise, int most) {
            Integer number = parts.number(key);
            if (number == null) return otherwise;
            if (number < 1 || number > most)
                throw new TypeConversionException(
                        "vhost-user '" + parts.first() + "': " + key + "=" + number + " must be 1 to " + most);
            return number;
        }
    }

    DeviceSource source(int index) {
        return Devices.vhostUser(kind + "-vhost-user" + index, type, socket, queues, queueSize);
    }
}
