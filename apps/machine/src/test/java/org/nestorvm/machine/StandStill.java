package org.nestorvm.machine;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;

/**
 * What a test that runs out of time tells: where this program's threads stand, and in what call of the kernel the
 * threads of its children (device processes, passt, virtiofsd) wait.
 */
final class StandStill {
    private StandStill() {}

    static String describe() {
        StringBuilder text = new StringBuilder("Threads of this process:\n");
        Thread.getAllStackTraces().entrySet().stream()
                .sorted(Comparator.comparing(entry -> entry.getKey().getName()))
                .forEach(entry -> thread(text, entry));
        ProcessHandle.current().descendants().forEach(child -> process(text, child));
        return text.toString();
    }

    private static void thread(StringBuilder text, Map.Entry<Thread, StackTraceElement[]> entry) {
        text.append("  ")
                .append(entry.getKey().getName())
                .append(' ')
                .append(entry.getKey().getState())
                .append('\n');
        for (StackTraceElement element : entry.getValue())
            text.append("      ").append(element).append('\n');
    }

    private static void process(StringBuilder text, ProcessHandle child) {
        text.append("Process ")
                .append(child.pid())
                .append(' ')
                .append(child.info().commandLine().orElse("").split(" ")[0])
                .append(", processor time ")
                .append(child.info().totalCpuDuration().orElse(null))
                .append(":\n");
        try (Stream<Path> tasks = Files.list(Path.of("/proc/" + child.pid() + "/task"))) {
            List<Path> all = tasks.sorted().toList();
            for (Path task : all)
                text.append("  ")
                        .append(line(task, "comm"))
                        .append(": ")
                        .append(state(task))
                        .append(", waits in ")
                        .append(line(task, "wchan"))
                        .append(", system call ")
                        .append(line(task, "syscall"))
                        .append('\n');
        } catch (IOException e) {
            text.append("  has ended\n");
        }
    }

    private static String state(Path task) {
        try (Stream<String> lines = Files.lines(task.resolve("status"))) {
            return lines.filter(line -> line.startsWith("State:"))
                    .findAny()
                    .orElse("")
                    .replaceAll("State:\\s*", "");
        } catch (IOException e) {
            return "?";
        }
    }

    private static String line(Path task, String file) {
        try {
            return Files.readString(task.resolve(file)).strip();
        } catch (IOException e) {
            return "?";
        }
    }
}
