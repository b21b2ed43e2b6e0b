package org.nestorvm.virtio.console;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.nestorvm.memory.sys.HostText;
import org.nestorvm.memory.sys.Sockets;
import org.nestorvm.virtio.UnixListener;

/**
 * What the user says of a virtio console.
 *
 * @param cols the terminal's size at first; 0 when it is not known
 * @param ports beside the console, which is port 0
 */
public record ConsoleOptions(int cols, int rows, List<PortOptions> ports) {
    /**
     * @param name by which the guest finds it: Linux has it in /dev/virtio-ports @param path the Unix socket that is
     *     listened on
     */
    public record PortOptions(String name, Path path) {}

    public static final ConsoleOptions DEFAULT = new ConsoleOptions(0, 0, List.of());
    public static final int MOST_PORTS = 30;
    /** Linux shows names as file names. */
    private static final int LONGEST_NAME = 64;

    private static final String KEYS = "write cols=N, rows=N or port=NAME:PATH, with commas between";

    public ConsoleOptions {
        ports = List.copyOf(ports);
    }

    /** {@code on} for the console alone, or a list of {@code key=value}; {@code port} may come several times. */
    public static ConsoleOptions parse(String text) throws IOException {
        if (text.equals("on")) return DEFAULT;
        int cols = 0, rows = 0;
        List<PortOptions> ports = new ArrayList<>();
        for (String part : text.split(",", -1)) {
            int equals = part.indexOf('=');
            String key = equals < 0 ? part : part.substring(0, equals),
                    value = equals < 0 ? "" : part.substring(equals + 1);
            switch (key) {
                case "cols" -> cols = number(key, value);
                case "rows" -> rows = number(key, value);
                case "port" -> ports.add(port(value, ports));
                default -> throw new IOException("virtio console option \"" + part + "\" is not known: " + KEYS);
            }
        }
        if ((cols == 0) != (rows == 0))
            throw new IOException(
                    "virtio console \"" + text + "\": cols and rows belong together, write both or neither");
        if (ports.size() > MOST_PORTS)
            throw new IOException("virtio console: " + ports.size() + " ports are more than the " + MOST_PORTS
                    + " that there can be");
        return new ConsoleOptions(cols, rows, ports);
    }

    /**
     * The sockets of the ports, in their order. @throws IOException when one cannot be listened on; nothing is left
     * behind
     */
    public List<UnixListener> listen() throws IOException {
        List<UnixListener> listeners = new ArrayList<>();
        try {
            for (PortOptions port : ports)
                listeners.add(UnixListener.listen("virtio console port " + port.name(), port.path()));
            return listeners;
        } catch (IOException | RuntimeException e) {
            listeners.forEach(UnixListener::close);
            throw e;
        }
    }

    private static int number(String key, String value) throws IOException {
        if (value.matches("[0-9]{1,5}")) {
            int number = Integer.parseInt(value);
            if (number >= 1 && number <= 0xffff) return number;
        }
        throw new IOException("virtio console " + key + "=" + value + ": must be a number from 1 to 65535");
    }

    private static PortOptions port(String value, List<PortOptions> others) throws IOException {
        int colon = value.indexOf(':');
        String name = colon < 0 ? "" : value.substring(0, colon), path = value.substring(colon + 1);
        if (!name.matches("[A-Za-z0-9._-]{1," + LONGEST_NAME + "}")) {
            throw new IOException("virtio console port=" + value + ": must be NAME:PATH, and the name 1 to "
                    + LONGEST_NAME + " letters, digits, dots, underlines or dashes");
        }
        int bytes = HostText.bytes(path).length;
        if (bytes == 0 || bytes > Sockets.PATH_MAX_BYTES || path.indexOf('\0') >= 0) {
            throw new IOException("virtio console port " + name + ": the path of a Unix socket has 1 to "
                    + Sockets.PATH_MAX_BYTES + " bytes, not " + bytes);
        }
        for (PortOptions other : others) {
            if (other.name().equals(name))
                throw new IOException(
                        "virtio console has two ports with the name " + name + ": choose another for one");
            if (other.path().equals(HostText.path(path)))
                throw new IOException("virtio console has two ports at " + path + ": choose another path for one");
        }
        return new PortOptions(name, HostText.path(path));
    }
}
