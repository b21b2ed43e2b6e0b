package org.nestorvm.cli;

import java.math.BigDecimal;
import java.time.Duration;
import java.util.regex.Pattern;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.TypeConversionException;

/** {@code 30} or {@code 0.5}: seconds, more than 0. */
final class SecondsConverter implements ITypeConverter<Duration> {
    private static final Pattern SECONDS = Pattern.compile("[0-9]{1,9}(\\.[0-9]{1,9})?");

    @Override
    public Duration convert(String text) {
        long ns = SECONDS.matcher(text).matches()
                ? new BigDecimal(text).movePointRight(9).longValueExact()
                : 0;
        if (ns > 0) return Duration.ofNanos(ns);
        throw new TypeConversionException(
                "'" + text + "' is no time limit, a number of seconds above 0 is; " + "write it like 30 or 0.5");
    }
}
