package org.nestorvm.vmm;

import java.util.concurrent.atomic.AtomicBoolean;

/**
 * Keeps a machine's memory, table and virtual CPUs in being, even if it is terminated meanwhile. Closing it twice is
 * closing it once.
 */
public final class VmReference implements AutoCloseable {
    private final VirtualMachine vm;
    private final AtomicBoolean closed = new AtomicBoolean();

    /** Takes over a reference that the caller has got. */
    VmReference(VirtualMachine vm) {
        this.vm = vm;
    }

    public VirtualMachine vm() {
        return vm;
    }

    /** The last reference of a terminated machine tears it down, here. */
    @Override
    public void close() {
        if (closed.compareAndSet(false, true)) vm.release();
    }
}
