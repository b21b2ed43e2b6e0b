package org.nestorvm.virtio;

import java.util.ArrayList;
import java.util.List;

/** How a user writes what a device consists of: parts with commas between. A comma inside a part is doubled. */
public final class OptionText {
    private OptionText() {}

    public static List<String> split(String text) {
        List<String> parts = new ArrayList<>();
        StringBuilder part = new StringBuilder();
        for (int i = 0; i < text.length(); i++) {
            char c = text.charAt(i);
            if (c != ',') {
                part.append(c);
            } else if (i + 1 < text.length() && text.charAt(i + 1) == ',') {
                part.append(c);
                i++;
            } else {
                parts.add(part.toString());
                part.setLength(0);
            }
        }
        parts.add(part.toString());
        return parts;
    }
}
