package org.nestorvm.machine;

import java.io.BufferedReader;
import java.io.FileInputStream;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.FutureTask;
import java.util.stream.Stream;
import org.nestorvm.memory.DescriptorChannel;
import org.nestorvm.memory.sys.Descriptors;
import org.nestorvm.memory.sys.HostText;
import org.nestorvm.memory.sys.Privileges;
import org.nestorvm.memory.sys.Processes;
import org.nestorvm.memory.sys.Sockets;
import org.nestorvm.memory.sys.Spawn;
import org.nestorvm.sandbox.ReadOnlyFiles;
import org.nestorvm.vhost.Connector;
import org.nestorvm.vhost.FrontEnd;
import org.nestorvm.vhost.FrontEndOptions;
import org.nestorvm.virtio.VirtioDevice;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A folder of the host in the guest: virtio-fs (virtio 1.2, 5.11), served by virtiofsd, a process that somebody else
 * wrote. It is started with the machine and ends with it. What it knows of the guest's open files cannot be told to
 * another one, so that a daemon that dies is a file system that is gone.
 *
 * <p>The daemon is given a socket that listens already, and to which this process has connected. The socket's path is
 * there for a moment only: nothing stays in the file system when this process is killed. So the daemon need not write
 * anything of its own either, and one for a folder that is read-only starts under a filter that refuses all writing
 * ({@link ReadOnlyFiles}): the guest's kernel decides whether it mounts a folder for reading only, and the guest's root
 * may change its mind.
 */
final class SharedFolder implements Connector {
    /** What the guest may do with the files. */
    enum Access {
        READ_WRITE,
        READ_ONLY
    }

    private static final Logger LOG = LoggerFactory.getLogger(SharedFolder.class);
    private static final List<String> PLACES =
            List.of("/usr/libexec/virtiofsd", "/usr/lib/qemu/virtiofsd", "/usr/lib/virtiofsd");
    private static final int REQUEST_QUEUES = 1,
            QUEUE_SIZE = 128,
            SOCKET = 3,
            END_STEP_MS = 10,
            END_STEPS = 200,
            LAST_WORDS_MS = 500;
    private final Path folder;
    private final Access access;
    private int process; // 0 before it is started, -1 after its end
    private Thread reader;
    private String lastWords = "it has printed nothing";

    private SharedFolder(Path folder, Access access) {
        this.folder = folder;
        this.access = access;
    }

    static VirtioDevice open(String name, Path folder, String tag, Access access) throws IOException {
        if (!Files.isDirectory(folder))
            throw new IOException("shared folder " + folder + ": is no folder; give one that is there");
        SharedFolder shared = new SharedFolder(folder.toRealPath(), access);
        try {
            return FrontEnd.connect(FrontEndOptions.fileSystem(name, tag, REQUEST_QUEUES, QUEUE_SIZE, shared));
        } catch (IOException e) {
            String why = shared.whyEnded();
            throw why == null ? e : new IOException("shared folder " + folder + ": virtiofsd has ended: " + why, e);
        }
    }

    private static Path program() throws IOException {
        String path = System.getenv().getOrDefault("PATH", "");
        Stream<String> searched = Stream.concat(
                Stream.of(path.split(":")).filter(each -> !each.isEmpty()).map(each -> each + "/virtiofsd"),
                PLACES.stream());
        return searched.map(Path::of)
                .filter(Files::isExecutable)
                .findFirst()
                .orElseThrow(() ->
                        new IOException("a shared folder needs virtiofsd, which is not here; install it (Debian 12: "
                                + "apt-get install qemu-system-common; later: virtiofsd)"));
    }

    @Override
    public DescriptorChannel connect(int failures) throws IOException, InterruptedException {
        synchronized (this) {
            if (process != 0)
                throw new IOException("virtiofsd has ended, and what it knew of open files with it: " + lastWords);
        }
        int listening = Sockets.stream(folder);
        try {
            DescriptorChannel channel = connected(listening);
            try {
                start(listening);
                return channel;
            } catch (Throwable t) {
                channel.close();
                throw t;
            }
        } finally {
            Descriptors.close(listening);
        }
    }

    /** Only this user can reach the socket, and after the return nobody can any more. */
    private static DescriptorChannel connected(int listening) throws IOException {
        Path directory = Files.createTempDirectory("nestor-share"), socket = directory.resolve("socket");
        try {
            Sockets.bind(listening, HostText.text(socket));
            Sockets.listen(socket, listening, 1);
            return DescriptorChannel.connect(socket);
        } finally {
            Files.deleteIfExists(socket);
            Files.deleteIfExists(directory);
        }
    }

    private void start(int listening) throws IOException, InterruptedException {
        Path program = program();
        FutureTask<Void> task = new FutureTask<>(() -> {
            if (access == Access.READ_ONLY) ReadOnlyFiles.enterThisThread();
            spawn(program, listening);
            return null;
        });
        Thread.ofPlatform().name("virtiofsd-start").daemon().start(task);
        try {
            task.get();
        } catch (ExecutionException e) {
            if (e.getCause() instanceof IOException cause) throw cause;
            throw new IllegalStateException(e.getCause());
        }
    }

    private void spawn(Path program, int listening) throws IOException {
        List<String> command = List.of(
                program.toString(),
                "--fd=" + SOCKET,
                "-o",
                "source=" + HostText.text(folder),
                "-o",
                "sandbox=" + (Privileges.geteuid() == 0 ? "chroot" : "namespace"),
                "-o",
                "cache=" + (access == Access.READ_ONLY ? "always" : "auto"));
        List<String> environment = System.getenv().entrySet().stream()
                .map(each -> each.getKey() + "=" + each.getValue())
                .toList();
        int[] pipe = Descriptors.pipe(program);
        int nothing = -1;
        try {
            nothing = Descriptors.open("/dev/null", Descriptors.O_RDONLY);
            int pid = Spawn.start(program.toString(), command, environment, nothing, pipe[1], pipe[1], listening);
            synchronized (this) {
                process = pid;
            }
            FileInputStream output = new FileInputStream("/proc/self/fd/" + pipe[0]);
            reader = Thread.ofPlatform().name("virtiofsd-output").daemon().start(() -> listen(output));
        } finally {
            Descriptors.close(pipe[0]);
            Descriptors.close(pipe[1]);
            if (nothing >= 0) Descriptors.close(nothing);
        }
    }

    private void listen(FileInputStream output) {
        try (BufferedReader lines = new BufferedReader(new InputStreamReader(output, StandardCharsets.UTF_8))) {
            for (String line = lines.readLine(); line != null; line = lines.readLine()) {
                LOG.debug("virtiofsd: {}", line);
                synchronized (this) {
                    if (!line.isBlank()) lastWords = line.strip();
                }
            }
        } catch (IOException e) {
            LOG.debug("virtiofsd: {}", e.getMessage());
        }
    }

    /** What the daemon said last, after {@link #close}; null when it was never started. */
    private String whyEnded() {
        try {
            if (reader == null) return null;
            reader.join(LAST_WORDS_MS);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
        synchronized (this) {
            return lastWords;
        }
    }

    @Override
    public synchronized void close() {
        if (process > 0) end(process);
        process = -1;
    }

    private static void end(int pid) {
        try {
            Processes.tryKill(pid, Processes.SIGTERM);
            for (int i = 0; i < END_STEPS; i++) {
                if (Processes.reap(pid, false) != Processes.STILL_RUNNING) return;
                Thread.sleep(END_STEP_MS);
            }
            Processes.tryKill(pid, Processes.SIGKILL);
            Processes.reap(pid, true);
        } catch (IOException | InterruptedException e) {
            LOG.debug("virtiofsd: {}", e.getMessage());
        }
    }
}
