package org.nestorvm.boot.guest;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermission;
import java.util.EnumSet;
import java.util.Iterator;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.function.Predicate;
import java.util.stream.Stream;
import org.apache.commons.compress.archivers.cpio.CpioArchiveEntry;
import org.apache.commons.compress.archivers.cpio.CpioArchiveOutputStream;
import org.apache.commons.compress.archivers.cpio.CpioConstants;
import org.apache.commons.compress.archivers.tar.TarArchiveEntry;
import org.apache.commons.compress.archivers.tar.TarArchiveInputStream;

/**
 * A root file system as Linux unpacks it at boot: a cpio archive in "newc" format
 * (Documentation/driver-api/early-userspace/buffer-format.rst), not compressed, since the guest would have to undo it.
 * Everything belongs to root, times are 0 and the order is that of the names: the same content gives the same bytes.
 * Missing folders above an entry are made with mode 755.
 */
public final class Initramfs {
    private static final int MODE_MASK = 07777, DIRECTORY_MODE = 0755;

    /** @param type a C_IS constant of cpio @param data content, or a link's target */
    private record Node(int type, int mode, byte[] data, int major, int minor) {}

    private final Map<String, Node> nodes = new TreeMap<>();

    public Initramfs directory(String path, int mode) {
        return put(path, new Node(CpioConstants.C_ISDIR, mode, new byte[0], 0, 0));
    }

    public Initramfs file(String path, int mode, byte[] content) {
        return put(path, new Node(CpioConstants.C_ISREG, mode, content, 0, 0));
    }

    public Initramfs file(String path, int mode, String content) {
        return file(path, mode, content.getBytes(StandardCharsets.UTF_8));
    }

    public Initramfs link(String path, String target) {
        return put(path, new Node(CpioConstants.C_ISLNK, 0777, target.getBytes(StandardCharsets.UTF_8), 0, 0));
    }

    public Initramfs characterDevice(String path, int mode, int major, int minor) {
        return put(path, new Node(CpioConstants.C_ISCHR, mode, new byte[0], major, minor));
    }

    public Initramfs blockDevice(String path, int mode, int major, int minor) {
        return put(path, new Node(CpioConstants.C_ISBLK, mode, new byte[0], major, minor));
    }

    /** All that is below a folder of the host, with its permissions; links stay links. */
    public Initramfs folder(Path root) throws IOException {
        try (Stream<Path> paths = Files.walk(root)) {
            for (Iterator<Path> each = paths.iterator(); each.hasNext(); ) {
                Path path = each.next();
                String name = root.relativize(path).toString();
                if (name.isEmpty()) continue;
                if (Files.isSymbolicLink(path))
                    link(name, Files.readSymbolicLink(path).toString());
                else if (Files.isDirectory(path)) directory(name, mode(path));
                else if (Files.isRegularFile(path)) file(name, mode(path), Files.readAllBytes(path));
            }
        }
        return this;
    }

    /** Everything in a package's data archive. */
    public Initramfs debPackage(Path deb) throws IOException {
        return debPackage(deb, path -> true);
    }

    /** What is wanted of a package's data archive. @param wanted asked with paths like {@code usr/bin/perl} */
    public Initramfs debPackage(Path deb, Predicate<String> wanted) throws IOException {
        DebPackage.forEach(deb, (entry, content) -> !wanted.test(normal(entry.getName())) || tarEntry(entry, content));
        return this;
    }

    private boolean tarEntry(TarArchiveEntry entry, TarArchiveInputStream content) throws IOException {
        String name = entry.getName();
        if (entry.isDirectory()) directoryUnlessLink(name, entry.getMode());
        else if (entry.isSymbolicLink()) link(name, entry.getLinkName());
        else if (entry.isLink()) hardLink(name, entry.getLinkName());
        else if (entry.isFile()) file(name, entry.getMode(), content.readAllBytes());
        return true;
    }

    /**
     * A package may ship {@code lib/} where another has made {@code lib} a link to {@code usr/lib}: the link wins, as
     * dpkg has it.
     */
    private void directoryUnlessLink(String name, int mode) {
        Node there = nodes.get(normal(name));
        if (there == null || there.type != CpioConstants.C_ISLNK) directory(name, mode);
    }

    private void hardLink(String name, String target) throws IOException {
        Node node = nodes.get(normal(target));
        if (node == null)
            throw new IOException(
                    "hard link " + name + " to " + target + ", which the archive does not have before it");
        put(name, node);
    }

    private Initramfs put(String path, Node node) {
        String name = normal(path);
        if (name.isEmpty()) return this;
        for (int slash = name.indexOf('/'); slash > 0; slash = name.indexOf('/', slash + 1)) {
            nodes.putIfAbsent(
                    name.substring(0, slash), new Node(CpioConstants.C_ISDIR, DIRECTORY_MODE, new byte[0], 0, 0));
        }
        nodes.put(name, node);
        return this;
    }

    private static String normal(String path) {
        return Path.of("/" + path).normalize().toString().substring(1);
    }

    private static int mode(Path path) throws IOException {
        int mode = 0;
        for (PosixFilePermission permission : Files.getPosixFilePermissions(path))
            mode |= 1 << 8 - permission.ordinal();
        return mode;
    }

    /**
     * Makes the same files below a folder that exists, owned by who calls; device nodes are left out, since making them
     * takes rights.
     */
    public void unpack(Path root) throws IOException {
        for (Map.Entry<String, Node> each : nodes.entrySet()) {
            Path path = root.resolve(each.getKey());
            Node node = each.getValue();
            switch (node.type) {
                case CpioConstants.C_ISDIR -> Files.createDirectory(path);
                case CpioConstants.C_ISLNK ->
                    Files.createSymbolicLink(path, Path.of(new String(node.data, StandardCharsets.UTF_8)));
                case CpioConstants.C_ISREG ->
                    Files.setPosixFilePermissions(Files.write(path, node.data), permissions(node.mode));
                default -> {}
            }
        }
    }

    private static Set<PosixFilePermission> permissions(int mode) {
        Set<PosixFilePermission> set = EnumSet.noneOf(PosixFilePermission.class);
        for (PosixFilePermission permission : PosixFilePermission.values()) {
            if ((mode & 1 << 8 - permission.ordinal()) != 0) set.add(permission);
        }
        return set;
    }

    public byte[] toArray() throws IOException {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        writeTo(bytes);
        return bytes.toByteArray();
    }

    /** Writes the archive, and closes the stream. */
    public void writeTo(OutputStream bytes) throws IOException {
        try (CpioArchiveOutputStream out =
                new CpioArchiveOutputStream(bytes, CpioConstants.FORMAT_NEW, CpioConstants.BLOCK_SIZE, "UTF-8")) {
            int inode = 1;
            for (Map.Entry<String, Node> each : nodes.entrySet()) {
                Node node = each.getValue();
                CpioArchiveEntry entry =
                        new CpioArchiveEntry(CpioConstants.FORMAT_NEW, each.getKey(), node.data.length);
                entry.setMode(node.type | node.mode & MODE_MASK);
                entry.setInode(inode++);
                entry.setNumberOfLinks(node.type == CpioConstants.C_ISDIR ? 2 : 1);
                entry.setRemoteDeviceMaj(node.major);
                entry.setRemoteDeviceMin(node.minor);
                entry.setTime(0);
                out.putArchiveEntry(entry);
                out.write(node.data);
                out.closeArchiveEntry();
            }
        }
    }
}
