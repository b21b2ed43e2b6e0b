package org.nestorvm.memory.sys;

import java.io.IOException;

/**
 * A Linux call failed. The message names the call, the object and the errno: {@code mmap of guest memory "vm1.ram0"
 * (512 MiB): ENOMEM (12), out of memory}.
 */
public final class ErrnoException extends IOException {
    private static final long serialVersionUID = 1L;
    private final String call;
    private final int errno;

    /** @param errno the value of errno(3), positive */
    public ErrnoException(String call, String object, int errno) {
        super(call + " of " + object + ": " + Errno.describe(errno));
        this.call = call;
        this.errno = errno;
    }

    public String call() {
        return call;
    }

    /** The value of errno(3), positive; compare with the constants of {@link Errno}. */
    public int errno() {
        return errno;
    }
}
