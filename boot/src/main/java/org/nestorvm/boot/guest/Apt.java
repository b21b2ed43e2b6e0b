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
    static final String MEND = "pass --kernel FILE and --initrd FILE";

    private final String searchPath;

    /** @param searchPath folders like PATH's */
    Apt(String searchPath) {
        this.searchPath = searchPath;
    }

    /** The package that a metapackage pulls in, by the first dependency that {@code wanted} matches. */
    String dependency(String metapackage, Pattern wanted) throws BootException {
        String said = run(null, line -> { }, List.of(program("apt-cache"), "depends", metapackage));
        Matcher matcher = wanted.matcher(said);
        if (!matcher.find()) throw new BootException("default guest: apt knows no package that " + metapackage + " depends on; run apt-get update, or " + MEND);
        return matcher.group(1);
    }

    /** Downloads packages into a folder. @return the files, one a package, in the packages' order */
    List<Path> download(Path folder, DoubleConsumer progress, List<String> packages) throws BootException, IOException {
        List<String> command = new ArrayList<>(List.of(program("apt-get"), "download", "-q", "-o", "APT::Status-Fd=1", "-o", "APT::Sandbox::User=root"));
        command.addAll(packages);
        run(folder, line -> {
            Matcher status = STATUS.matcher(line);
            if (status.matches()) progress.accept(Double.parseDouble(status.group(1)) / 100);
        }, command);
        List<Path> files = new ArrayList<>();
        for (String name : packages) {
            try (DirectoryStream<Path> found = Files.newDirectoryStream(folder, name + "_*.deb")) {
                if (!found.iterator().hasNext()) throw new BootException("default guest: apt-get download " + name + " left no " + name + "_*.deb; " + MEND);
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
        throw new BootException("default guest: this host has no " + name + " to fetch it with; " + MEND);
    }

    /** Output and errors together; the last line is the reason when the program fails. */
    private static String run(Path folder, Consumer<String> perLine, List<String> command) throws BootException {
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
            throw new BootException("default guest: " + name + " cannot be run (" + e.getMessage() + "); " + MEND, e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new BootException("default guest: interrupted", e);
        }
        throw new BootException("default guest: " + name + " failed (" + reason(said.toString()) + "); run apt-get update, or " + MEND);
    }

    private static String reason(String said) {
        List<String> lines = said.lines().filter(line -> !line.isBlank() && !line.startsWith("W:") && !line.startsWith("dlstatus:")).toList();
        return lines.stream().filter(line -> line.startsWith("E:")).findFirst().orElse(lines.isEmpty() ? "it says nothing" : lines.getLast());
    }
}
