package org.nestorvm.devices;

/**
 * A field of a register: {@code width} bits from bit {@code shift} up. In a static final it costs what literals cost.
 */
record Bits(int shift, int width) {
    static Bits at(int shift, int width) {
        return new Bits(shift, width);
    }

    /** The field that begins where this one ends. */
    Bits then(int width) {
        return new Bits(end(), width);
    }

    int end() {
        return shift + width;
    }

    long mask() {
        return -1L >>> 64 - width << shift;
    }

    int of(long register) {
        return (int) (register >>> shift & -1L >>> 64 - width);
    }

    boolean isSet(long register) {
        return (register & mask()) != 0;
    }
}
