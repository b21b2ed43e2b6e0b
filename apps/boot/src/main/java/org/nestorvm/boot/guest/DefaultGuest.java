package org.nestorvm.boot.guest;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.AccessDeniedException;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.attribute.PosixFilePermission;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.nestorvm.boot.BootException;
import org.nestorvm.memory.sys.Privileges;

/**
 * What runs when the user names no kernel: Debian's cloud kernel and a busybox shell, fetched once through apt and kept
 * in the user's cache folder. The folder of a finished guest appears in one rename: a run that is cut short, or two at
 * once, leave nothing half made.
 */
public final class DefaultGuest {
    /** Part of the folder's name: raised when {@link #initramfs} or the choice of packages changes. */
    static final int RECIPE = 7;

    private static final String MEND = "pass --kernel FILE and --initrd FILE";
    private static final String KERNEL_METAPACKAGE = "linux-image-cloud-amd64", BUSYBOX = "busybox-static";
    private static final Pattern KERNEL_PACKAGE = Pattern.compile("Depends: (linux-image-[0-9]\\S*)");
    private static final String KERNEL = "vmlinuz", INITRAMFS = "initramfs", VERSIONS = "versions";
    /** What the script {@code init} loads besides drivers of virtio devices, all of which come along. */
    private static final List<String> MODULES = List.of(
            "virtio_pci", "sd_mod", "sr_mod", "isofs", "pvpanic_mmio", "af_packet", "overlay", "button", "evdev");

    private static final String VIRTIO_BUS = "virtio:";
    /** The packages, unpacked, and the initramfs. */
    private static final long ROOM_BYTES = 128L << 20;
    /** How much of the time the download takes, roughly. */
    private static final double DOWNLOAD = 0.8;

    /** Printed on the console when the shell takes commands. */
    public static final String READY = "nestor: the shell is ready; \"poweroff\" ends the guest";

    /** @param versions the packages it was made from, one a line */
    public record GuestFiles(Path kernel, Path initrd, String versions) {}

    private final Path cache;
    private final Apt apt;

    /**
     * @param cache the folder of this program, need not exist yet @param searchPath where apt-get is looked for, like
     *     PATH
     */
    public DefaultGuest(Path cache, String searchPath) {
        this.cache = cache;
        this.apt = new Apt(searchPath, "default guest", MEND);
    }

    /**
     * {@code $XDG_CACHE_HOME/nestor}, or {@code ~/.cache/nestor} where that is not set or not absolute (XDG Base
     * Directory Specification).
     */
    public static Path cacheFolder(Map<String, String> environment, String home) {
        String xdg = environment.get("XDG_CACHE_HOME");
        return (xdg != null && Path.of(xdg).isAbsolute() ? Path.of(xdg) : Path.of(home, ".cache")).resolve("nestor");
    }

    /**
     * {@link #cacheFolder}, or where that cannot be made or written a folder of this user below the one for temporary
     * files. A guest that was fetched before is used in any case.
     *
     * @throws BootException when the folder for temporary files has something else of that name
     */
    public static Path usableCacheFolder(Map<String, String> environment, String home, Path temporary)
            throws BootException {
        Path folder = cacheFolder(environment, home);
        try {
            if (Files.exists(folder.resolve("guest-" + RECIPE))) return folder;
            if (folder.isAbsolute()) {
                Files.createDirectories(folder);
                if (Files.isWritable(folder)) return folder;
            }
        } catch (AccessDeniedException | NoSuchFileException e) {
            // as below
        } catch (IOException e) {
            if (!String.valueOf(e.getMessage()).contains("Read-only file system"))
                return folder; // such as a full disk, which get() tells
        }
        return ownFolder(temporary.resolve("nestor-" + Privileges.geteuid()));
    }

    /**
     * Others may write to the folder for temporary files too, so nothing but a folder that only this user can write is
     * taken.
     */
    private static Path ownFolder(Path folder) throws BootException {
        Set<PosixFilePermission> own = PosixFilePermissions.fromString("rwx------");
        try {
            if (!Files.exists(folder, LinkOption.NOFOLLOW_LINKS))
                Files.createDirectory(folder, PosixFilePermissions.asFileAttribute(own));
            Map<String, Object> found =
                    Files.readAttributes(folder, "unix:uid,permissions,isDirectory", LinkOption.NOFOLLOW_LINKS);
            boolean ours = found.get("uid").equals(Privileges.geteuid())
                    && found.get("permissions").equals(own)
                    && (boolean) found.get("isDirectory");
            if (ours) return folder;
            throw new BootException("default guest: " + folder
                    + " is not a folder that only this user can write; remove it, set XDG_CACHE_HOME, or " + MEND);
        } catch (BootException e) {
            throw e;
        } catch (IOException e) {
            throw new BootException(
                    "default guest: neither the cache folder nor " + folder + " can be made (" + e
                            + "); set XDG_CACHE_HOME, or " + MEND,
                    e);
        }
    }

    /**
     * The guest's files; fetches them when they are not there. @throws BootException with one line that says what to
     * pass instead
     */
    public GuestFiles get(Progress progress) throws BootException {
        Path folder = cache.resolve("guest-" + RECIPE);
        try {
            if (!Files.exists(folder)) fetch(folder, progress);
            return new GuestFiles(
                    folder.resolve(KERNEL), folder.resolve(INITRAMFS), Files.readString(folder.resolve(VERSIONS)));
        } catch (BootException e) {
            throw e;
        } catch (IOException e) {
            throw new BootException(
                    "default guest: " + folder + " cannot be made or read (" + e
                            + "); make room there or set XDG_CACHE_HOME, or " + MEND,
                    e);
        }
    }

    private void fetch(Path folder, Progress progress) throws IOException {
        progress.at(0, "asking apt");
        String kernelPackage = apt.dependency(KERNEL_METAPACKAGE, KERNEL_PACKAGE);
        Files.createDirectories(cache);
        checkRoom(cache, ROOM_BYTES);
        Path work = WorkFolder.create(cache);
        Thread atExit = new Thread(() -> abandon(work), "fetch-removal"); // the command may be ended meanwhile
        Runtime.getRuntime().addShutdownHook(atExit);
        try {
            List<Path> packages = apt.download(
                    work, done -> progress.at(done * DOWNLOAD, "downloading"), List.of(kernelPackage, BUSYBOX));
            Path made = Files.createDirectory(work.resolve("guest"));
            progress.at(DOWNLOAD, "unpacking");
            Files.write(
                    made.resolve(KERNEL),
                    DebPackage.extract(packages.get(0), name -> name.startsWith("boot/vmlinuz-")));
            byte[] busybox = DebPackage.extract(
                    packages.get(1), name -> name.equals("bin/busybox") || name.equals("usr/bin/busybox"));
            Initramfs root = initramfs(busybox);
            KernelModules modules = KernelModules.of(packages.get(0));
            modules.addTo(
                    root,
                    Stream.concat(MODULES.stream(), modules.driversFor(VIRTIO_BUS).stream())
                            .toList());
            Files.write(made.resolve(INITRAMFS), root.toArray());
            StringBuilder versions = new StringBuilder();
            for (Path deb : packages) versions.append(deb.getFileName()).append('\n');
            Files.writeString(made.resolve(VERSIONS), versions);
            publish(made, folder);
            progress.at(1, "ready");
        } finally {
            WorkFolder.delete(work);
            Runtime.getRuntime().removeShutdownHook(atExit);
        }
    }

    /** apt would tell a full disk as a failure of its own. */
    static void checkRoom(Path folder, long neededBytes) throws IOException {
        long bytes = Files.getFileStore(folder).getUsableSpace();
        if (bytes < neededBytes) {
            throw new BootException("default guest: the disk that holds " + folder + " has " + (bytes >> 20)
                    + " MiB left, and " + (neededBytes >> 20)
                    + " MiB are needed; make room there, set XDG_CACHE_HOME to another disk, or " + MEND);
        }
    }

    private static void abandon(Path work) {
        ProcessHandle.current()
                .children()
                .filter(child -> child.info().command().orElse("").contains("apt"))
                .forEach(ProcessHandle::destroyForcibly);
        try {
            WorkFolder.delete(work);
        } catch (IOException | UncheckedIOException e) {
            return; // the next fetch has a folder of its own
        }
    }

    private static void publish(Path made, Path folder) throws IOException {
        try {
            Files.move(made, folder, StandardCopyOption.ATOMIC_MOVE);
        } catch (FileSystemException e) {
            if (!Files.exists(folder.resolve(VERSIONS))) throw e; // otherwise another run has made the same
        }
    }

    /** Busybox as init, and a login shell on the first serial port. */
    private static Initramfs initramfs(byte[] busybox) throws IOException {
        Initramfs root = new Initramfs();
        root.file("bin/busybox", 0755, busybox).link("bin/sh", "busybox");
        for (String folder : List.of("proc", "sys", "dev", "run", "sbin", "usr/bin", "usr/sbin"))
            root.directory(folder, 0755);
        root.directory("tmp", 01777).directory("root", 0700);
        root.characterDevice("dev/console", 0600, 5, 1).characterDevice("dev/null", 0666, 1, 3);
        root.file("etc/passwd", 0644, "root:x:0:0:root:/root:/bin/sh\n")
                .file("etc/group", 0644, "root:x:0:\n")
                .file("etc/hostname", 0644, "nestor\n");
        root.file("init", 0755, script("init"))
                .file("etc/inittab", 0644, script("inittab"))
                .file("etc/profile", 0644, script("profile").replace("@READY@", READY));
        return root.file("etc/udhcpc", 0755, script("udhcpc"))
                .file("etc/links-down", 0755, script("links-down"))
                .file("etc/leave", 0755, script("leave"))
                .file("etc/acpi/PWRF/00000080", 0755, script("power-button"));
    }

    static String script(String name) throws IOException {
        try (var in = DefaultGuest.class.getResourceAsStream(name)) {
            return new String(in.readAllBytes(), StandardCharsets.UTF_8);
        }
    }
}
