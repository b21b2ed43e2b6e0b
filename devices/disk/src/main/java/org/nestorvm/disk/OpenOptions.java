package org.nestorvm.disk;

/**
 * How an image is opened.
 *
 * @param format {@code raw}, {@code qcow2}, or null: told by the file's first bytes
 * @param locked whether other processes are kept from what would disturb; without, a reader may see an image in the
 *     middle of a change
 */
public record OpenOptions(String format, boolean readOnly, boolean locked) {
    public static final OpenOptions WRITE = new OpenOptions(null, false, true),
            READ = new OpenOptions(null, true, true);

    public OpenOptions withFormat(String name) {
        return new OpenOptions(name, readOnly, locked);
    }

    public OpenOptions withReadOnly(boolean on) {
        return new OpenOptions(format, on, locked);
    }

    public OpenOptions unlocked() {
        return new OpenOptions(format, readOnly, false);
    }
}
