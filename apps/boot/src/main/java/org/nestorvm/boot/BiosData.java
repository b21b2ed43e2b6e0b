package org.nestorvm.boot;

import org.nestorvm.vmm.MemoryMap;

/**
 * What a BIOS leaves in memory for real-mode programs, though none has run here: the BIOS data area at 400h (IBM PC AT
 * Technical Reference, "BIOS Data Area"; Phoenix, "System BIOS for IBM PCs, Compatibles, and EISA Computers", chapter
 * 3; the display's fields as VGA extended them) and the extended BIOS data area that it points to. It describes a PC
 * with one serial port and neither drives nor printers. There is no display: its fields describe 80 by 25 characters,
 * so that a program that divides by the number of columns goes on.
 */
public final class BiosData {
    /** Where the BIOS data area is, and its size. */
    public static final int AREA = 0x400, AREA_BYTES = 0x100;
    /** The last KiB of conventional memory: what a PC's extended BIOS data area takes. */
    public static final int EXTENDED = (int) MemoryMap.CONVENTIONAL_END - 0x400, EXTENDED_BYTES = 0x400;
    /** What INT 12h would say. */
    static final int CONVENTIONAL_KIB = EXTENDED >> 10;

    /** Offsets in the area. */
    static final int COM_PORTS = 0x00,
            EXTENDED_SEGMENT = 0x0e,
            EQUIPMENT = 0x10,
            MEMORY_KIB = 0x13,
            KEYBOARD_HEAD = 0x1a,
            KEYBOARD_TAIL = 0x1c,
            KEYBOARD_BUFFER = 0x1e,
            VIDEO_MODE = 0x49,
            COLUMNS = 0x4a,
            PAGE_BYTES = 0x4c,
            CURSOR_SHAPE = 0x60,
            CRT_CONTROLLER = 0x63,
            TICKS = 0x6c,
            PRINTER_TIMEOUTS = 0x78,
            COM_TIMEOUTS = 0x7c,
            KEYBOARD_START = 0x80,
            KEYBOARD_END = 0x82,
            LAST_ROW = 0x84,
            CHARACTER_HEIGHT = 0x85;

    private static final int FPU = 1 << 1, COLOR_80_COLUMNS = 2 << 4, ONE_COM_PORT = 1 << 9;
    private static final int KEYBOARD_BUFFER_BYTES = 32;
    private static final int TEXT_MODE = 3, TEXT_COLUMNS = 80, TEXT_ROWS = 25, TEXT_PAGE_BYTES = 0x1000;
    private static final int UNDERLINE = 0x0607, COLOR_CRTC = 0x3d4, LINES = 16;
    /** The BIOS counts the 8254's interrupts: 1,193,182 / 65,536 a second, 1800B0h a day. */
    private static final long TICKS_PER_DAY = 0x1800b0, NS_PER_DAY = 86_400_000_000_000L;

    /**
     * The area's bytes.
     *
     * @param serialPort the first port of COM1
     * @param wallClockNs the time that the guest's clock shows, since 1970
     */
    public static byte[] area(int serialPort, long wallClockNs) {
        byte[] area = new byte[AREA_BYTES];
        put(area, COM_PORTS, 2, serialPort);
        put(area, EXTENDED_SEGMENT, 2, EXTENDED >> 4);
        put(area, EQUIPMENT, 2, FPU | COLOR_80_COLUMNS | ONE_COM_PORT);
        put(area, MEMORY_KIB, 2, CONVENTIONAL_KIB);
        put(area, KEYBOARD_HEAD, 2, KEYBOARD_BUFFER);
        put(area, KEYBOARD_TAIL, 2, KEYBOARD_BUFFER);
        put(area, KEYBOARD_START, 2, KEYBOARD_BUFFER);
        put(area, KEYBOARD_END, 2, KEYBOARD_BUFFER + KEYBOARD_BUFFER_BYTES);
        putDisplay(area);
        put(area, TICKS, 4, ticksSinceMidnight(wallClockNs));
        put(area, PRINTER_TIMEOUTS, 4, 0x14141414); // 20 seconds each, and 1 for serial ports
        put(area, COM_TIMEOUTS, 4, 0x01010101);
        return area;
    }

    private static void putDisplay(byte[] area) {
        put(area, VIDEO_MODE, 1, TEXT_MODE);
        put(area, COLUMNS, 2, TEXT_COLUMNS);
        put(area, PAGE_BYTES, 2, TEXT_PAGE_BYTES);
        put(area, CURSOR_SHAPE, 2, UNDERLINE);
        put(area, CRT_CONTROLLER, 2, COLOR_CRTC);
        put(area, LAST_ROW, 1, TEXT_ROWS - 1);
        put(area, CHARACTER_HEIGHT, 2, LINES);
    }

    private static long ticksSinceMidnight(long wallClockNs) {
        long ns = Math.floorMod(wallClockNs, NS_PER_DAY);
        return (long) ((double) ns / NS_PER_DAY * TICKS_PER_DAY);
    }

    /** The extended area: its first byte is its size in KiB. */
    public static byte[] extended() {
        byte[] area = new byte[EXTENDED_BYTES];
        area[0] = (byte) (EXTENDED_BYTES >> 10);
        return area;
    }

    private static void put(byte[] area, int at, int bytes, long value) {
        for (int i = 0; i < bytes; i++) area[at + i] = (byte) (value >> 8 * i);
    }

    private BiosData() {}
}
