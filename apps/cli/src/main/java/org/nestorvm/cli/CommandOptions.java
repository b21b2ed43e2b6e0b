package org.nestorvm.cli;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** What {@code nestor run -- COMMAND} takes beside the options of every guest. */
final class CommandOptions {
    @Parameters(
            paramLabel = "-- COMMAND [ARGUMENT...]",
            arity = "0..*",
            description = "A command that runs in the guest, in the present folder. Its three standard streams and "
                    + "its status are those of nestor, and the guest ends with it.")
    List<String> command = new ArrayList<>();

    @Option(
            names = "--root",
            paramLabel = "FOLDER",
            description = "With a command: the folder of the host that is its root; what it writes there is not kept "
                    + "(default: /).")
    Path root;

    @Option(
            names = "--no-host-root",
            description = "With a command: its root is the default guest's own, with busybox and nothing else.")
    boolean noHostRoot;

    @Option(names = "--read-only", description = "With a command: it cannot write to the present folder either.")
    boolean readOnly;

    @Option(
            names = "--verbose",
            description = "With a command: the guest's console, and the monitor's own lines, on standard error.")
    boolean verbose;

    /** The first of these options that was given, or null. */
    String given() {
        if (root != null) return "--root " + root;
        if (noHostRoot) return "--no-host-root";
        if (readOnly) return "--read-only";
        return verbose ? "--verbose" : null;
    }
}
