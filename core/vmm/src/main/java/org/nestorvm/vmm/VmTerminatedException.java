package org.nestorvm.vmm;

/** The virtual machine, or this virtual CPU of it, has ended or is about to: nothing brings it back. */
public final class VmTerminatedException extends IllegalStateException {
    private static final long serialVersionUID = 1L;

    VmTerminatedException(String message) {
        super(message);
    }
}
