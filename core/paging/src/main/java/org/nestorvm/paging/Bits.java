package org.nestorvm.paging;

/**
 * One field of a 64-bit entry. The fields of an entry are declared in order, each from the one before, so that a wrong
 * width shows in the position of the last one.
 */
record Bits(int shift, int width) {
    static Bits at(int shift, int width) {
        return new Bits(shift, width);
    }

    Bits then(int nextWidth) {
        return new Bits(end(), nextWidth);
    }

    int end() {
        return shift + width;
    }

    long mask() {
        return -1L >>> 64 - width << shift;
    }

    long get(long entry) {
        return (entry & mask()) >>> shift;
    }

    /** The field holding {@code value}, all other bits 0. */
    long of(long value) {
        assert (value & ~(-1L >>> 64 - width)) == 0 : value + " does not fit " + this;
        return value << shift;
    }
}
