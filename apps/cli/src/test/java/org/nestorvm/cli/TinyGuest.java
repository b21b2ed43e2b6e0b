package org.nestorvm.cli;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;

/** Multiboot kernels of some bytes, which print and then do one thing. */
final class TinyGuest {
    private static final int LOAD = 0x200000, ENTRY = LOAD + 32;
    /** Power-off: SLP_EN with the sleep type of S5 into PM1a control. */
    static final int[] POWER_OFF = {0x66, 0xba, 0x04, 0x06, 0x66, 0xb8, 0x00, 0x34, 0x66, 0xef
    }; // mov dx, 0x604; mov ax, 0x3400; out dx, ax

    static final int[] RESET = {0x66, 0xba, 0xf9, 0x0c, 0xb0, 0x06, 0xee}; // mov dx, 0xcf9; mov al, 6; out dx, al
    static final int[] TRIPLE_FAULT = {0x0f, 0x0b}; // ud2, with an empty IDT
    static final int[] HALT_FOREVER = {0xfa, 0xf4}; // cli; hlt
    static final int[] PANIC = {0x66, 0xba, 0x05, 0x05, 0xb0, 0x01, 0xee}; // mov dx, 0x505; mov al, 1; out dx, al
    /** Debug exit with what the test device's register kept: 2ah. */
    static final int[] TEST_REGISTER = {0xb0, 0x2a, 0xe6, 0xe0, 0xe4, 0xe0, 0xe6, 0xf4
    }; // mov al, 0x2a; out 0xe0, al; in al, 0xe0; out 0xf4, al

    static final int[] SPIN = {0xeb, 0xfe}; // jmp $
    /** Sends back what it receives, up to a q. */
    static final int[] ECHO = {
        0x66, 0xba, 0xfc, 0x03, 0xb0, 0x0b, 0xee, // mov dx, 0x3fc; mov al, 0x0b; out dx, al: DTR, RTS, OUT2
        0x66, 0xba, 0xfd, 0x03, // poll: mov dx, 0x3fd
        0xec, // in al, dx
        0xa8, 0x01, // test al, 1
        0x74, 0xf7, // jz poll
        0x66, 0xba, 0xf8, 0x03, // mov dx, 0x3f8
        0xec, // in al, dx
        0xee, // out dx, al
        0x3c, 'q', // cmp al, 'q'
        0x75, 0xed
    }; // jne poll

    /** Waits for one more byte: p powers off, any other resets. */
    static final int[] POWER_OFF_OR_RESET = {
        0x66, 0xba, 0xfd, 0x03, 0xec, 0xa8, 0x01, 0x74, 0xf7, // poll: mov dx, 0x3fd; in al, dx; test al, 1; jz poll
        0x66, 0xba, 0xf8, 0x03, 0xec, // mov dx, 0x3f8; in al, dx
        0x3c, 'p', 0x75, 0x0c, // cmp al, 'p'; jne reset
        0x66, 0xba, 0x04, 0x06, 0x66, 0xb8, 0x00, 0x34, 0x66, 0xef, 0xeb, 0xfe, 0x66, 0xba, 0xf9, 0x0c, 0xb0, 0x06, 0xee
    }; // reset:

    static int[] debugExit(int value) {
        return new int[] {0xb0, value, 0xe6, 0xf4}; // mov al, value; out 0xf4, al
    }

    /** Prints, does the actions one after the other, and spins. */
    static Path write(Path file, String print, int[]... actions) throws IOException {
        ByteArrayOutputStream code = new ByteArrayOutputStream();
        put(code, 0xbe, 0, 0, 0, 0, 0xba, 0xf8, 0x03, 0, 0); // mov esi, text; mov edx, 0x3f8
        put(
                code, 0xac, 0x84, 0xc0, 0x74, 0x03, 0xee, 0xeb,
                0xf8); // next: lodsb; test al, al; jz done; out dx, al; jmp next
        for (int[] action : actions) put(code, action);
        put(code, SPIN);
        byte[] bytes = code.toByteArray();
        word(bytes, 1, ENTRY + bytes.length);
        byte[] image = new byte[32 + bytes.length + print.length() + 1];
        int[] header = {0x1badb002, 1 << 16, -(0x1badb002 + (1 << 16)), LOAD, LOAD, 0, 0, ENTRY};
        for (int i = 0; i < header.length; i++) word(image, 4 * i, header[i]);
        System.arraycopy(bytes, 0, image, 32, bytes.length);
        System.arraycopy(print.getBytes(StandardCharsets.US_ASCII), 0, image, 32 + bytes.length, print.length());
        return Files.write(file, image);
    }

    private static void put(ByteArrayOutputStream code, int... bytes) {
        for (int b : bytes) code.write(b);
    }

    private static void word(byte[] to, int at, int value) {
        for (int i = 0; i < 4; i++) to[at + i] = (byte) (value >>> 8 * i);
    }

    private TinyGuest() {}
}
