package org.nestorvm.cli;

import java.util.concurrent.Callable;
import picocli.AutoComplete;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/**
 * The shell's completion of commands, options and values. The generated script finds out which of the two shells reads
 * it.
 */
@Command(
        name = "completion",
        description = "Prints the completion for a shell; for this session: . <(nestor completion bash)",
        mixinStandardHelpOptions = true,
        sortOptions = false)
final class CompletionCommand implements Callable<Integer> {
    enum Shell {
        BASH,
        ZSH;

        @Override
        public String toString() {
            return EnumWords.word(this);
        }
    }

    @Spec
    private CommandSpec spec;

    @Parameters(paramLabel = "bash|zsh", description = "The shell.")
    private Shell shell;

    @Override
    public Integer call() {
        spec.commandLine().getOut().print(script());
        return 0;
    }

    static String script() {
        return AutoComplete.bash("nestor", Nestor.commandLine());
    }
}
