package org.nestorvm.machine;

import java.util.Map;

/**
 * What a machine has done so far, summed over its virtual CPUs. While it runs the numbers may be a little old, and not
 * of the same moment.
 *
 * @param instructions retired; -1 where the engine does not count
 * @param exits how often virtual CPUs came back to the monitor
 * @param portReads accesses to I/O ports, one for each as the guest made it
 * @param mmioReads accesses to addresses that are no memory
 * @param nestedPages 4 KiB pages that the nested page table maps
 * @param nestedFaults nested page faults that the monitor has answered
 */
public record Counters(
        long instructions,
        Map<ExitKind, Long> exits,
        long portReads,
        long portWrites,
        long mmioReads,
        long mmioWrites,
        long nestedPages,
        long nestedFaults) {}
