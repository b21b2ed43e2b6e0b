package org.nestorvm.vmm;

/** The virtual CPU runs, or was asked to stop and has not yet: EBUSY. Try again when it has stopped. */
public final class VcpuBusyException extends IllegalStateException {
    private static final long serialVersionUID = 1L;

    VcpuBusyException(String vm, int index, Vcpu.State state) {
        super("virtual CPU " + index + " of \"" + vm + "\" is " + state + ": it can be used again when it is STOPPED");
    }
}
