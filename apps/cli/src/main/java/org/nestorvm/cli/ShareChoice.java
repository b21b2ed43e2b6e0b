package org.nestorvm.cli;

import java.nio.file.Path;
import java.util.List;
import org.nestorvm.machine.DeviceSource;
import org.nestorvm.machine.Devices;
import org.nestorvm.memory.sys.HostText;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.TypeConversionException;

/** What {@code --share} says. @param tag null when it does not say */
record ShareChoice(Path folder, String tag) {
    private static final String TAG = "share";

    static final class Converter implements ITypeConverter<ShareChoice> {
        private static final int LONGEST_TAG = 36;

        @Override
        public ShareChoice convert(String text) {
            OptionParts parts = OptionParts.parse("share", text, List.of("tag"));
            if (parts.first().isEmpty())
                throw new TypeConversionException("share '" + text + "': begins with the folder's path");
            String tag = parts.get("tag");
            if (tag != null
                    && (tag.isEmpty()
                            || tag.length() > LONGEST_TAG
                            || tag.chars().anyMatch(c -> c <= ' ' || c > '~')))
                throw new TypeConversionException(
                        "share '" + text + "': a tag is 1 to " + LONGEST_TAG + " printable ASCII characters");
            return new ShareChoice(HostText.path(parts.first()), tag);
        }
    }

    DeviceSource source(int index) {
        return Devices.share("share" + index, folder, tag != null ? tag : index == 0 ? TAG : TAG + index);
    }
}
