package org.nestorvm.vmm;

/** No live virtual machine has this id: ENOENT. */
public final class NoSuchVmException extends IllegalStateException {
    private static final long serialVersionUID = 1L;

    NoSuchVmException(int id) {
        super("no virtual machine has id " + id);
    }
}
