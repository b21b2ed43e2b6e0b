package org.nestorvm.boot;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import org.nestorvm.vmm.CpuState;
import org.nestorvm.vmm.GuestMemory;

/**
 * What goes where in guest memory, and the state in which the boot processor starts. A loader works all of it out, and
 * every piece is checked to lie in RAM and beside the others, before the first byte is written: a bad image leaves the
 * guest's memory as it was.
 */
public final class BootPlan {
    private static final int ZERO_CHUNK = 1 << 16;

    /** {@code length} bytes of {@code from}, then zeros up to {@code sizeBytes}. */
    private record Piece(String what, long gpa, long sizeBytes, byte[] from, int offset, int length) {
        long end() {
            return gpa + sizeBytes;
        }
    }

    private final String image;
    private final GuestMap map;
    private final List<Piece> pieces = new ArrayList<>();
    private final CpuState cpu = new CpuState();
    private String description = "";

    BootPlan(String image, GuestMap map) {
        this.image = image;
        this.map = map;
    }

    /** The boot processor's first state. */
    public CpuState cpu() {
        return cpu;
    }

    /** One line: what the image is and how it is entered. */
    public String description() {
        return description;
    }

    /** The end of the highest piece. */
    public long end() {
        return pieces.stream().mapToLong(Piece::end).max().orElse(0);
    }

    /** Writes every piece. May be repeated, to start the guest anew. */
    public void place(GuestMemory memory) {
        place(memory::write);
    }

    /** How bytes get into memory: {@link GuestMemory#write}. */
    @FunctionalInterface
    interface Sink {
        void write(long gpa, byte[] from, int offset, int length);
    }

    void place(Sink memory) {
        byte[] zeros = new byte[ZERO_CHUNK];
        for (Piece piece : pieces) {
            memory.write(piece.gpa, piece.from, piece.offset, piece.length);
            for (long at = piece.gpa + piece.length; at < piece.end(); at += ZERO_CHUNK) {
                memory.write(at, zeros, 0, (int) Math.min(ZERO_CHUNK, piece.end() - at));
            }
        }
    }

    GuestMap map() {
        return map;
    }

    void describe(String text) {
        description = text;
    }

    void add(String what, long gpa, byte[] bytes) throws BootException {
        add(what, gpa, bytes.length, bytes, 0, bytes.length);
    }

    /** NUL-terminated. */
    void addText(String what, long gpa, String text) throws BootException {
        add(what, gpa, (text + '\0').getBytes(StandardCharsets.UTF_8));
    }

    void add(String what, long gpa, long sizeBytes, byte[] from, int offset, int length) throws BootException {
        if (sizeBytes == 0) return;
        if (!map.isRam(gpa, sizeBytes)) throw outsideRam(what, gpa, sizeBytes);
        Piece other = overlapping(gpa, sizeBytes);
        if (other != null) {
            throw new BootException(image + ": " + what + " at " + range(gpa, sizeBytes) + " overlaps " + other.what
                    + " at " + range(other.gpa, other.sizeBytes)
                    + "; pieces must not overlap, link the image elsewhere");
        }
        pieces.add(new Piece(what, gpa, sizeBytes, from, offset, length));
    }

    /**
     * Puts bytes as high as they fit, the whole of them below {@code limit}. @param align a power of two @return the
     * address
     */
    long addHigh(String what, byte[] bytes, long align, long limit) throws BootException {
        for (GuestMap.Run run : map.ram().reversed()) {
            long at = (Math.min(run.end(), limit) - bytes.length) & -align;
            while (at >= run.start()) {
                Piece other = overlapping(at, bytes.length);
                if (other == null) {
                    add(what, at, bytes);
                    return at;
                }
                at = (other.gpa - bytes.length) & -align;
            }
        }
        throw new BootException(what + ": " + bytes.length + " bytes do not fit beside the kernel into "
                + (map.ramBytes() >> 20) + " MiB of guest memory; pass a larger --memory");
    }

    /** Some piece holds the byte at {@code gpa}. */
    boolean covers(long gpa) {
        return overlapping(gpa, 1) != null;
    }

    private Piece overlapping(long gpa, long sizeBytes) {
        for (Piece piece : pieces) {
            if (gpa < piece.end() && piece.gpa < gpa + sizeBytes) return piece;
        }
        return null;
    }

    private BootException outsideRam(String what, long gpa, long sizeBytes) {
        String mend = gpa >= 0
                        && gpa < 1L << 32
                        && sizeBytes > 0
                        && sizeBytes < 1L << 31
                        && gpa + sizeBytes > map.topBelow(1L << 32)
                ? "pass --memory " + ((gpa + sizeBytes + (32L << 20) - 1 >> 25) * 32 + 32) + "M or more"
                : "it must lie in RAM, link the image elsewhere";
        return new BootException(
                image + ": " + what + " at " + range(gpa, sizeBytes) + " is not wholly in guest memory ("
                        + (map.ramBytes() < 4 << 20 ? (map.ramBytes() >> 10) + " KiB" : (map.ramBytes() >> 20) + " MiB")
                        + " of RAM); " + mend);
    }

    private static String range(long gpa, long sizeBytes) {
        return "0x" + Long.toHexString(gpa) + "+0x" + Long.toHexString(sizeBytes);
    }
}
