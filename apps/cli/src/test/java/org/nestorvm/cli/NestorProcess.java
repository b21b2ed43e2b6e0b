package org.nestorvm.cli;

import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.File;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.nestorvm.machine.Engines;
import org.nestorvm.vmm.Engine;

/** The command in a process of its own, as a shell would start it. */
final class NestorProcess {
    /** What it has done. */
    record Result(int status, String out, String err) {}

    /** One that this host can run; without any the test is skipped. */
    static String engine() {
        List<String> usable = Engines.all().stream()
                .filter(engine -> engine.unavailableBecause() == null)
                .map(Engine::name)
                .sorted()
                .toList()
                .reversed();
        assumeTrue(!usable.isEmpty(), "skipped: no engine works on this host");
        return usable.getFirst();
    }

    /**
     * With the usual signal handlers: a program that a shell or nohup(1) started in the background inherits ignored
     * ones, and so would the command. Empty where env(1) cannot do that (before coreutils 8.31).
     */
    private static final List<String> USUAL_SIGNALS = usualSignals();

    private static List<String> usualSignals() {
        List<String> prefix = List.of("env", "--default-signal=INT,HUP,TERM");
        try {
            List<String> probe = new ArrayList<>(prefix);
            probe.add("true");
            return new ProcessBuilder(probe).start().waitFor() == 0 ? prefix : List.of();
        } catch (IOException e) {
            return List.of();
        } catch (InterruptedException e) {
            throw new IllegalStateException(e);
        }
    }

    static List<String> command(Object... arguments) {
        List<String> command = new ArrayList<>(List.of(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-XX:TieredStopAtLevel=1",
                "-Xshare:auto",
                "--enable-native-access=ALL-UNNAMED",
                "-cp",
                System.getProperty("java.class.path"),
                Nestor.class.getName()));
        for (Object argument : arguments) command.add(argument.toString());
        return command;
    }

    /** A guest that does not end is killed, and the status shows it. */
    private static final int LIMIT_S = 30;

    static Result run(String input, Object... arguments) throws IOException, InterruptedException {
        return run(input, command(arguments));
    }

    static Result run(String input, List<String> command) throws IOException, InterruptedException {
        return run(input, command, LIMIT_S);
    }

    static Result run(String input, List<String> command, int limitS) throws IOException, InterruptedException {
        File err = File.createTempFile("nestor", ".err");
        try {
            Process process = start(new ProcessBuilder(command).redirectError(err), limitS);
            try (OutputStream to = process.getOutputStream()) {
                to.write(input.getBytes(StandardCharsets.ISO_8859_1));
            }
            String out = new String(process.getInputStream().readAllBytes(), StandardCharsets.ISO_8859_1);
            return new Result(process.waitFor(), out, Files.readString(err.toPath()));
        } finally {
            Files.delete(err.toPath());
        }
    }

    static Process start(ProcessBuilder builder) throws IOException {
        return start(builder, LIMIT_S);
    }

    /** @param limitS after so many seconds it is killed with all that it has started */
    static Process start(ProcessBuilder builder, int limitS) throws IOException {
        List<String> command = new ArrayList<>(USUAL_SIGNALS);
        command.addAll(builder.command());
        Process process = builder.command(command).start();
        CompletableFuture.delayedExecutor(limitS, TimeUnit.SECONDS).execute(() -> {
            process.descendants().forEach(ProcessHandle::destroyForcibly);
            process.destroyForcibly();
        });
        return process;
    }

    private NestorProcess() {}
}
