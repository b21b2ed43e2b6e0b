package org.nestorvm.isolation;

import java.io.IOException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** {@code --name VALUE} pairs, read without the command's own parser, which a device process does without. */
final class DeviceArguments {
    private final Map<String, String> values = new LinkedHashMap<>();

    /** @param from where the pairs begin */
    static DeviceArguments parse(String[] arguments, int from) throws IOException {
        DeviceArguments parsed = new DeviceArguments();
        for (int i = from; i < arguments.length; i += 2) {
            if (!arguments[i].startsWith("--") || i + 1 == arguments.length)
                throw new UsageException(
                        "'" + arguments[i] + "' is no option with a value; a device takes --OPTION VALUE pairs");
            parsed.values.put(arguments[i].substring(2), arguments[i + 1]);
        }
        return parsed;
    }

    DeviceArguments with(String name, Object value) {
        if (value != null) values.put(name, value.toString());
        return this;
    }

    List<String> toList() {
        List<String> list = new ArrayList<>();
        values.forEach((name, value) -> {
            list.add("--" + name);
            list.add(value);
        });
        return list;
    }

    /** Looks at an option; null when it was not given. */
    String get(String name) {
        return values.get(name);
    }

    /** Takes an option; null when it was not given. */
    String take(String name) {
        return values.remove(name);
    }

    String take(String name, String otherwise) {
        String value = values.remove(name);
        return value == null ? otherwise : value;
    }

    boolean takeSwitch(String name, boolean otherwise) throws IOException {
        String value = take(name, otherwise ? "on" : "off");
        if (!value.equals("on") && !value.equals("off"))
            throw new UsageException("--" + name + " '" + value + "' must be on or off");
        return value.equals("on");
    }

    int takeNumber(String name, int otherwise) throws IOException {
        String value = take(name);
        return value == null ? otherwise : number(name, value);
    }

    /** Descriptors, separated by commas; none when it was not given. */
    int[] takeNumbers(String name) throws IOException {
        String value = take(name);
        if (value == null) return new int[0];
        String[] parts = value.split(",");
        int[] numbers = new int[parts.length];
        for (int i = 0; i < parts.length; i++) numbers[i] = number(name, parts[i]);
        return numbers;
    }

    private static int number(String name, String value) throws IOException {
        try {
            int number = Integer.parseInt(value);
            if (number >= 0) return number;
        } catch (NumberFormatException e) {
            // as below
        }
        throw new UsageException("--" + name + " '" + value + "' must be a number from 0 on");
    }

    void checkAllTaken(DeviceKind kind) throws IOException {
        if (!values.isEmpty())
            throw new UsageException("a device " + kind.label() + " has no option --"
                    + values.keySet().iterator().next());
    }
}
