package org.nestorvm.devices;

import org.nestorvm.vmm.GuestBus;

/** The two buses as an engine sees them. */
public record DeviceBus(PortBus ports, MmioBus mmio) implements GuestBus {
    @Override
    public int portRead(int port, int size) {
        return ports.read(port, size);
    }

    @Override
    public void portWrite(int port, int size, int value) {
        ports.write(port, size, value);
    }

    @Override
    public long mmioRead(long gpa, int size) {
        return mmio.read(gpa, size);
    }

    @Override
    public void mmioWrite(long gpa, int size, long value) {
        mmio.write(gpa, size, value);
    }
}
