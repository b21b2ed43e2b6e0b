package org.nestorvm.cli;

import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Spec;

/** {@code nestor help run}: what {@code nestor run --help} prints. */
@Command(name = "help", description = "Shows the help of a command.", sortOptions = false, helpCommand = true)
final class HelpCommand implements Callable<Integer> {
    @Spec
    private CommandSpec spec;

    @Mixin
    private CommandWords words;

    @Override
    public Integer call() {
        words.find().usage(spec.commandLine().getOut());
        return 0;
    }
}
