package org.nestorvm.cli;

import java.util.Iterator;
import java.util.Objects;
import java.util.stream.Stream;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** The words that name a command, like {@code image create}, as an argument of another. */
final class CommandWords {
    @Parameters(
            index = "0",
            arity = "0..1",
            paramLabel = "COMMAND",
            completionCandidates = First.class,
            description = "Like run, or image.")
    private String first;

    @Parameters(
            index = "1",
            arity = "0..1",
            paramLabel = "SUBCOMMAND",
            completionCandidates = Second.class,
            description = "Like create.")
    private String second;

    @Spec(Spec.Target.MIXEE)
    private CommandSpec spec;

    /** The whole, when there are no words. */
    CommandLine find() {
        CommandLine found = spec.root().commandLine();
        for (String word : Stream.of(first, second).filter(Objects::nonNull).toList()) {
            CommandLine next = found.getSubcommands().get(word);
            if (next == null) throw new ParameterException(spec.commandLine(), Suggestion.noCommand(word, found));
            found = next;
        }
        return found;
    }

    private static Iterator<String> below(Class<?> command) {
        return Stream.of(command.getAnnotation(Command.class).subcommands())
                .map(each -> each.getAnnotation(Command.class))
                .filter(each -> !each.hidden())
                .map(Command::name)
                .iterator();
    }

    static final class First implements Iterable<String> {
        @Override
        public Iterator<String> iterator() {
            return below(Nestor.class);
        }
    }

    static final class Second implements Iterable<String> {
        @Override
        public Iterator<String> iterator() {
            return below(ImageCommand.class);
        }
    }
}
