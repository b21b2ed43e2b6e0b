package org.nestorvm.virtio.net;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.nestorvm.memory.sys.HostText;
import org.nestorvm.memory.sys.Sockets;
import org.nestorvm.virtio.OptionText;

/**
 * What {@code --net} says: the back end first, then parts after commas. A comma inside a value is doubled.
 *
 * <pre>
 * user[,tcp=[ADDRESS/]PORT[-PORT][:PORT[-PORT]]]...[,udp=...]...
 *                                      through passt; ports of the host that go to the guest
 * tap=NAME | tap,fd=N[:N]...           an interface of the host, or queues of one that is open already
 * unix=PATH[,server][,reconnect=MS] | unix,fd=N
 *                                      QEMU's stream protocol
 * none                                 no device
 *   [,mac=ADDRESS][,mtu=N][,queues=N][,pcap=FILE[,snaplen=N]][,isolate=on|off]
 * </pre>
 */
public final class NetOptions {
    /** Where the device leads to. */
    public enum Kind {
        USER,
        TAP,
        UNIX,
        NONE
    }

    public static final int MOST_QUEUES = 16;
    private static final int MOST_PORT = 65535;
    private static final int MOST_RECONNECT_MS = 3_600_000,
            INTERFACE_NAME_BYTES = TapBackend.IFNAMSIZ - 1,
            LEAST_SNAP_BYTES = 64;
    private static final Pattern FORWARD =
            Pattern.compile("(?:([0-9a-fA-F.:]+)/)?(\\d{1,9})(?:-(\\d{1,9}))?(?::(\\d{1,9})(?:-(\\d{1,9}))?)?");
    private static final String COMMON = "mac, mtu, pcap, snaplen, isolate";

    private final Kind kind;
    private String target;
    private int[] descriptors = {};
    private boolean server;
    private int reconnectMs, mtu, snapBytes, queues = 1;
    private final List<String> tcp = new ArrayList<>(), udp = new ArrayList<>();
    private MacAddress mac = MacAddress.random();
    private Path pcap;
    private Boolean isolated;

    private NetOptions(Kind kind) {
        this.kind = kind;
    }

    /** @throws IOException in one line, what is wrong */
    public static NetOptions parse(String text) throws IOException {
        List<String> parts = OptionText.split(text);
        String first = parts.getFirst(), name = key(first), value = value(first);
        Kind kind = switch (name) {
            case "user" -> Kind.USER;
            case "tap" -> Kind.TAP;
            case "unix" -> Kind.UNIX;
            case "none" -> Kind.NONE;
            default ->
                throw new IOException(
                        "net \"" + text + "\": '" + name + "' is not known; user, tap=NAME, unix=PATH and none are");
        };
        NetOptions options = new NetOptions(kind);
        if (value != null) options.target = target(kind, value);
        Set<String> seen = new HashSet<>();
        for (String part : parts.subList(1, parts.size())) {
            String key = key(part);
            boolean repeats = key.equals("tcp") || key.equals("udp");
            if (!seen.add(key) && !repeats) throw new IOException("net \"" + text + "\": '" + key + "' is given twice");
            options.set(key, value(part));
        }
        options.check(text);
        return options;
    }

    private static String key(String part) {
        int equals = part.indexOf('=');
        return equals < 0 ? part : part.substring(0, equals);
    }

    /** Null when there is none. */
    private static String value(String part) {
        int equals = part.indexOf('=');
        return equals < 0 ? null : part.substring(equals + 1);
    }

    private static String target(Kind kind, String value) throws IOException {
        int bytes = HostText.bytes(value).length;
        switch (kind) {
            case USER, NONE ->
                throw new IOException("net " + kind.name().toLowerCase() + " takes no value: '" + value + "'");
            case TAP -> {
                if (bytes == 0 || bytes > INTERFACE_NAME_BYTES || !value.matches("[^/\\s\\x00:%]+")) {
                    throw new IOException("tap=" + value + " is no interface's name: 1 to " + INTERFACE_NAME_BYTES
                            + " characters without space, / : or %");
                }
            }
            case UNIX -> {
                if (bytes == 0 || bytes > Sockets.PATH_MAX_BYTES || value.indexOf('\0') >= 0) {
                    throw new IOException("unix=" + value + " has " + bytes
                            + " bytes: the path of a Unix socket has 1 to " + Sockets.PATH_MAX_BYTES);
                }
            }
        }
        return value;
    }

    private void set(String key, String value) throws IOException {
        switch (key) {
            case "mac" -> mac = MacAddress.parse(given(key, value));
            case "mtu" -> mtu = number(key, value, NetDevice.MIN_MTU, NetDevice.MAX_MTU);
            case "queues" -> queues = number(key, value, 1, MOST_QUEUES);
            case "pcap" -> pcap = HostText.path(given(key, value));
            case "snaplen" -> snapBytes = number(key, value, LEAST_SNAP_BYTES, PacketCapture.DEFAULT_SNAP_BYTES);
            case "isolate" -> isolated = flag(key, value);
            case "tcp" -> tcp.add(forward(key, given(key, value)));
            case "udp" -> udp.add(forward(key, given(key, value)));
            case "server" -> server = flag(key, value);
            case "reconnect" -> reconnectMs = number(key, value, 1, MOST_RECONNECT_MS);
            case "fd" -> descriptors = descriptors(given(key, value));
            default ->
                throw new IOException("net: '" + key + "' is not known; " + COMMON
                        + ", tcp and udp (user), queues (tap), fd (tap, unix), server and reconnect (unix) are");
        }
    }

    private static String given(String key, String value) throws IOException {
        if (value == null || value.isEmpty()) throw new IOException("net: " + key + " needs a value: " + key + "=...");
        return value;
    }

    private static boolean flag(String key, String value) throws IOException {
        if (value == null || value.equals("on")) return true;
        if (value.equals("off")) return false;
        throw new IOException("net: " + key + " is on or off, not '" + value + "'");
    }

    private static int number(String key, String value, int least, int most) throws IOException {
        try {
            int number = Integer.parseInt(given(key, value));
            if (number >= least && number <= most) return number;
        } catch (NumberFormatException e) {
            // Told below.
        }
        throw new IOException("net: " + key + "=" + value + " must be a number from " + least + " to " + most);
    }

    private static int[] descriptors(String value) throws IOException {
        String[] texts = value.split(":", -1);
        if (texts.length > MOST_QUEUES)
            throw new IOException("net: fd=" + value + " has more than " + MOST_QUEUES + " descriptors");
        int[] found = new int[texts.length];
        for (int i = 0; i < found.length; i++) found[i] = number("fd", texts[i], 0, Integer.MAX_VALUE);
        return found;
    }

    /** In passt's own words, which are checked here since passt says less of what is wrong. */
    private static String forward(String key, String spec) throws IOException {
        Matcher matcher = FORWARD.matcher(spec);
        if (!matcher.matches())
            throw new IOException("net: " + key + "=" + spec
                    + " must be [ADDRESS/]PORT[-PORT][:PORT[-PORT]], the host's ports and then the "
                    + "guest's, for example 8080:80");
        String option = key + "=" + spec;
        int from = port(option, matcher.group(2), 0), to = port(option, matcher.group(3), from);
        int guestFrom = port(option, matcher.group(4), from),
                guestTo = port(option, matcher.group(5), matcher.group(4) == null ? to : guestFrom);
        if (to < from || guestTo - guestFrom != to - from)
            throw new IOException("net: " + key + "=" + spec + ": the ranges must go up and be of one length");
        return spec;
    }

    /** @param digits at most nine */
    private static int port(String option, String digits, int otherwise) throws IOException {
        int port = digits == null ? otherwise : Integer.parseInt(digits);
        if (digits == null || port >= 1 && port <= MOST_PORT) return port;
        throw new IOException("net: " + option + ": port " + digits + " is out of range; ports are 1 to " + MOST_PORT);
    }

    private void check(String text) throws IOException {
        boolean opened = descriptors.length > 0;
        if ((kind == Kind.TAP || kind == Kind.UNIX) && (target == null) != opened)
            throw wrong(text, kind == Kind.TAP ? "write tap=NAME, or tap,fd=N" : "write unix=PATH, or unix,fd=N");
        if (opened && kind != Kind.TAP && (kind != Kind.UNIX || descriptors.length > 1))
            throw wrong(text, kind == Kind.UNIX ? "one descriptor is a stream" : "fd goes with tap or unix");
        if ((!tcp.isEmpty() || !udp.isEmpty()) && kind != Kind.USER) throw wrong(text, "tcp and udp go with user");
        if ((server || reconnectMs > 0) && (kind != Kind.UNIX || opened))
            throw wrong(text, "server and reconnect go with unix=PATH");
        if (server && reconnectMs > 0) throw wrong(text, "a server waits for its peers: leave reconnect out");
        if (opened && queues == 1) queues = descriptors.length;
        if (opened && queues != descriptors.length)
            throw wrong(text, "queues is the number of descriptors when they are given");
        if (queues > 1 && kind != Kind.TAP) throw wrong(text, "several queues need tap; one stream is one queue");
        if (snapBytes > 0 && pcap == null) throw wrong(text, "snaplen goes with pcap");
    }

    private static IOException wrong(String text, String why) {
        return new IOException("net \"" + text + "\": " + why);
    }

    public Kind kind() {
        return kind;
    }

    /** As given, or else random. */
    public MacAddress mac() {
        return mac;
    }

    /** 0 for none. */
    public int mtu() {
        return mtu;
    }

    public int queues() {
        return queues;
    }

    /** Null for none. */
    public Path pcap() {
        return pcap;
    }

    /** Whether the device gets a process of its own; null when it does not say. */
    public Boolean isolated() {
        return isolated;
    }

    /** Opens what the options name, once. For any kind but {@link Kind#NONE}, which is no device. */
    public NetBackend openBackend() throws IOException {
        return switch (kind) {
            case USER -> PasstBackend.start(tcp, udp, mtu);
            case TAP -> descriptors.length > 0 ? TapBackend.of(descriptors) : TapBackend.open(target, queues);
            case UNIX -> {
                if (descriptors.length > 0) yield StreamBackend.of("unix fd " + descriptors[0], descriptors[0]);
                if (server) yield StreamBackend.listen(target);
                yield reconnectMs > 0 ? StreamBackend.reconnecting(target, reconnectMs) : StreamBackend.connect(target);
            }
            case NONE -> throw new IllegalStateException("--net none is no device");
        };
    }

    /** Why no device in another process can have these options. */
    public Optional<String> checkHandOver() {
        return server || reconnectMs > 0
                ? Optional.of("net unix=" + target
                        + ": a device in a process of its own neither listens nor connects again by "
                        + "itself; leave out server and reconnect, or say isolate=off")
                : Optional.empty();
    }

    /** Opens what the options name for a device in another process, which listens and connects nowhere. */
    public NetHandover handOver() throws IOException {
        String why = checkHandOver().orElse(null);
        if (why != null) throw new IOException(why);
        return switch (kind) {
            case USER -> NetHandover.passt(lost -> PasstBackend.start(tcp, udp, mtu, lost));
            case TAP -> NetHandover.tap(descriptors.length > 0 ? descriptors : TapBackend.attach(target, queues));
            case UNIX ->
                descriptors.length > 0
                        ? NetHandover.stream(descriptors[0])
                        : NetHandover.stream(() -> StreamBackend.open(target));
            case NONE -> throw new IllegalStateException("--net none is no device");
        };
    }

    /**
     * These options for a device that has what they name already. @param first the number of the first descriptor in
     * its process
     */
    public String handedOver(int first) {
        StringBuilder text = new StringBuilder(kind == Kind.TAP ? "tap" : "unix")
                .append(",fd=")
                .append(first);
        for (int i = 1; i < queues; i++) text.append(':').append(first + i);
        text.append(",mac=").append(mac);
        if (mtu != 0) text.append(",mtu=").append(mtu);
        if (pcap != null)
            text.append(",pcap=").append(HostText.text(pcap.toAbsolutePath()).replace(",", ",,"));
        if (snapBytes > 0) text.append(",snaplen=").append(snapBytes);
        return text.toString();
    }

    /** The device with all that it needs. */
    public NetDevice open(String name) throws IOException {
        PacketCapture capture = pcap == null ? null : new PacketCapture(pcap, snapBytes);
        try {
            return new NetDevice(name, openBackend(), mac, mtu, capture);
        } catch (IOException e) {
            if (capture != null) capture.close();
            throw e;
        }
    }
}
