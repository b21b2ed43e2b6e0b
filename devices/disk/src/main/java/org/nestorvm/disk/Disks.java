package org.nestorvm.disk;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.nestorvm.memory.sys.Descriptors;
import org.nestorvm.memory.sys.HostMemory;
import org.nestorvm.memory.sys.HostText;

/**
 * Opens images, by path or by descriptors that another process has opened.
 *
 * <p>An image's backing files are read, never written, and locked against writers. An image of which nobody says that
 * it is qcow2 may have been written by a guest as a whole: it gets no backing file. A device process opens no file: its
 * parent asks {@link #chain} which files an image consists of, opens them and sends the descriptors.
 */
public final class Disks {
    public static final String RAW = "raw", QCOW2 = "qcow2";
    /** Files of one image, the top included. */
    static final int CHAIN_LIMIT = 64;

    private Disks() {}

    public static DiskImage open(Path file, OpenOptions options) throws IOException {
        return new Chain(options).open(HostText.text(file));
    }

    /**
     * The image in descriptors that are open already: its own first, then those of its backing files, in order. They
     * belong to the image from now on, also when this fails.
     *
     * @param name for messages
     */
    public static DiskImage open(String name, OpenOptions options, int... descriptors) throws IOException {
        return new Chain(options, descriptors).open(name);
    }

    /**
     * The files that an image consists of, its own first: what {@link #open(String, OpenOptions, int...)} needs
     * descriptors of.
     */
    public static List<Path> chain(Path file, OpenOptions options) throws IOException {
        Chain chain = new Chain(options.withReadOnly(true).unlocked());
        chain.open(HostText.text(file)).close();
        return chain.paths();
    }

    /**
     * An image that is to be committed: {@code file} is its own, locked against others, {@code base} can be written.
     */
    record Committed(HostFile file, DiskImage top, DiskImage base) implements AutoCloseable {
        @Override
        public void close() throws IOException {
            top.close();
        }
    }

    /** @param depth of the file below the image that is to be written */
    static Committed openToCommit(String name, OpenOptions options, int depth) throws IOException {
        Chain chain = new Chain(options.withReadOnly(true));
        chain.committedDepth = depth;
        DiskImage top = chain.open(name), base = top;
        for (int i = 0; i < depth; i++) base = ((Qcow2Image) base).backing();
        return new Committed(chain.first, top, base);
    }

    /** What the file's first bytes say. */
    static String probe(BlockFile file) throws IOException {
        try (Arena arena = Arena.ofConfined()) {
            long at = arena.allocate(Integer.BYTES).address();
            file.read(0, at, Integer.BYTES);
            return Integer.reverseBytes(HostMemory.getInt(at)) == Qcow2Header.MAGIC ? QCOW2 : RAW;
        }
    }

    /** One chain of files while it is being opened. */
    private static final class Chain implements Qcow2Image.BackingOpener {
        private final OpenOptions options;
        private final int[] descriptors;
        private final List<String> names = new ArrayList<>(), identities = new ArrayList<>();
        private int committedDepth; // 0: nothing is committed
        private HostFile first;

        Chain(OpenOptions options, int... descriptors) {
            this.options = options;
            this.descriptors = descriptors;
        }

        List<Path> paths() {
            return names.stream().map(HostText::path).toList();
        }

        DiskImage open(String name) throws IOException {
            try {
                return open(name, options.format(), options.readOnly());
            } catch (IOException | RuntimeException e) {
                for (int i = names.size(); i < descriptors.length; i++) Descriptors.close(descriptors[i]);
                throw e;
            }
        }

        private DiskImage open(String name, String format, boolean readOnly) throws IOException {
            int depth = names.size();
            if (depth == CHAIN_LIMIT)
                throw new IOException(names.getFirst() + ": more than " + CHAIN_LIMIT
                        + " files in the chain of backing files; flatten it with `nestor image convert`");
            if (descriptors.length > 0 && depth >= descriptors.length)
                throw new IOException(
                        names.getLast() + ": needs backing file " + name + ", of which no descriptor was given");
            names.add(name);
            boolean committed = committedDepth > 0 && (depth == 0 || depth == committedDepth);
            HostFile file = descriptors.length > 0
                    ? new HostFile(name, descriptors[depth])
                    : HostFile.open(name, readOnly && !committed);
            if (depth == 0) first = file;
            try {
                return open(file, name, format, readOnly && !(committed && depth > 0), !readOnly || committed);
            } catch (IOException | RuntimeException | Error e) {
                file.close();
                throw e;
            }
        }

        private DiskImage open(HostFile file, String name, String format, boolean readOnly, boolean locksWriters)
                throws IOException {
            String identity = file.identity();
            if (identities.contains(identity))
                throw new IOException(names.getFirst() + ": its chain of backing files comes back to " + name
                        + ", so nothing can be read");
            identities.add(identity);
            if (options.locked()) file.lock(locksWriters);
            boolean probed = format == null;
            String found = probed ? probe(file) : format;
            return switch (found) {
                case RAW -> new RawImage(file, readOnly, probed);
                case QCOW2 -> Qcow2Image.open(file, readOnly, probed ? this::refuseBacking : this);
                default -> throw new IOException(name + ": unknown format '" + found + "'; there are raw and qcow2");
            };
        }

        /** A guest that once had the file as a raw disk may have written the header, and with it any name. */
        private DiskImage refuseBacking(String overlay, String name, String format) throws IOException {
            String mend = names.size() == 1
                    ? "format=qcow2 (nestor image: " + options.formatOption() + " qcow2)"
                    : "its format in the image above it (nestor image rebase -u -b FILE -F qcow2)";
            throw new IOException(
                    overlay + ": its format was guessed as qcow2, and a guessed image gets no backing file" + " ('"
                            + name + "'); if a guest cannot have written that, say " + mend);
        }

        @Override
        public DiskImage openBacking(String overlay, String name, String format) throws IOException {
            return open(descriptors.length > 0 ? name : resolve(overlay, name), format, true);
        }
    }

    /** A backing file's name is relative to the folder of the file that names it. */
    static String resolve(String overlay, String name) throws IOException {
        String plain = name.startsWith("file:") ? name.substring("file:".length()) : name;
        int colon = plain.indexOf(':'), slash = plain.indexOf('/');
        if (plain.isEmpty() || plain.indexOf('\0') >= 0)
            throw new IOException(overlay + ": the name of its backing file is empty or has a zero byte");
        if (colon > 0
                && (slash < 0 || colon < slash)
                && !Files.exists(HostText.path(overlay).resolveSibling(HostText.path(plain)))) {
            throw new IOException(overlay + ": its backing file is '" + name
                    + "'; only files and block devices are taken, no protocols");
        }
        return HostText.text(HostText.path(overlay).resolveSibling(HostText.path(plain)));
    }
}
