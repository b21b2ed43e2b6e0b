package org.nestorvm.virtio.balloon;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.EnumMap;
import java.util.Map;
import java.util.OptionalLong;
import org.nestorvm.memory.sys.IoVector;

/**
 * What a guest says of its memory: virtio 1.2, 5.5.6.3 and 5.5.6.4. A guest tells what it likes, and that need not be
 * true.
 */
public final class BalloonStatistics {
    /** In the order of their tags; the last six are newer than the specification's version 1.2. */
    public enum Tag {
        SWAP_IN_BYTES,
        SWAP_OUT_BYTES,
        MAJOR_FAULTS,
        MINOR_FAULTS,
        FREE_BYTES,
        TOTAL_BYTES,
        AVAILABLE_BYTES,
        CACHE_BYTES,
        HUGE_PAGE_ALLOCATIONS,
        HUGE_PAGE_FAILURES,
        OUT_OF_MEMORY_KILLS,
        ALLOCATION_STALLS,
        ASYNC_SCANS,
        DIRECT_SCANS,
        ASYNC_RECLAIMS,
        DIRECT_RECLAIMS
    }

    /** One entry: a tag of 16 bits, a value of 64. */
    static final int ENTRY_BYTES = 10, VALUE = 2;
    /** More than there are tags, of which a guest needs to tell none twice. */
    private static final int MOST_ENTRIES = 64;

    private final Map<Tag, Long> values;

    private BalloonStatistics(Map<Tag, Long> values) {
        this.values = values;
    }

    /** Entries in any order; those with unknown tags are left out. */
    static BalloonStatistics parse(IoVector entries) {
        int count = (int) Math.min(entries.totalBytes() / ENTRY_BYTES, MOST_ENTRIES);
        byte[] bytes = new byte[count * ENTRY_BYTES];
        entries.copyOut(0, bytes, 0, bytes.length);
        ByteBuffer buffer = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
        Tag[] tags = Tag.values();
        Map<Tag, Long> values = new EnumMap<>(Tag.class);
        for (int i = 0; i < count; i++) {
            int tag = buffer.getShort(i * ENTRY_BYTES) & 0xffff;
            if (tag < tags.length) values.put(tags[tag], buffer.getLong(i * ENTRY_BYTES + VALUE));
        }
        return new BalloonStatistics(values);
    }

    /** Empty when the guest does not tell it. */
    public OptionalLong get(Tag tag) {
        Long value = values.get(tag);
        return value == null ? OptionalLong.empty() : OptionalLong.of(value);
    }

    @Override
    public String toString() {
        return values.toString();
    }
}
