package org.nestorvm.disk;

import java.io.IOException;
import java.util.Locale;

/**
 * How a new image is made; the names are those of qemu-img's {@code -o}.
 *
 * @param version 2 ({@code compat=0.10}) or 3 ({@code compat=1.1})
 * @param backingFile as it is written to the header: relative to the image's folder
 * @param preallocation {@code off}, {@code metadata} (qcow2: every cluster has its place), {@code falloc} (that space
 *     is reserved), {@code full} (it is written)
 */
public record ImageOptions(
        int version,
        int clusterBytes,
        boolean lazyRefcounts,
        String preallocation,
        int refcountBits,
        String compressionType,
        String backingFile,
        String backingFormat) {
    public static final ImageOptions DEFAULT = new ImageOptions(3, 65_536, false, "off", 16, "zlib", null, null);
    private static final String QCOW2_NAMES =
            "compat, cluster_size, lazy_refcounts, preallocation, refcount_bits, compression_type, "
                    + "backing_file, backing_fmt";

    /** @param text {@code name=value,name=value}; null or empty: the defaults */
    public static ImageOptions parse(String format, String text) throws IOException {
        ImageOptions options = DEFAULT;
        if (text == null || text.isEmpty()) return options;
        for (String pair : text.split(",")) {
            int equals = pair.indexOf('=');
            if (equals < 0) throw new IOException("option '" + pair + "' has no value; write it like cluster_size=64K");
            options = options.with(format, pair.substring(0, equals), pair.substring(equals + 1));
        }
        return options;
    }

    private ImageOptions with(String format, String name, String value) throws IOException {
        if (name.equals("preallocation")) return withPreallocation(format, value);
        if (!format.equals(Disks.QCOW2))
            throw new IOException("raw images have no option '" + name + "'; there is preallocation");
        return switch (name) {
            case "compat" ->
                withVersion(
                        switch (value) {
                            case "0.10", "v2" -> 2;
                            case "1.1", "v3" -> 3;
                            default -> throw new IOException("compat=" + value + ": there are 0.10 (v2) and 1.1 (v3)");
                        });
            case "cluster_size" -> withClusterBytes(clusterBytes(value));
            case "lazy_refcounts" -> withLazyRefcounts(onOff(name, value));
            case "refcount_bits" -> withRefcountBits(refcountBits(value));
            case "compression_type" -> withCompressionType(oneOf(name, value, "zlib", "zstd"));
            case "backing_file" -> withBacking(value, backingFormat);
            case "backing_fmt" -> withBacking(backingFile, oneOf(name, value, Disks.RAW, Disks.QCOW2));
            default ->
                throw new IOException("qcow2 images have no option '" + name + "' here; there are " + QCOW2_NAMES);
        };
    }

    private ImageOptions withPreallocation(String format, String value) throws IOException {
        return withPreallocation(
                format.equals(Disks.QCOW2)
                        ? oneOf("preallocation", value, "off", "metadata", "falloc", "full")
                        : oneOf("preallocation", value, "off", "falloc", "full"));
    }

    private static int clusterBytes(String text) throws IOException {
        long bytes = size(text);
        if (Long.bitCount(bytes) != 1
                || bytes < 1 << Qcow2Header.MIN_CLUSTER_BITS
                || bytes > 1 << Qcow2Header.MAX_CLUSTER_BITS) {
            throw new IOException("cluster_size=" + text + ": it is a power of two from 512 to 2M");
        }
        return (int) bytes;
    }

    private static int refcountBits(String text) throws IOException {
        return Integer.parseInt(oneOf("refcount_bits", text, "1", "2", "4", "8", "16", "32", "64"));
    }

    private static boolean onOff(String name, String value) throws IOException {
        return oneOf(name, value, "on", "off").equals("on");
    }

    private static String oneOf(String name, String value, String... known) throws IOException {
        for (String one : known) {
            if (one.equals(value)) return value;
        }
        throw new IOException(name + "=" + value + ": there are " + String.join(", ", known));
    }

    /** {@code 512}, {@code 64K}, {@code 20G}, {@code 1.5T}: bytes without a suffix, as qemu-img has it. */
    public static long size(String text) throws IOException {
        String upper = text.toUpperCase(Locale.ROOT);
        int shift = upper.isEmpty() ? -1 : "BKMGTPE".indexOf(upper.charAt(upper.length() - 1));
        String number = shift < 0 ? upper : upper.substring(0, upper.length() - 1);
        if (!number.matches("[0-9]{1,19}(\\.[0-9]{1,9})?") || shift < 1 && number.contains("."))
            throw new IOException("'" + text + "' is no size; write it like 65536, 512M or 20G");
        double bytes = Double.parseDouble(number) * Math.pow(1024, Math.max(0, shift));
        if (bytes > Qcow2Header.SIZE_LIMIT) throw new IOException("'" + text + "' is too large; at most 2E are taken");
        return number.contains(".") ? (long) bytes : Long.parseLong(number) << 10 * Math.max(0, shift);
    }

    public ImageOptions withVersion(int value) {
        return new ImageOptions(
                value,
                clusterBytes,
                lazyRefcounts,
                preallocation,
                refcountBits,
                compressionType,
                backingFile,
                backingFormat);
    }

    public ImageOptions withClusterBytes(int value) {
        return new ImageOptions(
                version,
                value,
                lazyRefcounts,
                preallocation,
                refcountBits,
                compressionType,
                backingFile,
                backingFormat);
    }

    public ImageOptions withLazyRefcounts(boolean value) {
        return new ImageOptions(
                version, clusterBytes, value, preallocation, refcountBits, compressionType, backingFile, backingFormat);
    }

    public ImageOptions withPreallocation(String value) {
        return new ImageOptions(
                version, clusterBytes, lazyRefcounts, value, refcountBits, compressionType, backingFile, backingFormat);
    }

    public ImageOptions withRefcountBits(int value) {
        return new ImageOptions(
                version,
                clusterBytes,
                lazyRefcounts,
                preallocation,
                value,
                compressionType,
                backingFile,
                backingFormat);
    }

    public ImageOptions withCompressionType(String value) {
        return new ImageOptions(
                version, clusterBytes, lazyRefcounts, preallocation, refcountBits, value, backingFile, backingFormat);
    }

    public ImageOptions withBacking(String file, String format) {
        return new ImageOptions(
                version, clusterBytes, lazyRefcounts, preallocation, refcountBits, compressionType, file, format);
    }
}
