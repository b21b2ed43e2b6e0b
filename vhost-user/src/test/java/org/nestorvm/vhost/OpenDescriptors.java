package org.nestorvm.vhost;

import java.io.File;

/** Of this process. */
final class OpenDescriptors {
    private OpenDescriptors() {
    }

    static int count() {
        return new File("/proc/self/fd").list().length;
    }
}
