package org.nestorvm.boot;

import java.io.IOException;

/**
 * A guest cannot be started from what was given. The message is one line for the user: the file, the value found, the
 * rule it breaks and the mend.
 */
public final class BootException extends IOException {
    private static final long serialVersionUID = 1L;

    public BootException(String message) {
        super(message);
    }

    public BootException(String message, Throwable cause) {
        super(message, cause);
    }
}
