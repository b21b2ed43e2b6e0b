package org.nestorvm.machine;

import java.io.BufferedReader;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.nestorvm.memory.DescriptorChannel;
import org.nestorvm.memory.sys.Privileges;
import org.nestorvm.vhost.Connector;
import org.nestorvm.vhost.FrontEnd;
import org.nestorvm.vhost.FrontEndOptions;
import org.nestorvm.virtio.VirtioDevice;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A folder of the host in the guest: virtio-fs (virtio 1.2, 5.11), served by virtiofsd, a process that somebody else wrote. It is started with the machine and ends with it. What it knows of the
 * guest's open files cannot be told to another one, so that a daemon that dies is a file system that is gone.
 */
final class SharedFolder implements Connector {
    private static final Logger LOG = LoggerFactory.getLogger(SharedFolder.class);
    private static final List<String> PLACES = List.of("/usr/libexec/virtiofsd", "/usr/lib/qemu/virtiofsd", "/usr/lib/virtiofsd");
    private static final int REQUEST_QUEUES = 1, QUEUE_SIZE = 128, PATIENCE_MS = 10_000, STEP_MS = 5;

    private final Path folder, directory;
    private Process process;
    private String lastWords = "it has printed nothing";

    private SharedFolder(Path folder, Path directory) {
        this.folder = folder;
        this.directory = directory;
    }

    static VirtioDevice open(String name, Path folder, String tag) throws IOException {
        if (!Files.isDirectory(folder)) throw new IOException("shared folder " + folder + ": is no folder; give one that is there");
        SharedFolder shared = new SharedFolder(folder.toRealPath(), Files.createTempDirectory("nestor-share"));
        return FrontEnd.connect(FrontEndOptions.fileSystem(name, tag, REQUEST_QUEUES, QUEUE_SIZE, shared));
    }

    private static Path program() throws IOException {
        String path = System.getenv().getOrDefault("PATH", "");
        Stream<String> searched = Stream.concat(Stream.of(path.split(":")).filter(each -> !each.isEmpty()).map(each -> each + "/virtiofsd"), PLACES.stream());
        return searched.map(Path::of).filter(Files::isExecutable).findFirst()
            .orElseThrow(() -> new IOException("a shared folder needs virtiofsd, which is not here; install it (Debian 12: apt-get install qemu-system-common; later: virtiofsd)"));
    }

    private synchronized void start() throws IOException {
        Path socket = directory.resolve("socket");
        ProcessBuilder builder = new ProcessBuilder(program().toString(), "--socket-path=" + socket, "-o", "source=" + folder, "-o", "sandbox=" + (Privileges.geteuid() == 0 ? "chroot" : "namespace"));
        process = builder.redirectErrorStream(true).start();
        Process started = process;
        Thread.ofVirtual().name("virtiofsd-output").start(() -> listen(started));
    }

    private void listen(Process started) {
        try (BufferedReader lines = started.inputReader()) {
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

    @Override
    public DescriptorChannel connect(int failures) throws IOException, InterruptedException {
        synchronized (this) {
            if (process != null) throw new IOException("virtiofsd has ended, and what it knew of open files with it: " + lastWords);
        }
        start();
        long deadlineNs = System.nanoTime() + TimeUnit.MILLISECONDS.toNanos(PATIENCE_MS);
        for (;;) {
            try {
                return DescriptorChannel.connect(directory.resolve("socket"));
            } catch (IOException e) {
                if (process.waitFor(STEP_MS, TimeUnit.MILLISECONDS) || System.nanoTime() - deadlineNs > 0) throw new IOException("shared folder " + folder + ": virtiofsd did not start: " + lastWords);
            }
        }
    }

    @Override
    public synchronized void close() {
        if (process != null) process.destroy();
        try (Stream<Path> files = Files.list(directory)) {
            for (Path file : files.toList()) Files.deleteIfExists(file);
            Files.deleteIfExists(directory);
        } catch (IOException e) {
            LOG.debug("{}: {}", directory, e.getMessage());
        }
    }
}
