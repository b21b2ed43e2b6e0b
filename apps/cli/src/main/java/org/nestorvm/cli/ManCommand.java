package org.nestorvm.cli;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.Callable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/**
 * The manual's pages, made from the same descriptions as the help. {@code ./nestor} writes all of them when it builds.
 */
@Command(
        name = "man",
        description = "Prints a page of the manual for man(1): nestor man run | man -l -",
        mixinStandardHelpOptions = true,
        sortOptions = false)
final class ManCommand implements Callable<Integer> {
    @Spec
    private CommandSpec spec;

    @Option(names = "--to", paramLabel = "FOLDER", description = "Write all pages into this folder instead.")
    private Path folder;

    @Mixin
    private CommandWords words;

    @Override
    public Integer call() throws IOException {
        CommandLine found = words.find();
        if (folder != null) {
            write(found, folder);
            return 0;
        }
        spec.commandLine().getOut().print(new ManPage(found.getCommandSpec()));
        return 0;
    }

    /** The pages of a command and of those below it. */
    static void write(CommandLine command, Path folder) throws IOException {
        Files.createDirectories(folder);
        ManPage page = new ManPage(command.getCommandSpec());
        Files.writeString(folder.resolve(page.name() + ".1"), page.toString());
        for (CommandLine below : command.getSubcommands().values()) {
            if (!below.getCommandSpec().usageMessage().hidden()) write(below, folder);
        }
    }
}
