package org.nestorvm.vmm;

/**
 * One range of guest-physical space. Both numbers are page aligned; {@link MemoryMap} checks, and everything that takes
 * ranges from outside goes through it.
 */
public record MemoryRange(long gpa, long sizeBytes, Type type) {
    public static final long PAGE_BYTES = 4096;

    public enum Type {
        /** Memory that the guest is told of. */
        RAM,
        /** Memory that is not RAM: firmware, the VGA hole. */
        RESERVED,
        /** No memory: accesses leave the guest. */
        MMIO;

        private static final Type[] BY_NUMBER = values();

        /**
         * The number that stands for the type outside of a program: VM_MEM_RAM 0, VM_MEM_RESERVED 1, VM_MEM_MMIO 2 of
         * vmm(4).
         */
        public int number() {
            return ordinal();
        }

        /** @throws VmRefusedException for any other number */
        public static Type ofNumber(int number) {
            if (number < 0 || number >= BY_NUMBER.length)
                throw new VmRefusedException(
                        "range type " + number + " is unknown: use 0 (RAM), 1 (RESERVED) or 2 (MMIO)");
            return BY_NUMBER[number];
        }

        /** RAM and RESERVED hold memory, and count. */
        public boolean isMemory() {
            return this != MMIO;
        }
    }

    /**
     * A range out of numbers that nobody has checked yet. @throws VmRefusedException when the type is none of the three
     */
    public static MemoryRange ofUntyped(long gpa, long sizeBytes, int typeNumber) {
        return new MemoryRange(gpa, sizeBytes, Type.ofNumber(typeNumber));
    }

    public boolean isMemory() {
        return type.isMemory();
    }

    /** The first address after the range. */
    public long end() {
        return gpa + sizeBytes;
    }

    @Override
    public String toString() {
        return type + "[0x" + Long.toHexString(gpa) + " +0x" + Long.toHexString(sizeBytes) + "]";
    }
}
