package org.nestorvm.disk;

import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/** QEMU's tools as a second opinion. Debian package qemu-utils. */
final class QemuImg {
    record Result(int status, String out) {}

    private QemuImg() {}

    static boolean present() {
        return Files.isExecutable(Path.of("/usr/bin/qemu-img")) && Files.isExecutable(Path.of("/usr/bin/qemu-io"));
    }

    static void needed() {
        assumeTrue(present(), "skipped: no qemu-img and qemu-io here (Debian package qemu-utils)");
    }

    static Result run(Path directory, String program, Object... arguments) throws IOException {
        List<String> command = new ArrayList<>(List.of(program));
        for (Object argument : arguments) command.add(argument.toString());
        Process process = new ProcessBuilder(command)
                .directory(directory.toFile())
                .redirectErrorStream(true)
                .start();
        process.getOutputStream().close();
        String out = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        try {
            return new Result(process.waitFor(), out);
        } catch (InterruptedException e) {
            throw new IOException(e);
        }
    }

    /** @return what it printed; a status other than 0 is an error */
    static String img(Path directory, Object... arguments) throws IOException {
        Result result = run(directory, "qemu-img", arguments);
        if (result.status != 0)
            throw new AssertionError(
                    "qemu-img " + List.of(arguments) + ": status " + result.status + "\n" + result.out);
        return result.out;
    }

    static void io(Path directory, Path file, String... commands) throws IOException {
        List<Object> arguments = new ArrayList<>();
        for (String command : commands) arguments.addAll(List.of("-c", command));
        arguments.add(file);
        Result result = run(directory, "qemu-io", arguments.toArray());
        if (result.status != 0)
            throw new AssertionError("qemu-io " + arguments + ": status " + result.status + "\n" + result.out);
    }
}
