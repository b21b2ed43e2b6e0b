package org.nestorvm.cli;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** {@code nestor help run}: what {@code nestor run --help} prints. */
@Command(name = "help", description = "Shows the help of a command.", sortOptions = false, helpCommand = true)
final class HelpCommand implements Callable<Integer> {
    @Spec
    private CommandSpec spec;

    @Parameters(arity = "0..*", paramLabel = "COMMAND", description = "Like run, or image create.")
    private List<String> words = new ArrayList<>();

    @Override
    public Integer call() {
        CommandLine found = find(spec, words);
        found.usage(spec.commandLine().getOut());
        return 0;
    }

    /** The command that the words name. @param asking a subcommand of the whole */
    static CommandLine find(CommandSpec asking, List<String> words) {
        CommandLine found = asking.root().commandLine();
        for (String word : words) {
            CommandLine next = found.getSubcommands().get(word);
            if (next == null) throw new ParameterException(asking.commandLine(), Suggestion.noCommand(word, found));
            found = next;
        }
        return found;
    }
}
