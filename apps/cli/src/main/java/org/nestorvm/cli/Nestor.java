package org.nestorvm.cli;

import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.AccessDeniedException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.NoSuchFileException;
import java.nio.file.NotDirectoryException;
import java.nio.file.Path;
import org.nestorvm.disk.ImageRequestException;
import org.nestorvm.isolation.UsageException;
import org.nestorvm.machine.HeapLimit;
import org.nestorvm.memory.sys.Errno;
import org.nestorvm.memory.sys.ErrnoException;
import org.nestorvm.memory.sys.HostText;
import org.nestorvm.vmm.VmRefusedException;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.IVersionProvider;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Model.OptionSpec;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;
import picocli.CommandLine.TypeConversionException;
import picocli.CommandLine.UnmatchedArgumentException;

/**
 * The command. Every error is one line on standard error that begins with {@code nestor:}, says the cause and what to
 * do.
 */
@Command(
        name = "nestor",
        description = "A virtual machine monitor in Java.",
        subcommands = {
            RunCommand.class,
            ImageCommand.class,
            DeviceCommand.class,
            HelpCommand.class,
            CompletionCommand.class,
            ManCommand.class,
            TrainCommand.class,
            UserlandCommand.class
        },
        mixinStandardHelpOptions = true,
        versionProvider = Nestor.Version.class,
        synopsisSubcommandLabel = "COMMAND",
        sortOptions = false)
public final class Nestor implements Runnable {
    static final int FAILED = 1, USAGE = 2;
    /** In the environment: a logging level; with it an error that nobody expects shows where it comes from. */
    static final String LOG_LEVEL = "NESTOR_LOG";

    @Spec
    private CommandSpec spec;

    public static void main(String[] arguments) {
        Thread.setDefaultUncaughtExceptionHandler((thread, error) -> {
            broken(thread.getName() + ": ", error);
            if (error instanceof OutOfMemoryError) System.exit(FAILED);
        });
        int status;
        StandardStream out = new StandardStream(StandardStream.STDOUT);
        PrintWriter writer = out.writer();
        try {
            status = commandLine().setOut(writer).execute(HostText.arguments(arguments));
            writer.flush();
            status = statusOf(status, out);
        } catch (OutOfMemoryError e) {
            broken("", e);
            status = FAILED;
        }
        System.exit(status);
    }

    /** What a command prints is what it was asked for: none of it may be lost without a word. */
    private static int statusOf(int status, StandardStream out) {
        if (out.failure() == null || out.isReaderGone()) return status;
        System.err.println("nestor: " + oneLine(cause(out.failure())));
        return status == 0 ? FAILED : status;
    }

    /** Of the JVM's own failures only the lack of memory is the user's to mend. */
    private static void broken(String where, Throwable error) {
        if (error instanceof OutOfMemoryError full) {
            System.err.println("nestor: " + HeapLimit.explain(full));
            return;
        }
        System.err.println("nestor: internal error, please report it: " + where + oneLine(error.toString()));
        error.printStackTrace();
    }

    static CommandLine commandLine() {
        CommandLine line = new CommandLine(new Nestor());
        line.setCaseInsensitiveEnumValuesAllowed(true);
        line.registerConverter(Path.class, HostText::path);
        line.registerConverter(int.class, Nestor::wholeNumber);
        EnumWords.register(line);
        line.setAbbreviatedOptionsAllowed(false);
        line.getSubcommands()
                .get("image")
                .getSubcommands()
                .get("resize")
                .setUnmatchedOptionsArePositionalParams(true); // -1G is a size
        line.setParameterExceptionHandler(Nestor::usageError);
        line.setExecutionExceptionHandler(Nestor::failure);
        return line;
    }

    private static Integer wholeNumber(String text) {
        try {
            return Integer.valueOf(text);
        } catch (NumberFormatException e) {
            boolean large = text.matches("[+-]?[0-9]+");
            throw new TypeConversionException(
                    "'" + text + "' is " + (large ? "out of range" : "no number; write it in digits"));
        }
    }

    @Override
    public void run() {
        throw new ParameterException(spec.commandLine(), "a command is missing; `nestor run` starts a guest");
    }

    private static int usageError(ParameterException error, String[] arguments) {
        CommandLine line = error.getCommandLine();
        if (error instanceof UnmatchedArgumentException unmatched) {
            line.getErr().println("nestor: " + Suggestion.explain(unmatched));
            return USAGE;
        }
        String help = "; `" + line.getCommandSpec().qualifiedName() + " --help` tells more", message = message(error);
        line.getErr().println("nestor: " + oneLine(message) + (message.contains(";") ? "" : help));
        return USAGE;
    }

    /** A value that its converter refuses comes as the option and what the converter said, without the syntax. */
    private static String message(ParameterException error) {
        boolean converted = error.getCause() instanceof TypeConversionException;
        if (!converted || error.getArgSpec() == null) return error.getMessage();
        String why = error.getCause().getMessage(),
                name =
                        error.getArgSpec() instanceof OptionSpec option
                                ? option.longestName()
                                : error.getArgSpec().paramLabel();
        boolean named = ("--" + why).startsWith(name + " ") || ("--" + why).startsWith(name + ":");
        return named ? "--" + why : name + ": " + why;
    }

    private static int failure(Exception error, CommandLine line, CommandLine.ParseResult parsed) {
        boolean
                refused =
                        error instanceof VmRefusedException
                                || error instanceof UsageException
                                || error instanceof ImageRequestException,
                expected = error instanceof IOException || refused;
        line.getErr()
                .println("nestor: "
                        + (expected
                                ? oneLine(cause(error))
                                : "internal error, please report it: " + oneLine(error.toString())));
        if (!expected || System.getenv(LOG_LEVEL) != null) error.printStackTrace(line.getErr());
        return refused ? USAGE : FAILED;
    }

    /** Those of java.nio name only the file. */
    static String cause(Exception error) {
        return switch (error) {
            case NoSuchFileException e -> e.getFile() + ": there is no such file or folder; name one that exists";
            case AccessDeniedException e ->
                e.getFile() + ": permission denied; change its mode or owner, or run as a user who may";
            case FileAlreadyExistsException e -> e.getFile() + ": exists already; remove it or name another";
            case NotDirectoryException e -> e.getFile() + ": is no folder; name one";
            case ErrnoException e when e.errno() == Errno.ENOENT -> e.getMessage() + "; check the path";
            case ErrnoException e
            when e.errno() == Errno.EACCES ->
                e.getMessage() + "; change the mode or the owner, or run as a user who may";
            case ErrnoException e when e.errno() == Errno.ENOSPC -> e.getMessage() + "; make room on that disk";
            default -> error.getMessage();
        };
    }

    static String oneLine(String message) {
        return String.valueOf(message)
                .lines()
                .map(String::strip)
                .reduce((a, b) -> a + " " + b)
                .orElse("");
    }

    static final class Version implements IVersionProvider {
        @Override
        public String[] getVersion() {
            String version = Nestor.class.getModule().isNamed()
                    ? Nestor.class.getModule().getDescriptor().rawVersion().orElse("")
                    : "";
            return new String[] {
                ("nestor " + version).strip() + " (Java " + Runtime.version() + ", " + System.getProperty("os.name")
                        + " " + System.getProperty("os.arch") + ")"
            };
        }
    }
}
