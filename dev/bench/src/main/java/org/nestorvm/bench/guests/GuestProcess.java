package org.nestorvm.bench.guests;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** A monitor as a process, and what its guest writes to the console: lines {@code @@ NAME TEXT} are results. */
final class GuestProcess {
    private static final List<String> JVM_OPTIONS = List.of(
            "-XX:+UseParallelGC",
            "-XX:ParallelGCThreads=1",
            "-Xms128m",
            "-XX:ReservedCodeCacheSize=256m",
            "-XX:-UsePerfData",
            "--enable-native-access=ALL-UNNAMED");
    private static final Pattern SAID = Pattern.compile("(?m)^@@ (\\S+) ?(.*?)\\r?$");

    private GuestProcess() {}

    /**
     * Runs a main class in a JVM with the options of the nestor script: what a first guest leaves behind in a JVM makes
     * the next one slower.
     */
    static String inItsOwnJvm(Class<?> main, String... arguments) throws IOException, InterruptedException {
        String java = Path.of(System.getProperty("java.home"), "bin", "java").toString();
        List<String> command = new ArrayList<>(List.of(java));
        command.addAll(JVM_OPTIONS);
        command.addAll(List.of("-cp", System.getProperty("java.class.path"), main.getName()));
        command.addAll(List.of(arguments));
        return output(command);
    }

    static String output(List<String> command) throws IOException, InterruptedException {
        Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
        try {
            process.getOutputStream().close();
            String console = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
            if (process.waitFor() != 0) throw new IOException(command.getFirst() + ": " + console);
            return console;
        } finally {
            process.destroyForcibly();
        }
    }

    static Map<String, String> said(String console) throws IOException {
        Map<String, String> said = new LinkedHashMap<>();
        Matcher line = SAID.matcher(console);
        while (line.find()) said.put(line.group(1), line.group(2));
        if (said.isEmpty()) throw new IOException("the guest has measured nothing: " + console);
        return said;
    }
}
