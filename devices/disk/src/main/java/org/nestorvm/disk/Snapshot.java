package org.nestorvm.disk;

/**
 * An internal snapshot, as the image lists it.
 *
 * @param date seconds since 1970, and {@code dateNs} besides
 * @param vmStateBytes of a machine's memory, 0 without
 * @param vmClockNs how long that machine had run
 * @param icount instructions that it had executed, -1 when nobody knows
 */
public record Snapshot(String id, String name, long date, int dateNs, long vmStateBytes, long vmClockNs, long icount) {}
