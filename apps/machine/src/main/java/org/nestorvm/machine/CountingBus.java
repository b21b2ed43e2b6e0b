package org.nestorvm.machine;

import org.nestorvm.vmm.GuestBus;

/** One virtual CPU's way to the devices. Its numbers are written by its thread only. */
final class CountingBus implements GuestBus {
    private final GuestBus devices;
    long portReads, portWrites, mmioReads, mmioWrites;

    CountingBus(GuestBus devices) {
        this.devices = devices;
    }

    @Override
    public int portRead(int port, int size) {
        portReads++;
        return devices.portRead(port, size);
    }

    @Override
    public void portWrite(int port, int size, int value) {
        portWrites++;
        devices.portWrite(port, size, value);
    }

    @Override
    public long mmioRead(long gpa, int size) {
        mmioReads++;
        return devices.mmioRead(gpa, size);
    }

    @Override
    public void mmioWrite(long gpa, int size, long value) {
        mmioWrites++;
        devices.mmioWrite(gpa, size, value);
    }
}
