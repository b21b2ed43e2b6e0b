package org.nestorvm.vmm;

/** One range of guest-physical space. Both numbers are page aligned; {@link Vmm#create} checks. */
public record MemoryRange(long gpa, long sizeBytes, Type type) {
    public enum Type {
        /** Memory that the guest is told of. */
        RAM,
        /** Memory that is not RAM: firmware, the VGA hole. */
        RESERVED,
        /** No memory: accesses leave the guest. */
        MMIO
    }
}
