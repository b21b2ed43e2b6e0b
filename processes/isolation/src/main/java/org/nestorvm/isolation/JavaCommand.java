package org.nestorvm.isolation;

import java.io.File;
import java.io.IOException;
import java.lang.module.ModuleDescriptor.Requires;
import java.lang.module.ResolvedModule;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/**
 * How a device process's JVM is started: the java that runs this program, with the modules that a device reads and no
 * others, or with this program's class path.
 *
 * <p>Small: one heap of a few megabytes collected by one thread, a code cache that is committed whole (a confined
 * process can map nothing executable). No attaching, no perf file, no core. The archive of classes is mapped where it
 * was made for: moved, all of it would be private memory of each process. Class metadata is at a known address then;
 * code, heap and libraries are not. Standard output may be the command's, so what the JVM says goes to standard error;
 * a cache that does not fit is no news.
 */
final class JavaCommand {
    /**
     * Where the JVM's AOT cache for device processes lies; {@code nestor train} makes it. Without the file they start
     * without it.
     */
    static final String AOT_CACHE = "nestor.device.aot";
    /** More options for the JVM of device processes, separated by spaces. */
    static final String OPTIONS = "nestor.device.java-options";
    /**
     * The process that started a device process: that one ends when it is another's child by the time it asks to end
     * with its parent.
     */
    static final String PARENT = "nestor.device.parent";

    private static final String MODULE = "org.nestorvm.isolation";

    private JavaCommand() {}

    static String program() {
        return Path.of(System.getProperty("java.home"), "bin", "java").toString();
    }

    /** From argv[0] to the main class. */
    static List<String> arguments(DeviceKind kind) throws IOException {
        List<String> arguments = withoutCache(kind);
        arguments.add(1, "-D" + PARENT + "=" + ProcessHandle.current().pid());
        Path cache = DeviceCache.file();
        if (cache != null && Files.exists(cache)) arguments.add(1, "-XX:AOTCache=" + cache);
        return arguments;
    }

    /** What a cache must have been made with. */
    static List<String> withoutCache(DeviceKind kind) throws IOException {
        List<String> arguments = new ArrayList<>(List.of(
                "nestor-device",
                "-Xlog:disable",
                "-Xlog:all=warning:stderr",
                "-Xlog:aot*=off:stderr",
                "-Xlog:cds*=off:stderr",
                "-XX:+DisplayVMOutputToStderr",
                "-XX:+UseSerialGC",
                "-Xms4m",
                "-Xmx" + kind.heapMiB + "m",
                "-Xss512k",
                "-XX:ReservedCodeCacheSize=" + kind.codeMiB + "m",
                "-XX:InitialCodeCacheSize=" + kind.codeMiB + "m",
                "-XX:-UsePerfData",
                "-XX:+UnlockDiagnosticVMOptions",
                "-XX:ArchiveRelocationMode=0",
                "-XX:+DisableAttachMechanism",
                "-XX:-CreateCoredumpOnCrash",
                "-XX:+ErrorFileToStderr",
                "-XX:+ExitOnOutOfMemoryError",
                "-Dslf4j.provider=org.nestorvm.isolation.log.LineLogProvider",
                "-Dslf4j.internal.verbosity=WARN"));
        if (kind.quickCompiler) arguments.add("-XX:TieredStopAtLevel=1");
        pass(arguments, "nestor.without");
        pass(arguments, "nestor.device.log");
        String more = System.getProperty(OPTIONS, "").strip();
        if (!more.isEmpty()) arguments.addAll(List.of(more.split(" +")));
        arguments.addAll(program(DeviceMain.class));
        return arguments;
    }

    private static void pass(List<String> arguments, String property) {
        String value = System.getProperty(property);
        if (value != null) arguments.add("-D" + property + "=" + value);
    }

    private static List<String> program(Class<?> main) throws IOException {
        if (main.getModule().isNamed()) {
            Map<String, String> jars = new TreeMap<>();
            collect(
                    main.getModule()
                            .getLayer()
                            .configuration()
                            .findModule(MODULE)
                            .orElseThrow(),
                    jars);
            String natives = jars.containsKey("com.github.luben.zstd_jni") ? ",com.github.luben.zstd_jni" : "";
            return List.of(
                    "--enable-native-access=org.nestorvm.memory" + natives,
                    "-p",
                    String.join(File.pathSeparator, jars.values()),
                    "-m",
                    MODULE + "/" + main.getName());
        }
        if (main.getClassLoader() != ClassLoader.getSystemClassLoader()) {
            throw new IOException(
                    "device processes start from the class path or the module path of this program, and Nestor "
                            + "was loaded by "
                            + main.getClassLoader() + "; run the devices in this process (isolate=off)");
        }
        return List.of(
                "--enable-native-access=ALL-UNNAMED",
                "-cp",
                absolute(System.getProperty("java.class.path")),
                main.getName());
    }

    /** What a module requires, directly or not: by name, since a service's user also reads its providers. */
    private static void collect(ResolvedModule module, Map<String, String> jars) throws IOException {
        String location = module.reference()
                .location()
                .filter(uri -> uri.getScheme().equals("file"))
                .map(uri -> Path.of(uri).toString())
                .orElse(null);
        if (location == null)
            throw new IOException("module " + module.name()
                    + " of the device processes is in no file; run the devices in this process (isolate=off)");
        if (jars.put(module.name(), location) != null) return;
        for (Requires requires : module.reference().descriptor().requires()) {
            ResolvedModule required =
                    module.configuration().findModule(requires.name()).orElse(null);
            boolean optional = requires.modifiers().contains(Requires.Modifier.STATIC);
            if (required != null
                    && !optional
                    && required.reference()
                            .location()
                            .filter(uri -> uri.getScheme().equals("file"))
                            .isPresent()
                    && !jars.containsKey(required.name())) collect(required, jars);
        }
    }

    private static String absolute(String path) {
        List<String> elements = new ArrayList<>();
        for (String element : path.split(File.pathSeparator))
            elements.add(Path.of(element).toAbsolutePath().toString());
        return String.join(File.pathSeparator, elements);
    }

    /**
     * The environment of a device process, all of it: fewer heaps of the C library, which a JVM hardly uses; and the
     * encoding of paths, which a JVM takes from the locale.
     */
    static List<String> environment() {
        return List.of("MALLOC_ARENA_MAX=1", "LC_ALL=C.UTF-8");
    }
}
