package org.nestorvm.disk;

import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.concurrent.atomic.AtomicLong;
import org.nestorvm.memory.sys.HostMemory;
import org.nestorvm.memory.sys.IoVector;

/**
 * A file in memory that remembers what was done to it in which order, so that the file can be had as a loss of power at
 * any moment could have left it: everything that was synchronised, and of what came later any sectors and none of the
 * others.
 */
final class RecordingFile implements BlockFile {
    /**
     * One change; {@code data} null: zeroes, or with {@code newLength} a new length; {@code mark}: nothing but a place
     * in the order.
     */
    private record Event(long offset, byte[] data, long zeroes, long newLength, boolean sync, Object mark) {}

    /** When each event happened, by a clock that several files may share. */
    private final List<Long> moments = new ArrayList<>();

    private final AtomicLong clock;

    private static final int SECTOR = 512;
    private final List<Event> events = new ArrayList<>();
    private byte[] bytes;
    private int length;
    private boolean recording;
    /** Counts down at each write; below zero every write fails as on a full disk. */
    long writesLeft = Long.MAX_VALUE;

    RecordingFile(byte[] content) {
        this(content, new AtomicLong());
    }

    RecordingFile(byte[] content, AtomicLong clock) {
        this.clock = clock;
        bytes = content.clone();
        length = content.length;
    }

    void startRecording() {
        events.clear();
        moments.clear();
        recording = true;
    }

    int events() {
        return events.size();
    }

    void mark(Object what) {
        record(new Event(0, null, 0, -1, false, what));
    }

    /** The marks among the first so many events. */
    List<Object> marks(int upTo) {
        return events.subList(0, upTo).stream()
                .filter(event -> event.mark != null)
                .map(Event::mark)
                .toList();
    }

    private synchronized void record(Event event) {
        if (!recording) return;
        events.add(event);
        moments.add(clock.incrementAndGet());
    }

    /** How many events had happened at a moment of the clock. */
    int eventsUntil(long moment) {
        return (int) moments.stream().filter(at -> at <= moment).count();
    }

    /**
     * The file after a loss of power when the first {@code upTo} events had happened; {@code before} is the content
     * when the recording began.
     */
    static byte[] afterCrash(byte[] before, RecordingFile recorded, int upTo, Random random) {
        RecordingFile file = new RecordingFile(before);
        int durable = 0;
        for (int i = 0; i < upTo; i++) {
            if (recorded.events.get(i).sync) durable = i;
        }
        int mode = random.nextInt(4);
        for (int i = 0; i < upTo; i++) file.apply(recorded.events.get(i), i < durable ? null : random, mode);
        return Arrays.copyOf(file.bytes, file.length);
    }

    // With a random: of each change only some sectors. Mode 0: none, 1: all, 2: half, 3: few.
    private void apply(Event event, Random random, int mode) {
        if (event.newLength >= 0) {
            if (random == null || survives(random, mode)) resize(event.newLength);
            return;
        }
        long size = event.data != null ? event.data.length : event.zeroes;
        for (long at = event.offset; at < event.offset + size; ) {
            long next = Math.min(event.offset + size, (at / SECTOR + 1) * SECTOR);
            if (random == null || survives(random, mode)) {
                if (event.data != null) put(at, event.data, (int) (at - event.offset), (int) (next - at));
                else if (at < length) Arrays.fill(bytes, (int) at, (int) Math.min(length, next), (byte) 0);
            }
            at = next;
        }
    }

    private static boolean survives(Random random, int mode) {
        return switch (mode) {
            case 0 -> false;
            case 1 -> true;
            case 2 -> random.nextBoolean();
            default -> random.nextInt(8) == 0;
        };
    }

    private void resize(long size) {
        if (size > bytes.length)
            bytes = Arrays.copyOf(bytes, (int) Math.max(size, Math.min(2L * bytes.length, 1 << 30)));
        if (size < length) Arrays.fill(bytes, (int) size, length, (byte) 0);
        length = (int) size;
    }

    private void put(long offset, byte[] from, int at, int size) {
        if (offset + size > length) resize(offset + size);
        System.arraycopy(from, at, bytes, (int) offset, size);
    }

    byte[] content() {
        return Arrays.copyOf(bytes, length);
    }

    @Override
    public String name() {
        return "recorded";
    }

    @Override
    public synchronized long length() {
        return length;
    }

    @Override
    public String identity() {
        return "recorded:" + System.identityHashCode(this);
    }

    @Override
    public synchronized void read(long offset, IoVector into) {
        for (int i = 0; i < into.count(); i++) {
            read(offset, into.base(i), into.length(i));
            offset += into.length(i);
        }
    }

    @Override
    public synchronized void read(long offset, long toHostAddress, long sizeBytes) {
        long here = Math.clamp(length - offset, 0, sizeBytes);
        if (here > 0) HostMemory.copyIn(bytes, (int) offset, toHostAddress, (int) here);
        HostMemory.fill(toHostAddress + here, sizeBytes - here, (byte) 0);
    }

    @Override
    public synchronized void write(long offset, IoVector from) throws IOException {
        byte[] data = new byte[(int) from.totalBytes()];
        from.copyOut(0, data, 0, data.length);
        write(offset, data);
    }

    @Override
    public synchronized void write(long offset, long fromHostAddress, long sizeBytes) throws IOException {
        byte[] data = new byte[(int) sizeBytes];
        HostMemory.copyOut(fromHostAddress, data, 0, data.length);
        write(offset, data);
    }

    private void write(long offset, byte[] data) throws IOException {
        if (--writesLeft < 0) throw new IOException("pwritev of recorded: ENOSPC (28), no space left");
        if (offset > 1 << 30) throw new IOException("a write outside of everything, at " + offset);
        put(offset, data, 0, data.length);
        record(new Event(offset, data, 0, -1, false, null));
    }

    @Override
    public void sync() {
        record(new Event(0, null, 0, -1, true, null));
    }

    @Override
    public synchronized void setLength(long sizeBytes) {
        resize(sizeBytes);
        record(new Event(0, null, 0, sizeBytes, false, null));
    }

    @Override
    public synchronized boolean punch(long offset, long sizeBytes) {
        Event event = new Event(offset, null, sizeBytes, -1, false, null);
        apply(event, null, 1);
        record(event);
        return true;
    }

    @Override
    public boolean zeroRange(long offset, long sizeBytes) {
        return punch(offset, sizeBytes);
    }

    @Override
    public void allocate(long offset, long sizeBytes) {
        if (offset + sizeBytes > length) setLength(offset + sizeBytes);
    }

    @Override
    public long nextData(long offset) {
        return offset;
    }

    @Override
    public long nextHole(long offset) {
        return Math.max(offset, length);
    }

    @Override
    public void close() {
        // the content stays for a look
    }
}
