package org.nestorvm.engine.kvm;

import static org.nestorvm.engine.kvm.CStruct.offset;

import org.nestorvm.memory.sys.ErrnoException;
import org.nestorvm.memory.sys.HostMemory;
import org.nestorvm.vmm.EventWiring.Doorbell;

/**
 * eventfds that the kernel serves itself: a guest's write that signals one without leaving to the monitor, and one
 * whose signal is a guest's interrupt.
 */
final class KvmEvents {
    private static final long IRQFD_FD = offset(KvmStructs.IRQFD, "fd"),
            IRQFD_GSI = offset(KvmStructs.IRQFD, "gsi"),
            IRQFD_FLAGS = offset(KvmStructs.IRQFD, "flags");
    private static final long MATCH = offset(KvmStructs.IOEVENTFD, "datamatch"),
            ADDRESS = offset(KvmStructs.IOEVENTFD, "addr"),
            LENGTH = offset(KvmStructs.IOEVENTFD, "len");
    private static final long IO_FD = offset(KvmStructs.IOEVENTFD, "fd"),
            IO_FLAGS = offset(KvmStructs.IOEVENTFD, "flags");

    private final KvmFile vm;

    KvmEvents(KvmFile vm) {
        this.vm = vm;
    }

    void assign(Doorbell doorbell, int eventfd) throws ErrnoException {
        ioeventfd(doorbell, eventfd, 0);
    }

    void deassign(Doorbell doorbell, int eventfd) throws ErrnoException {
        ioeventfd(doorbell, eventfd, Kvm.IOEVENTFD_FLAG_DEASSIGN);
    }

    private void ioeventfd(Doorbell doorbell, int eventfd, int flags) throws ErrnoException {
        long request = Scratch.zeroed(KvmStructs.IOEVENTFD.byteSize());
        if (doorbell.value() != null) HostMemory.putLong(request + MATCH, doorbell.value());
        HostMemory.putLong(request + ADDRESS, doorbell.address());
        HostMemory.putInt(request + LENGTH, doorbell.sizeBytes());
        HostMemory.putInt(request + IO_FD, eventfd);
        HostMemory.putInt(
                request + IO_FLAGS,
                flags
                        | (doorbell.port() ? Kvm.IOEVENTFD_FLAG_PIO : 0)
                        | (doorbell.value() != null ? Kvm.IOEVENTFD_FLAG_DATAMATCH : 0));
        vm.ioctl("KVM_IOEVENTFD", Kvm.IOEVENTFD, request);
    }

    void assignIrq(int eventfd, int gsi) throws ErrnoException {
        irqfd(eventfd, gsi, 0);
    }

    void deassignIrq(int eventfd, int gsi) throws ErrnoException {
        irqfd(eventfd, gsi, Kvm.IRQFD_FLAG_DEASSIGN);
    }

    private void irqfd(int eventfd, int gsi, int flags) throws ErrnoException {
        long request = Scratch.zeroed(KvmStructs.IRQFD.byteSize());
        HostMemory.putInt(request + IRQFD_FD, eventfd);
        HostMemory.putInt(request + IRQFD_GSI, gsi);
        HostMemory.putInt(request + IRQFD_FLAGS, flags);
        vm.ioctl("KVM_IRQFD", Kvm.IRQFD, request);
    }
}
