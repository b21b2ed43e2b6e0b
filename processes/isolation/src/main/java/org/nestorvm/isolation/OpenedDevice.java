package org.nestorvm.isolation;

import org.nestorvm.virtio.VirtioDevice;

/** A device, and what is to begin when its process is confined. */
record OpenedDevice(VirtioDevice device, Runnable whenConfined) {
    static OpenedDevice of(VirtioDevice device) {
        return new OpenedDevice(device, () -> {});
    }
}
