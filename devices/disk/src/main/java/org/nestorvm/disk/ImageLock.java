package org.nestorvm.disk;

import java.io.IOException;
import org.nestorvm.memory.sys.FileLocks;
import org.nestorvm.memory.sys.Primitive;

/**
 * Keeps a second writer away from an image. The locks are those that QEMU takes, so that its tools and ours keep away
 * from each other too: whoever uses an image in some way holds a shared lock on byte {@code 100 + use}, and whoever
 * suffers no other to use it in some way holds one on byte {@code 200 + use}; after taking them each looks whether
 * another's contradict. Locks belong to the open file, so they end with its last descriptor, however the process ends,
 * and a descriptor sent to another process carries them.
 */
final class ImageLock {
    private static final int USED = 100, UNSHARED = 200;
    private static final int CONSISTENT_READ = 0, WRITE = 1, RESIZE = 3;

    private ImageLock() {}

    /**
     * Readers share an image with readers, a writer shares it with nobody who writes and nobody who wants it to stay as
     * it is.
     *
     * @return false when another has a lock that contradicts
     */
    static boolean take(String name, int descriptor, boolean writer) throws IOException {
        return whole(name, descriptor, writer) && (!Primitive.OFD_LOCKS.present() || byUse(name, descriptor, writer));
    }

    static IOException refused(String name, boolean writer) {
        return new IOException(
                name + ": another process " + (writer ? "uses" : "writes to") + " this image; end it first"
                        + (writer ? ", or open the image read-only if the other only reads" : ""));
    }

    private static boolean byUse(String name, int descriptor, boolean writer) throws IOException {
        boolean free = uses(name, descriptor, CONSISTENT_READ)
                && denies(name, descriptor, WRITE)
                && denies(name, descriptor, RESIZE);
        return free && (!writer || uses(name, descriptor, WRITE) && uses(name, descriptor, RESIZE));
    }

    // Byte 0 is ours alone: with byte-range locks it adds nothing, on older kernels it stands for the whole file.
    private static boolean whole(String name, int descriptor, boolean writer) throws IOException {
        return FileLocks.lock(name, descriptor, writer, 0, 1);
    }

    private static boolean uses(String name, int descriptor, int use) throws IOException {
        return FileLocks.lock(name, descriptor, false, USED + use, 1)
                && !FileLocks.lockedByOther(name, descriptor, UNSHARED + use, 1);
    }

    private static boolean denies(String name, int descriptor, int use) throws IOException {
        return FileLocks.lock(name, descriptor, false, UNSHARED + use, 1)
                && !FileLocks.lockedByOther(name, descriptor, USED + use, 1);
    }
}
