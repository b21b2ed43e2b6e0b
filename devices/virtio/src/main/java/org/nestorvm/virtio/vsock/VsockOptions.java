package org.nestorvm.virtio.vsock;

import java.io.IOException;
import java.nio.file.Path;
import org.nestorvm.memory.sys.HostText;
import org.nestorvm.memory.sys.Sockets;

/**
 * What the user says of a vsock device.
 *
 * @param cid the guest's address
 * @param path the Unix socket at which programs of the host connect; those that the guest connects to listen at this
 *     path with {@code _PORT} behind it
 * @param connections the most at a time
 */
public record VsockOptions(long cid, Path path, int connections) {
    public static final long DEFAULT_CID = 3;
    public static final int DEFAULT_CONNECTIONS = 1024;
    private static final int MOST_CONNECTIONS = 16384;
    /** Others are reserved: virtio 1.2, 5.10.4. */
    private static final long LEAST_CID = 3, MOST_CID = 0xfffffffeL;

    private static final int LONGEST_PATH = Sockets.PATH_MAX_BYTES - "_4294967295".length();

    /** @throws IllegalArgumentException for what {@link #parse} would not give */
    public VsockOptions {
        if (cid < LEAST_CID
                || cid > MOST_CID
                || connections < 1
                || connections > MOST_CONNECTIONS
                || !fits(HostText.text(path))) {
            throw new IllegalArgumentException("vsock: cid=" + cid + " connections=" + connections + " path=" + path);
        }
    }

    /** {@code PATH}, or {@code path=PATH} with {@code cid=N} and {@code connections=N} as wanted. */
    public static VsockOptions parse(String text) throws IOException {
        if (text.indexOf('=') < 0) return new VsockOptions(DEFAULT_CID, path(text), DEFAULT_CONNECTIONS);
        long cid = DEFAULT_CID;
        int connections = DEFAULT_CONNECTIONS;
        Path path = null;
        for (String part : text.split(",")) {
            int equals = part.indexOf('=');
            String key = equals < 0 ? part : part.substring(0, equals),
                    value = equals < 0 ? "" : part.substring(equals + 1);
            switch (key) {
                case "cid" -> cid = number("cid", value, LEAST_CID, MOST_CID);
                case "path" -> path = path(value);
                case "connections" -> connections = (int) number("connections", value, 1, MOST_CONNECTIONS);
                default ->
                    throw new IOException("vsock option \"" + part
                            + "\" is not known: write cid=N, path=PATH or connections=N, with commas between");
            }
        }
        if (path == null)
            throw new IOException("vsock \"" + text
                    + "\" has no path: add path=PATH, the Unix socket at which programs of the host connect");
        return new VsockOptions(cid, path, connections);
    }

    private static long number(String key, String value, long least, long most) throws IOException {
        try {
            long number = Long.parseLong(value);
            if (number >= least && number <= most) return number;
        } catch (NumberFormatException e) {
            // Told below.
        }
        throw new IOException("vsock " + key + "=" + value + ": must be a number from " + least + " to " + most);
    }

    private static Path path(String value) throws IOException {
        if (!fits(value)) {
            throw new IOException("vsock path \"" + value + "\" has " + bytes(value)
                    + " bytes: a path of a Unix socket, with _PORT behind it, leaves 1 to " + LONGEST_PATH);
        }
        return HostText.path(value);
    }

    private static boolean fits(String path) {
        return !path.isEmpty() && bytes(path) <= LONGEST_PATH && path.indexOf('\0') < 0;
    }

    private static int bytes(String path) {
        return HostText.bytes(path).length;
    }

    /** Where a program listens for the guest's connections to a port. */
    String pathOf(int port) {
        return HostText.text(path) + "_" + Integer.toUnsignedString(port);
    }
}
