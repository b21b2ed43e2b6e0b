package org.nestorvm.cli;

import java.io.IOException;
import org.nestorvm.vmm.VmRefusedException;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.IVersionProvider;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** The command. Every error is one line on standard error that begins with {@code nestor:}, says the cause and what to do. */
@Command(name = "nestor", description = "A virtual machine monitor in Java.", subcommands = {RunCommand.class, ImageCommand.class, DeviceCommand.class, TrainCommand.class, UserlandCommand.class}, mixinStandardHelpOptions = true, versionProvider = Nestor.Version.class,
    synopsisSubcommandLabel = "COMMAND", sortOptions = false)
public final class Nestor implements Runnable {
    static final int FAILED = 1, USAGE = 2;
    /** In the environment: a logging level; with it an error that nobody expects shows where it comes from. */
    static final String LOG_LEVEL = "NESTOR_LOG";

    @Spec private CommandSpec spec;

    public static void main(String[] arguments) {
        System.exit(commandLine().execute(arguments));
    }

    static CommandLine commandLine() {
        CommandLine line = new CommandLine(new Nestor());
        line.setCaseInsensitiveEnumValuesAllowed(true);
        line.setAbbreviatedOptionsAllowed(false);
        line.getSubcommands().get("image").getSubcommands().get("resize").setUnmatchedOptionsArePositionalParams(true);     // -1G is a size
        line.setParameterExceptionHandler(Nestor::usageError);
        line.setExecutionExceptionHandler(Nestor::failure);
        return line;
    }

    @Override
    public void run() {
        throw new ParameterException(spec.commandLine(), "a command is missing; `nestor run` starts a guest");
    }

    private static int usageError(ParameterException error, String[] arguments) {
        CommandLine line = error.getCommandLine();
        String help = "; `" + line.getCommandSpec().qualifiedName() + " --help` tells more";
        line.getErr().println("nestor: " + oneLine(error.getMessage()) + (error.getMessage().contains(";") ? "" : help));
        return USAGE;
    }

    private static int failure(Exception error, CommandLine line, CommandLine.ParseResult parsed) {
        boolean expected = error instanceof IOException || error instanceof VmRefusedException;
        line.getErr().println("nestor: " + (expected ? oneLine(error.getMessage()) : "internal error, please report it: " + oneLine(error.toString())));
        if (!expected || System.getenv(LOG_LEVEL) != null) error.printStackTrace(line.getErr());
        return FAILED;
    }

    static String oneLine(String message) {
        return String.valueOf(message).lines().map(String::strip).reduce((a, b) -> a + " " + b).orElse("");
    }

    static final class Version implements IVersionProvider {
        @Override
        public String[] getVersion() {
            String version = Nestor.class.getModule().isNamed() ? Nestor.class.getModule().getDescriptor().rawVersion().orElse("") : "";
            return new String[] {("nestor " + version).strip() + " (Java " + Runtime.version() + ", " + System.getProperty("os.name") + " " + System.getProperty("os.arch") + ")"};
        }
    }
}
