package org.nestorvm.disk;

import java.io.IOException;

/** What was asked for cannot be had of any image: options that exclude each other, or a format that there is not. */
public final class ImageRequestException extends IOException {
    private static final long serialVersionUID = 1L;

    ImageRequestException(String message) {
        super(message);
    }
}
