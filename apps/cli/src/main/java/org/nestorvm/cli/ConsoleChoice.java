package org.nestorvm.cli;

import java.nio.file.Path;
import org.nestorvm.memory.sys.HostText;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.TypeConversionException;

/** Where the guest's first serial port goes. */
sealed interface ConsoleChoice {
    /** Standard input and output of the command. */
    record Stdio() implements ConsoleChoice {}

    record None() implements ConsoleChoice {}

    /** A socket that the command listens on. */
    record UnixSocket(Path path) implements ConsoleChoice {}

    final class Converter implements ITypeConverter<ConsoleChoice> {
        @Override
        public ConsoleChoice convert(String text) {
            if (text.equals("stdio")) return new Stdio();
            if (text.equals("none")) return new None();
            if (text.startsWith("unix=") && text.length() > "unix=".length())
                return new UnixSocket(HostText.path(text.substring("unix=".length())));
            throw new TypeConversionException("'" + text + "' is no console; stdio, none and unix=PATH are");
        }
    }
}
