package org.nestorvm.machine;

import java.io.IOException;
import java.io.OutputStream;
import org.nestorvm.virtio.VirtioDevice;
import org.nestorvm.virtio.balloon.PageRelease;

/**
 * Makes a device for a machine. Asked once for each machine that is made from a {@link MachineConfig}; a reboot makes
 * another.
 */
@FunctionalInterface
public interface DeviceSource {
    /**
     * What a device may need of its machine.
     *
     * @param onCallersThread notifications are served on the virtual CPU's thread, as where a run must repeat itself
     * @param cpus virtual CPUs
     * @param pages takes memory that the guest gives back
     * @param console takes what the guest prints on consoles of any kind
     */
    record Host(boolean onCallersThread, int cpus, PageRelease pages, OutputStream console) {}

    /**
     * @return a device that belongs to the machine, which closes it
     * @throws IOException with one line that says what is missing and what to do
     */
    VirtioDevice open(Host machine) throws IOException;
}
