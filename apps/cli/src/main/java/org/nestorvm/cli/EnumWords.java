package org.nestorvm.cli;

import java.util.Arrays;
import java.util.Locale;
import java.util.stream.Collectors;
import picocli.CommandLine;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.Model.ArgSpec;
import picocli.CommandLine.TypeConversionException;

/** Enumerations are written in small letters, in options and in messages. Capitals are taken too. */
final class EnumWords<E extends Enum<E>> implements ITypeConverter<E> {
    private final Class<E> type;

    private EnumWords(Class<E> type) {
        this.type = type;
    }

    /** For every option and argument of the command and of those below it. */
    static void register(CommandLine line) {
        for (ArgSpec argument : line.getCommandSpec().args()) {
            for (Class<?> each : argument.auxiliaryTypes()) if (each.isEnum()) register(line, each);
        }
        line.getSubcommands().values().forEach(EnumWords::register);
    }

    @SuppressWarnings({"unchecked", "rawtypes"})
    private static void register(CommandLine line, Class<?> type) {
        line.registerConverter((Class) type, new EnumWords(type));
    }

    @Override
    public E convert(String text) {
        for (E each : type.getEnumConstants()) if (word(each).equals(text.toLowerCase(Locale.ROOT))) return each;
        throw new TypeConversionException("'" + text + "' is not known; "
                + sentence(Arrays.stream(type.getEnumConstants())
                        .map(EnumWords::word)
                        .toArray(String[]::new)));
    }

    static String word(Enum<?> constant) {
        return constant.name().toLowerCase(Locale.ROOT);
    }

    /** {@code auto, kvm and soft are}. */
    private static String sentence(String... words) {
        String last = words[words.length - 1];
        if (words.length == 1) return last + " is";
        return Arrays.stream(words).limit(words.length - 1).collect(Collectors.joining(", ")) + " and " + last + " are";
    }
}
