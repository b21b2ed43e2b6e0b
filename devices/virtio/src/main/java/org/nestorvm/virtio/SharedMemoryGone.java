package org.nestorvm.virtio;

import java.util.Optional;

/**
 * What the JVM makes of SIGBUS: an access to a mapped file behind its end. Memory files of ours are sealed, images are
 * read and written and not mapped; so the only file that can become shorter under a mapping is one that a front end of
 * somebody else's has sent and that takes no seals. The device that it belongs to ends, with one line.
 */
public final class SharedMemoryGone {
    private SharedMemoryGone() {}

    /** The line, if that is what has happened. */
    public static Optional<String> line(Throwable failure) {
        for (Throwable cause = failure; cause != null; cause = cause.getCause()) {
            // The JVM has no other word for it: "a fault occurred in an unsafe memory access operation", sometimes "in
            // a recent" one.
            if (cause instanceof InternalError
                    && String.valueOf(cause.getMessage()).contains("unsafe memory access")) {
                return Optional.of(
                        "the file of the guest's memory has become shorter: whoever made it must leave its size "
                                + "as it is, or make it with memfd_create and MFD_ALLOW_SEALING");
            }
        }
        return Optional.empty();
    }
}
