package org.nestorvm.cli;

import java.io.IOException;
import org.nestorvm.disk.ImageOptions;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.TypeConversionException;

/** A size or a place on a guest's disk, as qemu-img has them: {@code 65536}, {@code 512M}, {@code 20G}. Gives bytes. */
final class ImageSize implements ITypeConverter<Long> {
    @Override
    public Long convert(String text) {
        return bytes(text);
    }

    private static long bytes(String text) {
        try {
            return ImageOptions.size(text);
        } catch (IOException e) {
            throw new TypeConversionException(e.getMessage());
        }
    }

    /** {@code 20G}, {@code +1G} or {@code -1G}. @param sign 0 for a size by itself */
    record Change(int sign, long bytes) {
        /** @return may be below 0 */
        long from(long before) {
            return sign == 0 ? bytes : before + sign * bytes;
        }
    }

    static final class ChangeConverter implements ITypeConverter<Change> {
        @Override
        public Change convert(String text) {
            int sign = text.startsWith("+") ? 1 : text.startsWith("-") ? -1 : 0;
            return new Change(sign, bytes(sign == 0 ? text : text.substring(1)));
        }
    }
}
