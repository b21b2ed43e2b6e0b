package org.nestorvm.disk;

/**
 * How an image is opened.
 *
 * @param format {@code raw}, {@code qcow2}, or null: told by the file's first bytes
 * @param locked whether other processes are kept from what would disturb; without, a reader may see an image in the
 *     middle of a change
 * @param formatOption by which the user of {@code nestor image} says the format, for messages
 */
public record OpenOptions(String format, boolean readOnly, boolean locked, String formatOption) {
    private static final String FORMAT_OPTION = "-f";
    public static final OpenOptions WRITE = new OpenOptions(null, false, true),
            READ = new OpenOptions(null, true, true);

    public OpenOptions(String format, boolean readOnly, boolean locked) {
        this(format, readOnly, locked, FORMAT_OPTION);
    }

    public OpenOptions withFormat(String name) {
        return new OpenOptions(name, readOnly, locked, formatOption);
    }

    public OpenOptions withReadOnly(boolean on) {
        return new OpenOptions(format, on, locked, formatOption);
    }

    public OpenOptions unlocked() {
        return new OpenOptions(format, readOnly, false, formatOption);
    }

    public OpenOptions withFormatOption(String name) {
        return new OpenOptions(format, readOnly, locked, name);
    }
}
