package org.nestorvm.devices;

/**
 * A device behind guest-physical addresses. Offsets count from the device's first address; size is 1, 2, 4 or 8. Rules
 * as for {@link PortDevice}.
 */
public interface MmioDevice {
    long read(long offset, int size);

    void write(long offset, int size, long value);
}
