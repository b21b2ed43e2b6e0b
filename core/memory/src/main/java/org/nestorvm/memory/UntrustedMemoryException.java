package org.nestorvm.memory;

import java.io.IOException;

/** Memory that another process sent is refused, since using it would put this process into the sender's hand. */
public final class UntrustedMemoryException extends IOException {
    private static final long serialVersionUID = 1L;

    UntrustedMemoryException(String object, String reason) {
        super("refused " + object + " of another process: " + reason);
    }
}
