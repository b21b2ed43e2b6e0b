package org.nestorvm.cli;

import java.math.BigInteger;
import java.util.Locale;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.nestorvm.vmm.MemoryMap;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.TypeConversionException;

/** The guest's memory: {@code 512M}, {@code 2G}, {@code 65536K}; a number alone means MiB. Gives bytes. */
final class SizeConverter implements ITypeConverter<Long> {
    private static final Pattern SIZE = Pattern.compile("([0-9]+)([KMGTkmgt]?)");
    private static final long LEAST = 1 << 20, PAGE = 4096;

    @Override
    public Long convert(String text) {
        Matcher matcher = SIZE.matcher(text);
        if (!matcher.matches())
            throw new TypeConversionException("'" + text + "' is no size; write it like 512M or 2G");
        int shift = switch (matcher.group(2).toUpperCase(Locale.ROOT)) {
            case "K" -> 10;
            case "G" -> 30;
            case "T" -> 40;
            default -> 20;
        };
        BigInteger bytes = new BigInteger(matcher.group(1)).shiftLeft(shift);
        boolean possible = bytes.bitLength() < Long.SIZE
                && bytes.longValue() >= LEAST
                && bytes.longValue() <= MemoryMap.MAX_MEMORY_BYTES
                && bytes.longValue() % PAGE == 0;
        if (!possible)
            throw new TypeConversionException(
                    "'" + text + "' is out of range; a guest's memory is a multiple of 4K from 1M to "
                            + (MemoryMap.MAX_MEMORY_BYTES >> 30) + "G");
        return bytes.longValue();
    }
}
