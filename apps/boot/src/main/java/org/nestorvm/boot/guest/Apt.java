package org.nestorvm.boot.guest;

import java.io.BufferedReader;
import java.io.File;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;
import java.util.function.DoubleConsumer;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.nestorvm.boot.BootException;

/** The host's package manager, run as a program; it checks signatures itself and needs no rights to download. */
final class Apt {
    /** Of a status line, {@code dlstatus:1:42.5:Retrieving file 1 of 2}. */
    private static final Pattern STATUS = Pattern.compile("dlstatus:[^:]*:([0-9.]+):.*");
    /** Of a simulated installation, {@code Inst libc6 (2.36-9+deb12u14 Debian:12/oldstable [amd64])}. */
    private static final Pattern INSTALL = Pattern.compile("(?m)^Inst (\\S+) \\((\\S+) ");

    private static final String FULL = "No space left on device";

    private final String searchPath, what, mend;

    /**
     * @param searchPath folders like PATH's @param what is being fetched @param mend what the user can do instead; both
     *     for messages
     */
    Apt(String searchPath, String what, String mend) {
        this.searchPath = searchPath;
        this.what = what;
        this.mend = mend;
    }

    /**
     * Packages with all that they depend on, as apt would install them on a system that has none. @return
     * {@code name=version} of each
     */
    List<String> withDependencies(List<String> packages) throws BootException {
        List<String> command = new ArrayList<>(List.of(
                program("apt-get"),
                "install",
                "--simulate",
                "--assume-yes",
                "--no-install-recommends",
                "-o",
                "Dir::State::status=/dev/null",
                "-o",
                "APT::Architecture=amd64",
                "-o",
                "APT::Architectures=amd64"));
        command.addAll(packages);
        Matcher matcher = INSTALL.matcher(run(null, line -> {}, command));
        List<String> all = new ArrayList<>();
        while (matcher.find()) all.add(matcher.group(1) + "=" + matcher.group(2));
        return all;
    }

    /** The package that a metapackage pulls in, by the first dependency that {@code wanted} matches. */
    String dependency(String metapackage, Pattern wanted) throws BootException {
        String said = run(null, line -> {}, List.of(program("apt-cache"), "depends", metapackage));
        Matcher matcher = wanted.matcher(said);
        if (!matcher.find())
            throw new BootException(what + ": apt knows no package that " + metapackage
                    + " depends on; run apt-get update, or " + mend);
        return matcher.group(1);
    }

    /**
     * Downloads packages, each {@code name} or {@code name=version}, into a folder. @return the files, one a package,
     * in the packages' order
     */
    List<Path> download(Path folder, DoubleConsumer progress, List<String> packages) throws BootException, IOException {
        List<String> command = new ArrayList<>(List.of(
                program("apt-get"), "download", "-q", "-o", "APT::Status-Fd=1", "-o", "APT::Sandbox::User=root"));
        command.addAll(packages);
        run(
                folder,
                line -> {
                    Matcher status = STATUS.matcher(line);
                    if (status.matches()) progress.accept(Double.parseDouble(status.group(1)) / 100);
                },
                command);
        List<Path> files = new ArrayList<>();
        for (String each : packages) {
            String name = each.split("=", 2)[0];
            try (DirectoryStream<Path> found = Files.newDirectoryStream(folder, name + "_*.deb")) {
                if (!found.iterator().hasNext())
                    throw new BootException(
                            what + ": apt-get download " + name + " left no " + name + "_*.deb; " + mend);
            }
            try (DirectoryStream<Path> found = Files.newDirectoryStream(folder, name + "_*.deb")) {
                files.add(found.iterator().next());
            }
        }
        return files;
    }

    private String program(String name) throws BootException {
        for (String folder : searchPath.split(File.pathSeparator)) {
            Path program = Path.of(folder, name);
            if (!folder.isEmpty() && Files.isExecutable(program)) return program.toString();
        }
        throw new BootException(what + ": this host has no " + name + " to fetch it with; " + mend);
    }

    /** Output and errors together; the last line is the reason when the program fails. */
    private String run(Path folder, Consumer<String> perLine, List<String> command) throws BootException {
        ProcessBuilder builder = new ProcessBuilder(command).redirectErrorStream(true);
        builder.environment().put("LC_ALL", "C");
        if (folder != null) builder.directory(folder.toFile());
        String name = Path.of(command.getFirst()).getFileName() + " " + command.get(1);
        StringBuilder said = new StringBuilder();
        try {
            Process process = builder.start();
            try (BufferedReader lines = process.inputReader(StandardCharsets.UTF_8)) {
                for (String line = lines.readLine(); line != null; line = lines.readLine()) {
                    said.append(line).append('\n');
                    perLine.accept(line);
                }
                if (process.waitFor() == 0) return said.toString();
            } finally {
                process.destroy();
            }
        } catch (IOException e) {
            throw new BootException(what + ": " + name + " cannot be run (" + e.getMessage() + "); " + mend, e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new BootException(what + ": interrupted", e);
        }
        if (said.indexOf(FULL) >= 0)
            throw new BootException(
                    what + ": a disk is full (" + reason(said.toString()) + "); make room there, or " + mend);
        throw new BootException(
                what + ": " + name + " failed (" + reason(said.toString()) + "); run apt-get update, or " + mend);
    }

    private static String reason(String said) {
        List<String> lines = said.lines()
                .filter(line -> !line.isBlank() && !line.startsWith("W:") && !line.startsWith("dlstatus:"))
                .toList();
        return lines.stream()
                .filter(line -> line.startsWith("E:"))
                .findFirst()
                .orElse(lines.isEmpty() ? "it says nothing" : lines.getLast());
    }
}
