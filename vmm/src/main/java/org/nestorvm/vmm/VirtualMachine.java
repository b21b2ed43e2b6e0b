package org.nestorvm.vmm;

import org.nestorvm.paging.NestedPageTable;

/** SKELETON: a virtual machine: memory slots, a nested page table, virtual CPUs. */
public final class VirtualMachine implements AutoCloseable {
    public int id() {
        throw new UnsupportedOperationException();
    }

    public String name() {
        throw new UnsupportedOperationException();
    }

    public GuestMemory memory() {
        throw new UnsupportedOperationException();
    }

    public NestedPageTable nestedPageTable() {
        throw new UnsupportedOperationException();
    }

    public NestedFaultHandler nestedFaultHandler() {
        throw new UnsupportedOperationException();
    }

    @Override
    public void close() {
        throw new UnsupportedOperationException();
    }
}
