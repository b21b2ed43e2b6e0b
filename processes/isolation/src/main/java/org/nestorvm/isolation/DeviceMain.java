package org.nestorvm.isolation;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.nestorvm.memory.DescriptorChannel;
import org.nestorvm.memory.sys.Descriptors;
import org.nestorvm.memory.sys.HostText;
import org.nestorvm.memory.sys.Sockets;
import org.nestorvm.sandbox.OpenAhead;
import org.nestorvm.sandbox.Sandbox;
import org.nestorvm.vhost.BackEnd;
import org.nestorvm.virtio.SharedMemoryGone;
import org.nestorvm.virtio.VirtioDevice;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A device process: {@code KIND --fd N} serves one front end over a socket that it has inherited, {@code KIND --socket
 * PATH --listener N} over the first connection to a path at which an inherited socket listens; it ends with its front
 * end. Once it has its socket and its files, and before it reads the first message, it gives up everything else.
 */
public final class DeviceMain {
    private static final int OK = 0, FAILED = 1;
    /** In place of a kind: what is recorded for the JVM's AOT cache. */
    static final String REHEARSE = "rehearse";

    private DeviceMain() {}

    public static void main(String[] arguments) {
        System.exit(run(HostText.arguments(arguments)));
    }

    /** @return the status for the shell */
    public static int run(String... arguments) {
        // Where nobody has asked for another logging, as in the process of a device.
        Logger log = LoggerFactory.getLogger(DeviceMain.class);
        try {
            if (arguments.length == 0)
                throw new UsageException("which device? `nestor device rng --socket PATH`, for one");
            if (arguments[0].equals(REHEARSE)) Rehearsal.run();
            else serve(DeviceKind.of(arguments[0]), DeviceArguments.parse(arguments, 1), log);
            return OK;
        } catch (IOException | RuntimeException | Error e) {
            tell(log, e);
            return e instanceof UsageException ? UsageException.STATUS : FAILED;
        }
    }

    private static void tell(Logger log, Throwable e) {
        String gone = SharedMemoryGone.line(e).orElse(null);
        log.error("{}", gone != null ? gone : e.getMessage() == null ? e.toString() : e.getMessage());
        if (gone == null && !(e instanceof IOException)) log.error("internal error", e);
    }

    /** A device that has lost a thread does nothing more that anybody waits for. */
    private static void endWithAnyThread(Logger log) {
        Thread.setDefaultUncaughtExceptionHandler((_, e) -> {
            tell(log, e);
            Runtime.getRuntime().halt(FAILED);
        });
    }

    private static void serve(DeviceKind kind, DeviceArguments arguments, Logger log) throws IOException {
        String name = arguments.take("name", kind.label());
        int socket = arguments.takeNumber("fd", -1);
        String path = arguments.take("socket");
        int listener = arguments.takeNumber("listener", -1);
        boolean confine = arguments.takeSwitch("confine", true);
        if (socket < 0 == (path == null))
            throw new UsageException("device " + kind.label() + " needs one of --fd N and --socket PATH");
        dieWithParent();
        endWithAnyThread(log);
        OpenedDevice opened = kind.open(name, arguments);
        try (VirtioDevice device = opened.device()) {
            arguments.checkAllTaken(kind);
            DescriptorChannel channel =
                    path == null ? DescriptorChannel.of(name, socket) : accept(HostText.path(path), listener);
            BackEnd backEnd = new BackEnd(device, true);
            backEnd.prepare();
            if (confine) confine(kind, log);
            opened.whenConfined().run();
            backEnd.serve(channel);
        }
    }

    /** The parent may have died before the kernel was asked to tell. */
    private static void dieWithParent() throws IOException {
        Sandbox.dieWithParent();
        Long started = Long.getLong(JavaCommand.PARENT);
        long parent = ProcessHandle.current().parent().map(ProcessHandle::pid).orElse(0L);
        if (started != null && parent != started)
            throw new IOException("the process that started this device, " + started + ", has ended");
    }

    /** Whoever comes later finds nobody. */
    private static DescriptorChannel accept(Path path, int listener) throws IOException {
        if (listener < 0)
            throw new IOException("--socket needs --listener with a descriptor, which `nestor device` passes");
        try {
            return DescriptorChannel.of(path.toString(), Sockets.accept(path, listener));
        } finally {
            Files.deleteIfExists(path);
            Sockets.tryShutdown(listener, Sockets.SHUT_RDWR);
            Descriptors.close(listener);
        }
    }

    private static void confine(DeviceKind kind, Logger log) throws IOException {
        OpenAhead.classes();
        Sandbox.Report report = Sandbox.enter(kind.policy);
        for (String missing : report.missing()) log.warn("confined without {}", missing);
        log.debug("confined: {}", report);
    }
}
