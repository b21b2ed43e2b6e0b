package org.nestorvm.virtio.net;

import java.io.IOException;
import java.security.SecureRandom;
import java.util.regex.Pattern;

/** An Ethernet address, as a number: its first byte is the highest of six. */
public record MacAddress(long value) {
    private static final Pattern TEXT = Pattern.compile("[0-9a-fA-F]{1,2}([:-][0-9a-fA-F]{1,2}){5}");
    private static final long GROUP = 1L << 40, LOCAL = 2L << 40;
    private static final SecureRandom RANDOM = new SecureRandom();

    public MacAddress {
        if (value >>> 48 != 0)
            throw new IllegalArgumentException("an Ethernet address has 48 bits: " + Long.toHexString(value));
    }

    /** An address of one's own choice, in the range for that. */
    public static MacAddress random() {
        return new MacAddress(RANDOM.nextLong() & (1L << 48) - 1 & ~GROUP | LOCAL);
    }

    public static MacAddress parse(String text) throws IOException {
        if (!TEXT.matcher(text).matches())
            throw new IOException(
                    "mac=" + text + " is no Ethernet address: six bytes in hexadecimal, for example 52:54:00:12:34:56");
        long value = 0;
        for (String part : text.split("[:-]")) value = value << 8 | Integer.parseInt(part, 16);
        if ((value & GROUP) != 0)
            throw new IOException(
                    "mac=" + text + " is a group's address: an interface needs one whose first byte is even");
        if (value == 0)
            throw new IOException("mac=" + text + " is no interface's address: leave mac= out for a random one");
        return new MacAddress(value);
    }

    static MacAddress of(byte[] bytes) {
        long value = 0;
        for (int i = 0; i < 6; i++) value = value << 8 | bytes[i] & 0xff;
        return new MacAddress(value);
    }

    /** As on the wire. */
    public byte[] bytes() {
        byte[] bytes = new byte[6];
        for (int i = 0; i < 6; i++) bytes[i] = (byte) (value >>> 40 - 8 * i);
        return bytes;
    }

    @Override
    public String toString() {
        byte[] b = bytes();
        return "%02x:%02x:%02x:%02x:%02x:%02x".formatted(b[0], b[1], b[2], b[3], b[4], b[5]);
    }
}
