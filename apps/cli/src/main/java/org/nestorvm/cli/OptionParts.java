package org.nestorvm.cli;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.nestorvm.virtio.OptionText;
import picocli.CommandLine.TypeConversionException;

/** {@code VALUE,key=value,flag}: how options with parts are written. A comma inside a value is doubled. */
final class OptionParts {
    private final String what, first;
    private final Map<String, String> rest = new LinkedHashMap<>();

    private OptionParts(String what, String first) {
        this.what = what;
        this.first = first;
    }

    /** @param what the option, for messages @param keys that may follow the first value */
    static OptionParts parse(String what, String text, List<String> keys) {
        List<String> parts = OptionText.split(text);
        OptionParts result = new OptionParts(what, parts.getFirst());
        for (String part : parts.subList(1, parts.size())) {
            int equals = part.indexOf('=');
            String key = equals < 0 ? part : part.substring(0, equals);
            if (!keys.contains(key))
                throw new TypeConversionException(
                        what + " '" + text + "': '" + key + "' is not known; " + String.join(", ", keys) + " are");
            if (result.rest.put(key, equals < 0 ? "on" : part.substring(equals + 1)) != null)
                throw new TypeConversionException(what + " '" + text + "': '" + key + "' is given twice");
        }
        return result;
    }

    String first() {
        return first;
    }

    /** Null when it is not there. */
    String get(String key) {
        return rest.get(key);
    }

    /** Null when it is not there; a key alone is {@code on}. */
    Boolean flag(String key) {
        String value = rest.get(key);
        if (value == null) return null;
        return switch (value) {
            case "on" -> true;
            case "off" -> false;
            default ->
                throw new TypeConversionException(
                        what + " '" + first + "': " + key + " is on or off, not '" + value + "'");
        };
    }

    Integer number(String key) {
        String value = rest.get(key);
        if (value == null) return null;
        try {
            return Integer.valueOf(value);
        } catch (NumberFormatException e) {
            throw new TypeConversionException(what + " '" + first + "': " + key + " is a number, not '" + value + "'");
        }
    }
}
