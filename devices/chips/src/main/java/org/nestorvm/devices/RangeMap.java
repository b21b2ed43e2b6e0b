package org.nestorvm.devices;

import java.util.Arrays;

/**
 * Which device is behind an address: sorted, disjoint ranges. Immutable, so that a bus replaces the whole map and
 * virtual CPUs look up in the one they hold, without a lock and without allocation.
 */
final class RangeMap<D> {
    /** @param last the last address that belongs to the range, so that one may end at the top of the address space */
    record Range<D>(long first, long last, int maxAccessBytes, String name, D device) {
        @Override
        public String toString() {
            return name + " [0x" + Long.toHexString(first) + ", 0x" + Long.toHexString(last) + "]";
        }
    }

    private final long[] first;
    private final Range<D>[] ranges;

    @SuppressWarnings({"unchecked", "rawtypes"
    }) // an array of a generic type cannot be made otherwise; nothing else is ever stored in it
    RangeMap() {
        this(new Range[0]);
    }

    private RangeMap(Range<D>[] sorted) {
        ranges = sorted;
        first = Arrays.stream(sorted).mapToLong(Range::first).toArray();
    }

    /** Null when nobody claims the address. */
    Range<D> find(long address) {
        int low = 0;
        int high = first.length - 1;
        while (low <= high) {
            int mid = low + high >>> 1;
            if (first[mid] <= address) low = mid + 1;
            else high = mid - 1;
        }
        return high >= 0 && address <= ranges[high].last ? ranges[high] : null;
    }

    /** Some range that has an address in common with the given one; null for none. */
    Range<D> overlapping(Range<D> other) {
        for (Range<D> range : ranges) {
            if (other.first <= range.last && range.first <= other.last) return range;
        }
        return null;
    }

    /** @throws IllegalArgumentException when it overlaps a range that is there */
    RangeMap<D> with(Range<D> added) {
        if (added.first < 0 || added.last < added.first)
            throw new IllegalArgumentException("empty or negative range: " + added);
        Range<D> other = overlapping(added);
        if (other != null) throw new IllegalArgumentException(added + " overlaps " + other);
        Range<D>[] more = Arrays.copyOf(ranges, ranges.length + 1);
        more[ranges.length] = added;
        Arrays.sort(more, (a, b) -> Long.compare(a.first, b.first));
        return new RangeMap<>(more);
    }

    /** The map without the range that begins at {@code address}; the same map when there is none. */
    RangeMap<D> without(long address) {
        Range<D>[] fewer =
                Arrays.stream(ranges).filter(range -> range.first != address).toArray(n -> Arrays.copyOf(ranges, n));
        return fewer.length == ranges.length ? this : new RangeMap<>(fewer);
    }
}
