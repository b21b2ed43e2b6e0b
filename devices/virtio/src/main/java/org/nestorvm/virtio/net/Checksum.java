package org.nestorvm.virtio.net;

import org.nestorvm.memory.sys.HostMemory;
import org.nestorvm.memory.sys.IoVector;

/**
 * The Internet checksum, RFC 1071, over memory as it lies. Sums are of little-endian words, folded only at the end:
 * byte order makes no difference to the one's complement sum as long as the result is stored in the same order (RFC
 * 1071, 2 B). A sum has room for 2^32 bytes.
 */
final class Checksum {
    private Checksum() {}

    /** Of an even offset in its packet. */
    static long sum(long hostAddress, long sizeBytes) {
        long one = 0, other = 0;
        long at = hostAddress;
        long end = hostAddress + sizeBytes;
        for (; at + 16 <= end; at += 16) {
            long a = HostMemory.getLong(at), b = HostMemory.getLong(at + 8);
            one += (a & 0xffffffffL) + (a >>> 32);
            other += (b & 0xffffffffL) + (b >>> 32);
        }
        one += other;
        for (; at + 4 <= end; at += 4) one += HostMemory.getInt(at) & 0xffffffffL;
        if (at + 2 <= end) {
            one += HostMemory.getShort(at) & 0xffff;
            at += 2;
        }
        return at < end ? one + (HostMemory.getByte(at) & 0xff) : one;
    }

    /** Of {@code sizeBytes} bytes from {@code offset} on, which must be there. */
    static long sum(IoVector pieces, long offset, long sizeBytes) {
        long sum = 0;
        boolean odd = false;
        for (int i = 0; sizeBytes > 0; i++) {
            long length = pieces.length(i);
            if (offset >= length) {
                offset -= length;
                continue;
            }
            long piece = Math.min(length - offset, sizeBytes);
            long part = sum(pieces.base(i) + offset, piece);
            sum += odd ? Short.reverseBytes((short) fold(part)) & 0xffff : part;
            odd ^= (piece & 1) != 0;
            sizeBytes -= piece;
            offset = 0;
        }
        return sum;
    }

    /** A 16-bit number as it is summed. */
    static int word(int value) {
        return Short.reverseBytes((short) value) & 0xffff;
    }

    static int fold(long sum) {
        sum = (sum & 0xffffffffL) + (sum >>> 32);
        sum = (sum & 0xffffffffL) + (sum >>> 32);
        sum = (sum & 0xffff) + (sum >>> 16);
        sum = (sum & 0xffff) + (sum >>> 16);
        return (int) ((sum & 0xffff) + (sum >>> 16));
    }

    /** What is stored, as a little-endian short: never 0, which UDP takes for none; to TCP it is the same number. */
    static short finish(long sum) {
        int result = ~fold(sum) & 0xffff;
        return (short) (result == 0 ? 0xffff : result);
    }
}
