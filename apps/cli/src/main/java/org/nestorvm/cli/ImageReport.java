package org.nestorvm.cli;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.stream.Collectors;
import org.nestorvm.disk.CheckResult;
import org.nestorvm.disk.ImageInfo;
import org.nestorvm.disk.Snapshot;

/** What {@code nestor image info} and {@code check} print: lines for people, or JSON with qemu-img's names. */
final class ImageReport {
    private ImageReport() {}

    /** {@code 1.5 GiB (1610612736 bytes)}. */
    static String size(long bytes) {
        int unit = bytes < 1024 ? 0 : (63 - Long.numberOfLeadingZeros(bytes)) / 10;
        if (unit == 0) return bytes + " bytes";
        String number =
                String.format(Locale.ROOT, "%.2f", bytes / Math.pow(1024, unit)).replaceFirst("\\.?0+$", "");
        return number + " " + "KMGTPE".charAt(unit - 1) + "iB (" + bytes + " bytes)";
    }

    /** {@code 1.5 GiB}, in three digits. */
    static String shortSize(long bytes) {
        int unit = bytes < 1000 ? 0 : (63 - Long.numberOfLeadingZeros(bytes * 1024 / 1000)) / 10;
        double number = bytes / Math.pow(1024, unit);
        int digits = number >= 100 || unit == 0 ? 0 : number >= 10 ? 1 : 2;
        String text = String.format(Locale.ROOT, "%." + digits + "f", number);
        return (digits == 0 ? text : text.replaceFirst("\\.?0+$", "")) + " "
                + (unit == 0 ? "B" : "KMGTPE".charAt(unit - 1) + "iB");
    }

    static String info(ImageInfo info, boolean json) {
        return json ? object(infoFields(info)) + "\n" : infoLines(info);
    }

    private static String infoLines(ImageInfo info) {
        List<String> lines = new ArrayList<>(List.of(
                "image: " + info.file(),
                "file format: " + info.format(),
                "virtual size: " + size(info.sizeBytes()),
                "disk size: " + size(info.allocatedBytes())));
        if (info.clusterBytes() > 0) {
            lines.add("cluster_size: " + info.clusterBytes());
            if (info.backingFile() != null) {
                String actual = info.backingFile().equals(info.fullBackingFile())
                        ? ""
                        : " (actual path: " + info.fullBackingFile() + ")";
                lines.add("backing file: " + info.backingFile() + actual);
                if (info.backingFormat() != null) lines.add("backing file format: " + info.backingFormat());
            }
            for (Snapshot snapshot : info.snapshots()) lines.add("snapshot: " + snapshot.id() + " " + snapshot.name());
            lines.addAll(List.of(
                    "compat: " + compat(info),
                    "compression type: " + info.compressionType(),
                    "lazy refcounts: " + info.lazyRefcounts(),
                    "refcount bits: " + info.refcountBits(),
                    "dirty: " + info.dirty(),
                    "corrupt: " + info.corrupt()));
        }
        return lines.stream().map(line -> line + "\n").collect(Collectors.joining());
    }

    private static String compat(ImageInfo info) {
        return info.version() == 2 ? "0.10" : "1.1";
    }

    private static Map<String, Object> infoFields(ImageInfo info) {
        Map<String, Object> fields = new LinkedHashMap<>();
        fields.put("filename", info.file());
        fields.put("format", info.format());
        fields.put("virtual-size", info.sizeBytes());
        fields.put("actual-size", info.allocatedBytes());
        if (info.clusterBytes() == 0) return fields;
        fields.put("cluster-size", (long) info.clusterBytes());
        fields.put("dirty-flag", info.dirty());
        if (info.backingFile() != null) fields.put("backing-filename", info.backingFile());
        if (info.backingFile() != null) fields.put("full-backing-filename", info.fullBackingFile());
        if (info.backingFormat() != null) fields.put("backing-filename-format", info.backingFormat());
        if (!info.snapshots().isEmpty())
            fields.put(
                    "snapshots",
                    info.snapshots().stream().map(ImageReport::snapshot).toList());
        Map<String, Object> data = new LinkedHashMap<>();
        data.put("compat", compat(info));
        data.put("compression-type", info.compressionType());
        data.put("lazy-refcounts", info.lazyRefcounts());
        data.put("refcount-bits", (long) info.refcountBits());
        data.put("corrupt", info.corrupt());
        fields.put("format-specific", new LinkedHashMap<>(Map.of("type", info.format(), "data", data)));
        return fields;
    }

    private static Map<String, Object> snapshot(Snapshot snapshot) {
        Map<String, Object> fields = new LinkedHashMap<>();
        fields.put("id", snapshot.id());
        fields.put("name", snapshot.name());
        fields.put("vm-state-size", snapshot.vmStateBytes());
        fields.put("date-sec", snapshot.date());
        fields.put("date-nsec", (long) snapshot.dateNs());
        fields.put("vm-clock-sec", snapshot.vmClockNs() / 1_000_000_000);
        fields.put("vm-clock-nsec", snapshot.vmClockNs() % 1_000_000_000);
        return fields;
    }

    static String check(Path file, CheckResult result, boolean json) {
        if (json) return object(checkFields(file, result)) + "\n";
        List<String> lines = new ArrayList<>(result.messages());
        if (result.corruptions() + result.leaks() == 0) lines.add("no errors");
        else {
            lines.add(result.corruptions() + " corruptions (" + result.corruptionsFixed() + " mended), "
                    + result.leaks() + " leaked clusters (" + result.leaksFixed() + " freed)");
        }
        lines.add(String.format(
                Locale.ROOT,
                "%d of %d clusters in use, %d not in order, %d compressed; the file is in use up to byte %d",
                result.allocatedClusters(),
                result.totalClusters(),
                result.fragmentedClusters(),
                result.compressedClusters(),
                result.imageEndOffset()));
        return lines.stream().map(line -> line + "\n").collect(Collectors.joining());
    }

    private static Map<String, Object> checkFields(Path file, CheckResult result) {
        Map<String, Object> fields = new LinkedHashMap<>();
        fields.put("filename", file.toString());
        fields.put("format", "qcow2");
        fields.put("check-errors", 0L);
        fields.put("corruptions", result.corruptions() - result.corruptionsFixed());
        fields.put("corruptions-fixed", result.corruptionsFixed());
        fields.put("leaks", result.leaks() - result.leaksFixed());
        fields.put("leaks-fixed", result.leaksFixed());
        fields.put("total-clusters", result.totalClusters());
        fields.put("allocated-clusters", result.allocatedClusters());
        fields.put("fragmented-clusters", result.fragmentedClusters());
        fields.put("compressed-clusters", result.compressedClusters());
        fields.put("image-end-offset", result.imageEndOffset());
        return fields;
    }

    private static String object(Map<String, Object> fields) {
        return fields.entrySet().stream()
                .map(field -> text(field.getKey()) + ": " + value(field.getValue()))
                .collect(Collectors.joining(", ", "{", "}"));
    }

    @SuppressWarnings("unchecked")
    private static String value(Object value) {
        return switch (value) {
            case String text -> text(text);
            case Map<?, ?> map -> object((Map<String, Object>) map);
            case List<?> list -> list.stream().map(ImageReport::value).collect(Collectors.joining(", ", "[", "]"));
            default -> value.toString();
        };
    }

    private static String text(String text) {
        StringBuilder json = new StringBuilder("\"");
        for (char c : text.toCharArray()) {
            if (c == '"' || c == '\\') json.append('\\').append(c);
            else if (c < ' ') json.append(String.format(Locale.ROOT, "\\u%04x", (int) c));
            else json.append(c);
        }
        return json.append('"').toString();
    }
}
