package org.nestorvm.devices;

/**
 * A device behind I/O ports. Offsets count from the device's first port. Called by any virtual CPU's thread; a device
 * locks itself. Never throws. What it answers above {@code size} bytes the bus drops.
 */
public interface PortDevice {
    int read(int offset, int size);

    void write(int offset, int size, int value);
}
