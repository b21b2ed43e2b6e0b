package org.nestorvm.bench.guests;

import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.nestorvm.boot.guest.DefaultGuest;
import org.nestorvm.boot.guest.Initramfs;
import org.nestorvm.machine.Devices;
import org.nestorvm.machine.DiskSpec;
import org.nestorvm.machine.Engines;
import org.nestorvm.machine.Machine;
import org.nestorvm.machine.MachineConfig;
import org.nestorvm.machine.Outcome;
import org.nestorvm.virtio.net.NetOptions;
import org.nestorvm.vmm.Engine;

/**
 * Disks and networks under the same Debian guest on the software processor, in the machine's process and isolated, and
 * on QEMU's TCG: {@code DeviceComparison IMAGE [SECONDS]}. IMAGE is a Debian disk with fio, which
 * {@code scripts/make-disk --packages fio} makes; the disk that is measured is another one, a raw file of 256 MiB in
 * the host's page cache. Prints a table for RESULTS.md. fio measures with the guest's clock. Each guest has a JVM of
 * its own, with the options of the nestor script: what a first guest leaves behind in a JVM makes the next one slower.
 */
public final class DeviceComparison {
    private static final long DISK_BYTES = 256L << 20;
    private static final int DOWNLOAD_BYTES = 64 << 20;
    private static final String GUEST = "guest", INSIDE = "inside", ISOLATED = "isolated";
    private static final String COMMAND_LINE = "console=ttyS0 quiet loglevel=1 mitigations=off";
    private static final Map<String, String> JOBS = new LinkedHashMap<>();

    static {
        JOBS.put("sequential read, 1 MiB", "--rw=read --bs=1M --iodepth=4");
        JOBS.put("sequential write, 1 MiB", "--rw=write --bs=1M --iodepth=4");
        JOBS.put("random read, 4 KiB, depth 1", "--rw=randread --bs=4k --iodepth=1");
        JOBS.put("random read, 4 KiB, depth 16", "--rw=randread --bs=4k --iodepth=16");
        JOBS.put("random write, 4 KiB, depth 16", "--rw=randwrite --bs=4k --iodepth=16");
    }

    private final Path directory, image;
    private final int seconds;
    private final DefaultGuest.GuestFiles guest;

    private DeviceComparison(Path directory, Path image, int seconds) throws IOException {
        this.directory = directory;
        this.image = image;
        this.seconds = seconds;
        guest = new DefaultGuest(
                        DefaultGuest.cacheFolder(System.getenv(), System.getProperty("user.home")),
                        System.getenv("PATH"))
                .get((done, what) -> {});
    }

    public static void main(String[] args) throws Exception {
        if (args.length == 0)
            throw new IOException("which Debian disk? make one with scripts/make-disk --packages fio FILE");
        if (args[0].equals(GUEST)) {
            guest(args[1].equals(ISOLATED), Path.of(args[2]), args[3], Path.of(args[4]), Path.of(args[5]));
            return;
        }
        Path directory = Files.createTempDirectory("devices");
        Files.setPosixFilePermissions(
                directory,
                PosixFilePermissions.fromString("rwxrwxrwx")); // passt makes its socket as nobody when root starts it
        HttpServer server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
        server.createContext("/", exchange -> {
            exchange.sendResponseHeaders(200, DOWNLOAD_BYTES);
            byte[] piece = new byte[1 << 16];
            for (int sent = 0; sent < DOWNLOAD_BYTES; sent += piece.length)
                exchange.getResponseBody().write(piece);
            exchange.close();
        });
        server.start();
        try {
            new DeviceComparison(directory, Path.of(args[0]), args.length > 1 ? Integer.parseInt(args[1]) : 8)
                    .compare(server.getAddress().getPort());
        } finally {
            server.stop(0);
            try (var files = Files.list(directory)) {
                for (Path file : files.toList()) Files.delete(file);
            }
            Files.delete(directory);
        }
    }

    private void compare(int port) throws Exception {
        Path measured = directory.resolve("measured");
        try (RandomAccessFile file = new RandomAccessFile(measured.toFile(), "rw")) {
            byte[] piece = new byte[1 << 20];
            for (long at = 0; at < DISK_BYTES; at += piece.length) file.write(piece);
        }
        Path initrd = initrd(port);
        Map<String, String> inside = soft(INSIDE, initrd, measured), isolated = soft(ISOLATED, initrd, measured);
        Map<String, String> qemu = qemu(initrd, measured);
        System.out.println("| what | in process | isolated | QEMU TCG | in process / TCG | isolated / TCG "
                + "|\n|---|---|---|---|---|---|");
        int job = 0;
        for (String name : JOBS.keySet()) row(name + ", MiB/s", inside, isolated, qemu, "bandwidth" + job++, 1024);
        job = 0;
        for (String name : JOBS.keySet())
            if (name.startsWith("random")) row(name + ", requests/s", inside, isolated, qemu, "iops" + job++, 1);
            else job++;
        row("download through passt, MiB/s", inside, isolated, qemu, "download", 1);
    }

    private static void row(
            String name,
            Map<String, String> inside,
            Map<String, String> isolated,
            Map<String, String> qemu,
            String key,
            double unit) {
        double a = number(inside, key) / unit, b = number(isolated, key) / unit, c = number(qemu, key) / unit;
        System.out.printf("| %s | %.1f | %.1f | %.1f | %.2f | %.2f |%n", name, a, b, c, a / c, b / c);
    }

    private static double number(Map<String, String> said, String key) {
        String value = said.get(key);
        return value == null || value.isBlank() ? Double.NaN : Double.parseDouble(value.strip());
    }

    /**
     * The default guest, which mounts the Debian disk and runs its fio. Terse output, version 3: fields 7 and 8 are
     * bandwidth in KiB/s and requests/s of reads, 48 and 49 those of writes.
     */
    private Path initrd(int port) throws IOException {
        StringBuilder script = new StringBuilder("""
            #!/bin/sh
            export PATH=/usr/sbin:/usr/bin:/sbin:/bin
            mount -t ext4 -o ro,noload /dev/vda /tmp
            for each in dev proc sys; do mount --bind /$each /tmp/$each; done
            mkdir -p /dev/shm
            mount -t tmpfs tmpfs /dev/shm
            mount -t tmpfs tmpfs /tmp/tmp
            """);
        int job = 0;
        for (String options : JOBS.values()) {
            script.append("r=$(chroot /tmp fio --name=j --filename=/dev/vdb --direct=1 --ioengine=libaio "
                            + "--thread --time_based --runtime=")
                    .append(seconds)
                    .append(" --terse-version=3 --output-format=terse ")
                    .append(options)
                    .append(" 2>/dev/null | tail -n 1)\n");
            int first = options.contains("write") ? 48 : 7;
            script.append("echo \"@@ bandwidth")
                    .append(job)
                    .append(" $(echo \"$r\" | cut -d';' -f")
                    .append(first)
                    .append(")\"\n");
            script.append("echo \"@@ iops")
                    .append(job++)
                    .append(" $(echo \"$r\" | cut -d';' -f")
                    .append(first + 1)
                    .append(")\"\n");
        }
        script.append("for i in 1 2 3 4 5 6 7 8 9 10; do gateway=$(ip route | sed -n 's/default via "
                + "\\([0-9.]*\\).*/\\1/p'); [ -n \"$gateway\" ] && break; sleep 1; done\n");
        script.append("read start rest </proc/uptime\nwget -q -O /dev/null http://$gateway:")
                .append(port)
                .append("/\nread end rest </proc/uptime\n");
        script.append("echo \"@@ download $(echo \"$end $start\" | awk '{ print ")
                .append(DOWNLOAD_BYTES >> 20)
                .append(" / ($1 - $2) }')\"\nsh /etc/links-down\npoweroff -f\n");
        Path initrd = directory.resolve("initrd");
        Files.write(initrd, Files.readAllBytes(guest.initrd()));
        Files.write(
                initrd,
                new Initramfs()
                        .file("etc/inittab", 0644, "ttyS0::once:/measure\n")
                        .file("measure", 0755, script.toString())
                        .toArray(),
                StandardOpenOption.APPEND);
        return initrd;
    }

    private Map<String, String> soft(String where, Path initrd, Path measured) throws Exception {
        return GuestProcess.said(GuestProcess.inItsOwnJvm(
                DeviceComparison.class,
                GUEST,
                where,
                guest.kernel().toString(),
                initrd.toString(),
                image.toString(),
                measured.toString()));
    }

    private static void guest(boolean isolated, Path kernel, String initrd, Path image, Path measured)
            throws Exception {
        Engine soft = Engines.all().stream()
                .filter(e -> e.name().equals("soft"))
                .findAny()
                .orElseThrow();
        DiskSpec system = DiskSpec.of(image).withReadOnly(true),
                disk = new DiskSpec(measured, "raw", false, null, 1, null);
        MachineConfig config = MachineConfig.kernel("devices", soft, kernel, initrd, COMMAND_LINE)
                .withConsole(System.out)
                .withDevice(Devices.disk("system", system))
                .withDevice(isolated ? Devices.isolatedDisk("measured", disk) : Devices.disk("measured", disk))
                .withDevice(Devices.net("net", NetOptions.parse("user")));
        try (Machine machine = Machine.create(config)) {
            Outcome outcome = machine.run();
            if (outcome.kind() != Outcome.Kind.POWERED_OFF) throw new IOException(outcome.detail());
        }
    }

    private Map<String, String> qemu(Path initrd, Path measured) throws Exception {
        Path socket = directory.resolve("passt");
        Process passt = new ProcessBuilder("passt", "-f", "-q", "-s", socket.toString())
                .redirectErrorStream(true)
                .redirectOutput(ProcessBuilder.Redirect.DISCARD)
                .start();
        for (int i = 0; !Files.exists(socket) && i < 250 && !passt.waitFor(20, TimeUnit.MILLISECONDS); i++) continue;
        if (!Files.exists(socket)) throw new IOException("passt has made no socket at " + socket);
        List<String> command = new ArrayList<>(List.of(
                "qemu-system-x86_64",
                "-accel",
                "tcg,thread=multi",
                "-cpu",
                "max",
                "-m",
                "512M",
                "-nodefaults",
                "-display",
                "none",
                "-serial",
                "stdio",
                "-no-reboot",
                "-kernel",
                guest.kernel().toString(),
                "-initrd",
                initrd.toString(),
                "-append",
                COMMAND_LINE));
        command.addAll(List.of(
                "-drive",
                "if=none,id=a,readonly=on,format=raw,file=" + image,
                "-device",
                "virtio-blk-pci,drive=a,disable-legacy=on"));
        command.addAll(List.of(
                "-drive",
                "if=none,id=b,cache=writeback,format=raw,file=" + measured,
                "-device",
                "virtio-blk-pci,drive=b,disable-legacy=on,num-queues=1"));
        command.addAll(List.of(
                "-netdev",
                "stream,id=n,server=off,addr.type=unix,addr.path=" + socket,
                "-device",
                "virtio-net-pci,netdev=n,disable-legacy=on"));
        try {
            return GuestProcess.said(GuestProcess.output(command));
        } finally {
            passt.destroy();
        }
    }
}
