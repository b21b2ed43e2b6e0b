package org.nestorvm.vhost;

import java.io.IOException;

/** The other end of a vhost-user socket broke the protocol, or asks for what cannot be. One line says what. */
public final class ProtocolException extends IOException {
    private static final long serialVersionUID = 1L;

    ProtocolException(String message) {
        super(message);
    }
}
