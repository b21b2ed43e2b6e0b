package org.nestorvm.boot.guest;

import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.apache.commons.compress.archivers.tar.TarArchiveEntry;
import org.apache.commons.compress.archivers.tar.TarArchiveInputStream;
import org.tukaani.xz.XZInputStream;

/**
 * The loadable modules of a kernel package: each says in its section .modinfo which others it needs and which devices
 * it drives (its aliases). What depmod(8) would write is made here.
 */
final class KernelModules {
    private static final Pattern FILE = Pattern.compile("(?:usr/)?lib/modules/([^/]+)/.*/([^/]+)\\.ko(\\.xz)?");

    private final Map<String, byte[]> modules = new LinkedHashMap<>();
    private String version;

    /** Reads all modules that a package has; a kernel without any is no error. */
    static KernelModules of(Path kernelPackage) throws IOException {
        KernelModules all = new KernelModules();
        DebPackage.forEach(kernelPackage, all::read);
        return all;
    }

    private boolean read(TarArchiveEntry entry, TarArchiveInputStream content) throws IOException {
        Matcher file = FILE.matcher(entry.getName().replaceFirst("^\\./", ""));
        if (!entry.isFile() || !file.matches()) return true;
        version = file.group(1);
        byte[] bytes = content.readAllBytes();
        modules.put(name(file.group(2)), file.group(3) == null ? bytes : unpacked(bytes));
        return true;
    }

    private static byte[] unpacked(byte[] xz) throws IOException {
        try (XZInputStream in = new XZInputStream(new ByteArrayInputStream(xz))) {
            return in.readAllBytes();
        }
    }

    /** The kernel does not tell a dash from an underscore. */
    private static String name(String fileName) {
        return fileName.replace('-', '_');
    }

    /** Those that drive devices of a bus. @param bus the beginning of their aliases, {@code virtio:} */
    List<String> driversFor(String bus) {
        List<String> drivers = new ArrayList<>();
        modules.forEach((name, bytes) -> {
            if (values(bytes, "alias").stream().anyMatch(alias -> alias.startsWith(bus))) drivers.add(name);
        });
        return drivers;
    }

    /**
     * Adds modules with all that they need, where modprobe(8) looks. What the kernel does not have as a module is built
     * in, or is missed when it is asked for.
     */
    void addTo(Initramfs root, List<String> wanted) {
        Deque<String> open = new ArrayDeque<>(wanted);
        Set<String> closed = new LinkedHashSet<>();
        StringBuilder dependencies = new StringBuilder(), aliases = new StringBuilder();
        while (!open.isEmpty()) {
            String module = open.poll();
            byte[] bytes = modules.get(module);
            if (bytes == null || !closed.add(module)) continue;
            List<String> needs = needs(bytes);
            open.addAll(needs);
            root.file(folder() + module + ".ko", 0644, bytes);
            dependencies.append(module).append(".ko:");
            for (String each : inOrder(needs))
                dependencies.append(' ').append(each).append(".ko");
            dependencies.append('\n');
            for (String alias : values(bytes, "alias")) aliases.append("alias " + alias + " " + module + "\n");
        }
        if (closed.isEmpty()) return;
        root.file(folder() + "modules.dep", 0644, dependencies.toString());
        root.file(folder() + "modules.alias", 0644, aliases.toString());
    }

    private String folder() {
        return "lib/modules/" + version + "/";
    }

    /** All that is needed, also by what is needed; each before what it needs itself, as modules.dep has it. */
    private Set<String> inOrder(List<String> needs) {
        Set<String> order = new LinkedHashSet<>();
        for (String each : needs) {
            if (modules.containsKey(each)) order.add(each);
            for (String deeper : inOrder(needs(modules.getOrDefault(each, new byte[0])))) {
                order.remove(deeper);
                order.add(deeper);
            }
        }
        return order;
    }

    private static List<String> needs(byte[] module) {
        List<String> depends = values(module, "depends");
        String names = depends.isEmpty() ? "" : name(depends.getFirst());
        return names.isEmpty() ? List.of() : List.of(names.split(","));
    }

    /** The entries of .modinfo with that key. */
    private static List<String> values(byte[] module, String key) {
        byte[] entry = ('\0' + key + '=').getBytes(StandardCharsets.ISO_8859_1);
        List<String> values = new ArrayList<>();
        for (int at = find(module, entry, 0); at >= 0; at = find(module, entry, at)) {
            int end = at;
            while (end < module.length && module[end] != 0) end++;
            values.add(new String(module, at, end - at, StandardCharsets.ISO_8859_1));
        }
        return values;
    }

    /** @return the index behind what is found, or -1 */
    private static int find(byte[] module, byte[] what, int from) {
        for (int i = from; i + what.length <= module.length; i++) {
            int matched = 0;
            while (matched < what.length && module[i + matched] == what[matched]) matched++;
            if (matched == what.length) return i + what.length;
        }
        return -1;
    }
}
