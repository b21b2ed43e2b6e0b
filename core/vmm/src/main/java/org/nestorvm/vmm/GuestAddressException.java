package org.nestorvm.vmm;

/**
 * A guest-physical range is not wholly inside memory. The guest chose the address: the device answers it, the machine
 * goes on.
 */
public final class GuestAddressException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    public GuestAddressException(long gpa, long sizeBytes) {
        super("no guest memory at gpa=0x" + Long.toHexString(gpa) + " size=" + sizeBytes, null, false, false);
    }
}
