package org.nestorvm.devices;

/**
 * Where firmware looks for the size of memory in the CMOS RAM: the PC/AT's bytes, and those that Bochs and QEMU added
 * for more than 64 MiB. Little endian.
 */
final class CmosMemorySize {
    static final int BASE_KIB = 0x15, EXTENDED_KIB = 0x17, EXTENDED_KIB_AGAIN = 0x30, ABOVE_16M = 0x34, ABOVE_4G = 0x5b;
    private static final long KIB = 1 << 10, MIB = 1 << 20, UNIT = 64 * KIB;

    static void write(byte[] cmos, long ramBelow4G, long ramAbove4G) {
        put(cmos, BASE_KIB, 2, Math.min(ramBelow4G, 640 * KIB) / KIB);
        long extended = Math.min(Math.max(ramBelow4G - MIB, 0) / KIB, 0xffff);
        put(cmos, EXTENDED_KIB, 2, extended);
        put(cmos, EXTENDED_KIB_AGAIN, 2, extended);
        put(cmos, ABOVE_16M, 2, Math.max(ramBelow4G - 16 * MIB, 0) / UNIT);
        put(cmos, ABOVE_4G, 3, ramAbove4G / UNIT);
    }

    private static void put(byte[] cmos, int at, int bytes, long value) {
        for (int i = 0; i < bytes; i++) cmos[at + i] = (byte) (value >> 8 * i);
    }

    private CmosMemorySize() {}
}
