package org.nestorvm.machine;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.OutputStream;
import java.io.RandomAccessFile;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.nestorvm.memory.DescriptorChannel;
import org.nestorvm.memory.DescriptorListener;
import org.nestorvm.memory.sys.Privileges;
import org.nestorvm.memory.sys.Processes;
import org.nestorvm.vhost.BackEnd;
import org.nestorvm.virtio.VirtioDevice;
import org.nestorvm.virtio.net.NetOptions;

/** Devices as Debian's kernel sees them, on the soft engine: what the guest reads and writes is on the host. */
@Timeout(value = 5, unit = TimeUnit.MINUTES)
class DevicesGuestTest {
    private static final String SCRIPT = """
        say serial "$(cat /sys/block/vda/serial)"
        dd if=/dev/urandom of=/dev/vda bs=64k count=64 2>/dev/null
        dd if=/dev/vdb of=/dev/vda bs=4096 seek=1024 conv=notrunc 2>/dev/null
        sync
        echo 3 >/proc/sys/vm/drop_caches
        say written "$(sha256sum </dev/vda)"
        say read "$(sha256sum </dev/vdb)"
        say readonly "$(cat /sys/block/vdb/ro)"
        mke2fs /dev/vdc >/dev/null 2>&1 && mount -t ext4 /dev/vdc /tmp
        cp /dev/vdb /tmp/copy && umount /tmp && mount -t ext4 /dev/vdc /tmp
        say copy "$(sha256sum </tmp/copy)"
        umount /tmp
        say random "$(head -c 100 /dev/hwrng | wc -c)"
        say interrupts "$(grep -c MSI.*req /proc/interrupts)"
        """;

    private static final DeviceSource.Host NO_MACHINE =
            new DeviceSource.Host(false, 1, (gpa, sizeBytes) -> {}, OutputStream.nullOutputStream());

    @TempDir
    Path directory;

    static String sha256(Path file) throws Exception {
        return HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(Files.readAllBytes(file))) + "  -";
    }

    private Path disk(String name, int sizeBytes) throws IOException {
        Path file = directory.resolve(name);
        try (RandomAccessFile sparse = new RandomAccessFile(file.toFile(), "rw")) {
            sparse.setLength(sizeBytes);
        }
        return file;
    }

    @Test
    void disksHoldWhatTheGuestWrote() throws Exception {
        Path first = disk("first", 8 << 20), third = disk("third", 16 << 20);
        byte[] content = new byte[1 << 20];
        new SplittableRandom(4).nextBytes(content);
        Path second = Files.write(directory.resolve("second"), content);
        Map<String, String> said = CheckedGuest.with(directory, SCRIPT)
                .run(config -> config.withDevice(
                                Devices.disk("disk0", new DiskSpec(first, "raw", false, "NESTOR-1", null, null)))
                        .withDevice(Devices.disk("disk1", DiskSpec.of(second).withReadOnly(true)))
                        .withDevice(Devices.disk("disk2", DiskSpec.of(third)))
                        .withDevice(Devices.rng("rng")));
        assertThat(said)
                .containsEntry("serial", "NESTOR-1")
                .containsEntry("written", sha256(first))
                .containsEntry("read", sha256(second))
                .containsEntry("readonly", "1")
                .containsEntry("copy", sha256(second))
                .containsEntry("random", "100")
                .containsEntry("interrupts", "3");
        assertThat(Files.readAllBytes(second)).isEqualTo(content);
        byte[] copied = new byte[content.length];
        try (RandomAccessFile file = new RandomAccessFile(first.toFile(), "r")) {
            file.seek(4 << 20);
            file.readFully(copied);
        }
        assertThat(copied).isEqualTo(content);
    }

    private static final String FOREIGN = """
        say shared "$(sha256sum </share/from-host)"
        dd if=/dev/urandom of=/share/from-guest bs=4096 count=100 2>/dev/null
        sync
        say given "$(sha256sum </share/from-guest)"
        say missing "$(cat /share/nothing 2>&1)"
        dd if=/dev/urandom of=/dev/vda bs=64k count=32 2>/dev/null
        sync
        say written "$(sha256sum </dev/vda)"
        """;

    private static Path program(String... places) {
        for (String place : places) if (Files.isExecutable(Path.of(place))) return Path.of(place);
        return null;
    }

    /** What others wrote serves our guest: QEMU's storage daemon a disk, virtiofsd a folder. */
    @Test
    void backEndsOfOthersServeADiskAndAFolder() throws Exception {
        Path storage = program("/usr/bin/qemu-storage-daemon"),
                virtiofsd = program("/usr/lib/qemu/virtiofsd", "/usr/libexec/virtiofsd");
        assumeTrue(
                storage != null && virtiofsd != null,
                "qemu-storage-daemon and virtiofsd are not here: apt-get install qemu-system-common");
        assumeTrue(Privileges.geteuid() == 0, "virtiofsd takes root to confine itself");
        Path image = disk("image", 2 << 20),
                folder = Files.createDirectory(directory.resolve("folder")),
                socket = directory.resolve("blk");
        byte[] content = new byte[300_000];
        new SplittableRandom(5).nextBytes(content);
        Files.write(folder.resolve("from-host"), content);
        Process daemon = new ProcessBuilder(
                        storage.toString(),
                        "--blockdev",
                        "driver=file,node-name=disk,filename=" + image,
                        "--export",
                        "type=vhost-user-blk,id=blk,node-name=disk,writable=on,addr.type=unix,addr.path=" + socket)
                .inheritIO()
                .start();
        try {
            Map<String, String> said = CheckedGuest.with(directory, FOREIGN)
                    .run(config -> config.withDevice(Devices.vhostUser("disk", 2, socket, 1, 128))
                            .withDevice(Devices.share("share", folder, "share")));
            assertThat(said)
                    .containsEntry("shared", sha256(folder.resolve("from-host")))
                    .containsEntry("given", sha256(folder.resolve("from-guest")))
                    .containsEntry("written", sha256(image));
            assertThat(said.get("missing")).contains("No such file");
        } finally {
            daemon.destroy();
            daemon.waitFor();
        }
    }

    private static final String IN_QEMU = """
        say serial "$(cat /sys/block/vda/serial)"
        dd if=/dev/urandom of=/dev/vda bs=64k count=32 2>/dev/null
        sync
        echo 3 >/proc/sys/vm/drop_caches
        say written "$(sha256sum </dev/vda)"
        say random "$(head -c 100 /dev/hwrng | wc -c)"
        say transitional "$(sha256sum </dev/vdb)"
        say driverless $(for each in /sys/bus/virtio/devices/*; do [ -e $each/driver ] || echo $each; done)
        """ + DiscAndSockets.SCRIPT;

    /** A device of ours on a socket of its own, for one front end. */
    private static Thread serve(VirtioDevice device, Path socket) throws IOException {
        DescriptorListener listener = DescriptorListener.listen(socket);
        return Thread.ofPlatform().name("back-end-" + device.name()).start(() -> {
            try (listener;
                    device;
                    DescriptorChannel channel = listener.accept()) {
                new BackEnd(device, false).serve(channel);
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        });
    }

    /** And the default guest's drivers find QEMU's own transitional devices. */
    @Test
    void devicesOfOursServeAGuestOfQemus() throws Exception {
        Path qemu = program("/usr/bin/qemu-system-x86_64");
        assumeTrue(qemu != null, "qemu-system-x86_64 is not here: apt-get install qemu-system-x86");
        Path image = disk("image", 2 << 20), blk = directory.resolve("blk"), rng = directory.resolve("rng");
        List<Thread> servers = List.of(
                serve(
                        Devices.disk("disk", new DiskSpec(image, null, false, "NESTOR-2", null, null))
                                .open(NO_MACHINE),
                        blk),
                serve(Devices.rng("rng").open(NO_MACHINE), rng));
        DiscAndSockets own = new DiscAndSockets(directory);
        Path old = Files.write(directory.resolve("old"), new byte[1 << 20]);
        Map<String, String> said = CheckedGuest.with(directory, IN_QEMU, own.files())
                .runInQemu(
                        qemu,
                        List.of(
                                "-chardev",
                                "socket,id=blk,path=" + blk,
                                "-device",
                                "vhost-user-blk-pci,chardev=blk,disable-legacy=on",
                                "-chardev",
                                "socket,id=rng,path=" + rng,
                                "-device",
                                "vhost-user-rng-pci,chardev=rng",
                                "-chardev",
                                "socket,id=cd,path=" + own.drive.socket,
                                "-device",
                                "vhost-user-scsi-pci,chardev=cd,disable-legacy=on",
                                "-chardev",
                                "socket,id=sockets,path=" + own.sockets.socket,
                                "-device",
                                "vhost-user-vsock-pci,chardev=sockets,disable-legacy=on",
                                "-drive",
                                "if=none,id=old,format=raw,file=" + old,
                                "-device",
                                "virtio-blk-pci,drive=old,disable-modern=on",
                                "-netdev",
                                "user,id=n",
                                "-device",
                                "virtio-net-pci,netdev=n,disable-modern=on",
                                "-device",
                                "virtio-serial-pci,disable-modern=on",
                                "-device",
                                "virtio-scsi-pci,disable-modern=on",
                                "-device",
                                "virtio-balloon-pci,disable-modern=on",
                                "-device",
                                "virtio-keyboard-pci"));
        for (Thread server : servers) server.join();
        assertThat(said)
                .containsEntry("serial", "NESTOR-2")
                .containsEntry("written", sha256(image))
                .containsEntry("random", "100")
                .containsEntry("transitional", sha256(old))
                .containsEntry("driverless", "");
        own.check(said);
    }

    private static final String REPEATED = """
        dd if=/dev/urandom of=/dev/vda bs=64k count=16 2>/dev/null
        sync
        echo 3 >/proc/sys/vm/drop_caches
        say disk "$(sha256sum </dev/vda)"
        say random "$(head -c 32 /dev/hwrng | sha256sum)"
        say uptime "$(cat /proc/uptime)"
        """;

    /** Where instructions are the clock, disks and entropy are served in the guest's own time. */
    @Test
    void runWithDevicesRepeatsItself() throws Exception {
        CheckedGuest guest = CheckedGuest.with(directory, REPEATED);
        List<Map<String, String>> runs = new ArrayList<>();
        for (int i = 0; i < 2; i++) {
            Path image = disk("repeated" + i, 2 << 20);
            runs.add(guest.run(config -> config.withInstructionTime(Instant.EPOCH)
                    .withDevice(Devices.disk("disk", DiskSpec.of(image)))
                    .withDevice(Devices.rng("rng"))));
            assertThat(runs.get(i)).containsEntry("disk", sha256(image));
        }
        assertThat(runs.get(1)).isEqualTo(runs.get(0)).containsKeys("random", "uptime");
    }

    private static final String AWAIT_GATEWAY = """
        for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
          gateway=$(ip route | sed -n 's/default via \\([0-9.]*\\).*/\\1/p')
          [ -n "$gateway" ] && break
          sleep 1
        done
        """;
    private static final String NET_IN_QEMU = AWAIT_GATEWAY + """
        say download "$(wget -q -O - http://$gateway:PORT/ | sha256sum)"
        """;

    @Test
    void networkOfOursServesAGuestOfQemus() throws Exception {
        Path qemu = program("/usr/bin/qemu-system-x86_64");
        assumeTrue(
                qemu != null && program("/usr/bin/passt") != null,
                "qemu-system-x86_64 and passt are not here: apt-get install qemu-system-x86 passt");
        byte[] content = new byte[1 << 20];
        new SplittableRandom(6).nextBytes(content);
        try (ServerSocket server = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
            Thread.ofVirtual().start(() -> answer(server, content));
            Path net = directory.resolve("net"), expected = Files.write(directory.resolve("content"), content);
            Thread backEnd = serve(Devices.net("net", NetOptions.parse("user")).open(NO_MACHINE), net);
            Map<String, String> said = CheckedGuest.with(
                            directory, NET_IN_QEMU.replace("PORT", Integer.toString(server.getLocalPort())))
                    .runInQemu(
                            qemu,
                            List.of(
                                    "-chardev",
                                    "socket,id=net,path=" + net,
                                    "-netdev",
                                    "vhost-user,id=n,chardev=net",
                                    "-device",
                                    "virtio-net-pci,netdev=n,disable-legacy=on,vectors=0")); // with MSI-X QEMU 7.2
            // without KVM ends in a
            // fault of its own:
            // msix_set_vector_notifiers
            backEnd.join();
            assertThat(said).containsEntry("download", sha256(expected));
        }
    }

    /**
     * The second begins when something is typed: a connection that the former passt still took would be lost with it.
     */
    private static final String DOWNLOADS = AWAIT_GATEWAY + """
        say first "$(wget -q -O - http://$gateway:PORT/ | sha256sum)"
        read stopped
        say second "$(wget -q -O - http://$gateway:PORT/ | sha256sum)"
        """;

    /**
     * A stopped passt stands for one that spins. The guest asks for its connection again and again, until another one
     * is there.
     */
    @Test
    void downloadsGoOnAfterPasstHasHung() throws Exception {
        assumeTrue(program("/usr/bin/passt") != null, "passt is not here: apt-get install passt");
        byte[] content = new byte[1 << 20];
        new SplittableRandom(7).nextBytes(content);
        try (ServerSocket server = new ServerSocket(0, 8, InetAddress.getLoopbackAddress())) {
            Thread.ofVirtual().start(() -> answerAll(server, content));
            Path expected = Files.write(directory.resolve("content"), content);
            NetOptions user = NetOptions.parse("user");
            Map<String, String> said = CheckedGuest.with(
                            directory, DOWNLOADS.replace("PORT", Integer.toString(server.getLocalPort())))
                    .run(config -> config.withDevice(Devices.isolatedNet("net", user)), (machine, line) -> {
                        if (!line.startsWith("first")) return;
                        passt().forEach(program -> Processes.tryKill((int) program.pid(), Processes.SIGSTOP));
                        machine.offer(new byte[] {'\n'}, 0, 1);
                    });
            assertThat(said).containsEntry("first", sha256(expected)).containsEntry("second", sha256(expected));
            assertThat(passt()).isEmpty();
        }
    }

    private static Stream<ProcessHandle> passt() {
        return ProcessHandle.current()
                .children()
                .filter(child -> child.info().command().orElse("").contains("/passt"));
    }

    /**
     * Every connection, as it comes, until the server is closed: one may be cut off with the passt that has made it,
     * and is made again.
     */
    private static void answerAll(ServerSocket server, byte[] content) {
        while (!server.isClosed()) {
            try {
                answer(server, content);
            } catch (UncheckedIOException e) {
                // cut off, or closed
            }
        }
    }

    /** One request, whatever it is: HTTP as far as it takes. */
    static void answer(ServerSocket server, byte[] content) {
        try (Socket socket = server.accept()) {
            BufferedReader request =
                    new BufferedReader(new InputStreamReader(socket.getInputStream(), StandardCharsets.US_ASCII));
            for (String line; (line = request.readLine()) != null && !line.isEmpty(); ) continue;
            socket.getOutputStream()
                    .write(("HTTP/1.0 200 OK\r\nContent-Length: " + content.length + "\r\n\r\n")
                            .getBytes(StandardCharsets.US_ASCII));
            socket.getOutputStream().write(content);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
