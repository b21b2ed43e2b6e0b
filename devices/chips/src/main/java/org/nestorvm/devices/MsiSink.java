package org.nestorvm.devices;

/**
 * Where interrupt messages go: the bus of the local APICs (SDM vol. 3A, 11.11). A device may hold its own lock while it
 * sends.
 */
@FunctionalInterface
public interface MsiSink {
    void send(long address, int data);
}
