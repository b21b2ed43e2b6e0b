package org.nestorvm.engine.kvm;

import java.util.concurrent.atomic.AtomicBoolean;
import org.nestorvm.memory.sys.Descriptors;
import org.nestorvm.memory.sys.ErrnoException;
import org.nestorvm.memory.sys.Ioctl;

/** A descriptor of KVM: /dev/kvm, a machine or a processor. Errors name the request and the object. */
final class KvmFile implements AutoCloseable {
    private final String name;
    private final int descriptor;
    private final AtomicBoolean closed = new AtomicBoolean();

    private KvmFile(String name, int descriptor) {
        this.name = name;
        this.descriptor = descriptor;
    }

    static KvmFile open() throws ErrnoException {
        String device = "/dev/kvm";
        return new KvmFile(device, Descriptors.open(device, Descriptors.O_RDWR));
    }

    /** A request that answers with a descriptor. */
    KvmFile create(String call, int request, long argument, String childName) throws ErrnoException {
        return new KvmFile(childName, ioctl(call, request, argument));
    }

    int ioctl(String call, int request, long argument) throws ErrnoException {
        return Ioctl.ioctl(call, name, descriptor, request, argument);
    }

    /** @return the result or a negated errno */
    int tryIoctl(int request, long argument) {
        return Ioctl.tryIoctl(descriptor, request, argument);
    }

    /** KVM_CHECK_EXTENSION: 0 where the kernel lacks it. */
    int extension(int capability) {
        return Math.max(0, tryIoctl(Kvm.CHECK_EXTENSION, capability));
    }

    int descriptor() {
        return descriptor;
    }

    @Override
    public void close() {
        if (closed.compareAndSet(false, true)) Descriptors.close(descriptor);
    }

    @Override
    public String toString() {
        return name;
    }
}
