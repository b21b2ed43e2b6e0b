package org.nestorvm.isolation;

import java.io.IOException;

/** Options that are wrong by themselves, whatever the host has: the command ends with status {@value #STATUS}. */
public final class UsageException extends IOException {
    private static final long serialVersionUID = 1L;
    public static final int STATUS = 2;

    public UsageException(String message) {
        super(message);
    }

    /** What reads the text of an option. */
    public interface Reader<T> {
        T read() throws IOException;
    }

    /** For readers that fail for no other reason than the text. */
    public static <T> T checked(Reader<T> reader) throws UsageException {
        try {
            return reader.read();
        } catch (IOException e) {
            throw new UsageException(e.getMessage());
        }
    }
}
