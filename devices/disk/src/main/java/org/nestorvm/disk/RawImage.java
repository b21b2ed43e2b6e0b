package org.nestorvm.disk;

import java.io.IOException;
import java.lang.foreign.Arena;
import org.nestorvm.memory.sys.HostMemory;
import org.nestorvm.memory.sys.IoVector;

/**
 * The bytes as they are, in a file or on a block device.
 *
 * <p>A file that ends within a sector counts up to the sector's end: the rest reads zero, and a write there makes the
 * file longer. Discarded sectors become a hole and read zero where the file system can do that, and keep their bytes
 * elsewhere.
 *
 * <p>An image of which nobody said that it is raw must not turn into one of another format by what its guest writes:
 * the next start would believe the guest's header and open whatever file that names. Such a write is refused. The guest
 * can change its buffer at any moment, so the first sector is copied: what is checked is what is written.
 */
final class RawImage implements DiskImage {
    private static final ThreadLocal<FirstSector> FIRST_SECTOR = ThreadLocal.withInitial(FirstSector::new);

    /** A copy of the first sector that a guest writes, and a vector of it and of what follows. */
    private static final class FirstSector {
        private final Arena arena = Arena.ofAuto(); // lives as long as this
        final long address = arena.allocate(SECTOR_BYTES, Long.BYTES).address();
        final IoVector all = new IoVector(17);
    }

    private final BlockFile file;
    private final boolean readOnly, probed;
    private final long sizeBytes;

    /** @param probed whether raw is a guess */
    RawImage(BlockFile file, boolean readOnly, boolean probed) throws IOException {
        this.file = file;
        this.readOnly = readOnly;
        this.probed = probed;
        sizeBytes = Math.ceilDiv(file.length(), SECTOR_BYTES) * SECTOR_BYTES;
    }

    @Override
    public String format() {
        return "raw";
    }

    @Override
    public long sizeBytes() {
        return sizeBytes;
    }

    @Override
    public boolean readOnly() {
        return readOnly;
    }

    @Override
    public void read(long offset, IoVector into) throws IOException {
        Bounds.check(this, offset, into.totalBytes());
        file.read(offset, into);
    }

    @Override
    public void write(long offset, IoVector from) throws IOException {
        Bounds.checkWrite(this, offset, from.totalBytes());
        if (probed && offset == 0 && !from.isEmpty()) writeFirst(from);
        else file.write(offset, from);
    }

    @Override
    public boolean tryRead(long offset, IoVector into) throws IOException {
        Bounds.check(this, offset, into.totalBytes());
        return file.tryRead(offset, into);
    }

    @Override
    public boolean tryWrite(long offset, IoVector from) throws IOException {
        write(offset, from);
        return true;
    }

    private void writeFirst(IoVector from) throws IOException {
        FirstSector first = FIRST_SECTOR.get();
        from.copyOut(0, first.address, SECTOR_BYTES);
        if (Integer.reverseBytes(HostMemory.getInt(first.address)) == Qcow2Header.MAGIC) {
            throw new IOException(file.name() + ": the guest writes the header of another format to a disk whose format"
                    + " was guessed as raw; say format=raw to allow it");
        }
        long rest = from.totalBytes() - SECTOR_BYTES;
        file.write(0, first.all.clear().add(first.address, SECTOR_BYTES).add(from, SECTOR_BYTES, rest));
    }

    @Override
    public void flush() throws IOException {
        if (!readOnly) file.sync();
    }

    @Override
    public void discard(long offset, long sizeBytes) throws IOException {
        Bounds.checkWrite(this, offset, sizeBytes);
        if (sizeBytes > 0) file.punch(offset, sizeBytes);
    }

    @Override
    public void writeZeroes(long offset, long sizeBytes, boolean mayUnmap) throws IOException {
        Bounds.checkWrite(this, offset, sizeBytes);
        if (sizeBytes == 0 || mayUnmap && file.punch(offset, sizeBytes) || file.zeroRange(offset, sizeBytes)) return;
        HostFile.writeZeroes(file, offset, sizeBytes);
    }

    @Override
    public long nextData(long offset) throws IOException {
        long data = file.nextData(offset);
        // A file may end in a hole, and within a sector.
        return data >= file.length() ? sizeBytes : Math.min(sizeBytes, data / SECTOR_BYTES * SECTOR_BYTES);
    }

    /** A sector that is a hole in part only holds data. */
    @Override
    public long nextHole(long offset) throws IOException {
        for (long at = offset; at < sizeBytes; ) {
            long hole = Math.ceilDiv(file.nextHole(at), SECTOR_BYTES) * SECTOR_BYTES;
            if (hole >= sizeBytes) break;
            long data = file.nextData(hole);
            if (data >= hole + SECTOR_BYTES || data >= file.length()) return hole;
            at = Math.max(data, at + 1);
        }
        return sizeBytes;
    }

    Extent extent(long offset, long bytes, int depth) throws IOException {
        long sector = offset / SECTOR_BYTES * SECTOR_BYTES, next = nextData(sector);
        boolean data = next <= offset;
        if (data) next = nextHole(sector);
        return new Extent(offset, Math.min(bytes, next - offset), depth, true, !data, data, false, offset, file.name());
    }

    /** For an image that nobody uses: the new size counts from the next opening on. */
    void resize(long newSizeBytes) throws IOException {
        file.setLength(newSizeBytes);
        file.sync();
    }

    @Override
    public void close() throws IOException {
        file.close();
    }
}
