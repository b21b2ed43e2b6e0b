package org.nestorvm.vhost;

import java.io.IOException;
import java.util.HashMap;
import java.util.Map;
import org.nestorvm.memory.AddressSpace;
import org.nestorvm.memory.Mapping;
import org.nestorvm.memory.MemoryObject;
import org.nestorvm.memory.sys.Descriptors;
import org.nestorvm.memory.sys.FileStatus;
import org.nestorvm.virtio.LimitedLog;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The front end's memory files, each mapped here once and whole, however many regions lie in it. A sealed mapping
 * cannot go: it stays here, and is used again when the same file comes again, be it from another connection. When a
 * front end of sealed memory takes a region away, the mapping stays and only nobody is led to it any more.
 */
final class MemoryFiles {
    private static final Logger LOG = LoggerFactory.getLogger(MemoryFiles.class);

    private record Identity(long device, long inode) {}

    /** One file. */
    final class File {
        private final Identity identity;
        private final MemoryObject object;
        private final Mapping mapping;
        private int users;

        private File(Identity identity, MemoryObject object, Mapping mapping) {
            this.identity = identity;
            this.object = object;
            this.mapping = mapping;
        }

        long sizeBytes() {
            return object.sizeBytes();
        }

        long hostAddress() {
            return mapping.hostAddress();
        }

        int descriptor() {
            return object.descriptor();
        }

        void release() throws IOException {
            if (--users > 0 || mapping.sealed()) return;
            files.remove(identity);
            mapping.unmap();
            object.release();
        }
    }

    private final LimitedLog log = new LimitedLog(LOG);
    private final boolean seal;
    private final Map<Identity, File> files = new HashMap<>();

    /** @param seal makes every mapping immutable: for a process that ends with its device */
    MemoryFiles(boolean seal) {
        this.seal = seal;
    }

    /** @param descriptor the file's from now on, even when this fails */
    File open(String name, int descriptor) throws IOException {
        Identity identity = identify(name, descriptor);
        File known = files.get(identity);
        if (known != null) {
            Descriptors.close(descriptor);
            known.users++;
            return known;
        }
        MemoryObject object = MemoryObject.adoptForeign(name, descriptor);
        try {
            if (!object.sizeIsFinal())
                log.warn("{} of the front end takes no seals: if it is shortened this device fails", object);
            File file = new File(identity, object, AddressSpace.map(object, seal));
            file.users = 1;
            files.put(identity, file);
            return file;
        } catch (Throwable t) {
            object.release();
            throw t;
        }
    }

    private static Identity identify(String name, int descriptor) throws IOException {
        try {
            FileStatus status = FileStatus.of(name, descriptor);
            return new Identity(status.device(), status.inode());
        } catch (Throwable t) {
            Descriptors.close(descriptor);
            throw t;
        }
    }
}
