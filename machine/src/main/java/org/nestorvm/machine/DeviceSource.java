package org.nestorvm.machine;

import java.io.IOException;
import org.nestorvm.virtio.VirtioDevice;

/** Makes a device for a machine. Asked once for each machine that is made from a {@link MachineConfig}; a reboot makes another. */
@FunctionalInterface
public interface DeviceSource {
    /**
     * @param onCallersThread whether the machine serves notifications on the virtual CPU's thread, as it does where a run must repeat itself
     * @return a device that belongs to the machine, which closes it
     * @throws IOException with one line that says what is missing and what to do
     */
    VirtioDevice open(boolean onCallersThread) throws IOException;
}
