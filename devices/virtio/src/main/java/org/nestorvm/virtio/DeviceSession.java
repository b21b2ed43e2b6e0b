package org.nestorvm.virtio;

/**
 * What a device works with from the moment a driver has set it up until it is reset.
 *
 * @param features negotiated
 * @param memory the guest's
 * @param events where the device's interrupts go
 */
public record DeviceSession(long features, DeviceMemory memory, DeviceEvents events) {
    public boolean has(long feature) {
        return (features & feature) != 0;
    }
}
