package org.nestorvm.isolation;

import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.nestorvm.memory.sys.Processes;
import org.nestorvm.memory.sys.Spawn;
import org.nestorvm.virtio.net.NetHandover;
import org.nestorvm.virtio.net.NetOptions;

/**
 * {@code nestor device}: a device for somebody else's front end, such as QEMU. It has a JVM of its own, as any device
 * has, since the one of the command is made for something else. It ends with its passt, as it does with its front end;
 * and what {@link HostEnds} made for it goes with it.
 */
public final class ForegroundDevice {
    private ForegroundDevice() {}

    /** What the first argument can be. */
    public static List<String> kinds() {
        return Arrays.stream(DeviceKind.values()).map(DeviceKind::label).toList();
    }

    /**
     * Starts the device and waits for its end.
     *
     * @param arguments of {@link DeviceMain}; descriptors that they name are passed on
     * @return its status, as a shell tells it
     */
    public static int run(String... arguments) throws IOException {
        if (arguments.length == 0) throw new UsageException("which device? `nestor device rng --socket PATH`, for one");
        DeviceKind kind = DeviceKind.of(arguments[0]);
        DeviceArguments parsed = DeviceArguments.parse(arguments, 1);
        int[] descriptors = {0, 1, 2};
        for (String option : new String[] {"fd", "files"}) {
            int[] named = parsed.takeNumbers(option);
            if (named.length == 0) continue;
            parsed.with(option, numbers(descriptors.length, named.length));
            descriptors = joined(descriptors, named);
        }
        try (NetHandover passt = kind == DeviceKind.NET ? passt(parsed, descriptors.length) : null) {
            return run(kind, parsed, passt == null ? descriptors : joined(descriptors, passt.open()), passt);
        }
    }

    private static int run(DeviceKind kind, DeviceArguments parsed, int[] descriptors, NetHandover passt)
            throws IOException {
        try (HostEnds ends = HostEnds.open(kind, parsed, descriptors.length)) {
            int pid = start(kind, parsed, joined(descriptors, ends.descriptors()));
            ends.started();
            if (passt == null) return Processes.reap(pid, true);
            ProcessHandle device = ProcessHandle.of(pid).orElseThrow(); // a child that is not reaped is always there
            passt.whenLost(device::destroyForcibly);
            if (passt.isLost()) device.destroyForcibly();
            return Processes.reap(pid, true);
        }
    }

    /**
     * A passt of the device's is started here, since some need to be killed at their end, which a confined process
     * cannot. @return null when it has none
     */
    private static NetHandover passt(DeviceArguments arguments, int firstDescriptor) throws IOException {
        String text = arguments.take("net");
        if (text == null) return null;
        NetOptions options = UsageException.checked(() -> NetOptions.parse(text));
        boolean own = options.kind() == NetOptions.Kind.USER;
        arguments.with("net", own ? options.handedOver(firstDescriptor) : text);
        return own ? options.handOver() : null;
    }

    private static int start(DeviceKind kind, DeviceArguments arguments, int[] descriptors) throws IOException {
        List<String> command = new ArrayList<>(JavaCommand.arguments(kind));
        command.add(1, "-Dnestor.device.foreground=true");
        command.add(kind.label());
        command.addAll(arguments.toList());
        // A network card's process finds its tap or its peer by itself, in the host's network.
        if (kind == DeviceKind.NET)
            return Spawn.start(JavaCommand.program(), command, JavaCommand.environment(), descriptors);
        return DeviceProcess.startInForeground(command, descriptors);
    }

    private static int[] joined(int[] first, int[] second) {
        int[] all = Arrays.copyOf(first, first.length + second.length);
        System.arraycopy(second, 0, all, first.length, second.length);
        return all;
    }

    private static String numbers(int first, int count) {
        StringBuilder numbers = new StringBuilder();
        for (int i = 0; i < count; i++) numbers.append(i == 0 ? "" : ",").append(first + i);
        return numbers.toString();
    }
}
