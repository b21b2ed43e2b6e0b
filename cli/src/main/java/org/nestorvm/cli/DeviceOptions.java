package org.nestorvm.cli;

import java.util.ArrayList;
import java.util.List;
import org.nestorvm.machine.DeviceSource;
import org.nestorvm.machine.Devices;
import picocli.CommandLine.Option;

/** The devices that {@code nestor run} takes. They come on the PCI bus in the order in which they stand here. */
final class DeviceOptions {
    @Option(names = "--disk", paramLabel = "FILE[,format=raw|qcow2][,readonly][,serial=TEXT][,queues=N]", converter = DiskChoice.Converter.class,
        description = "A disk image, told by its first bytes to be raw or qcow2 when the format is not given. May be given several times: /dev/vda, /dev/vdb, ...")
    List<DiskChoice> disks = new ArrayList<>();

    @Option(names = "--rng", description = "An entropy device.")
    boolean rng;

    List<DeviceSource> sources() {
        List<DeviceSource> sources = new ArrayList<>();
        for (DiskChoice disk : disks) sources.add(Devices.disk("disk" + sources.size(), disk.disk()));
        if (rng) sources.add(Devices.rng("rng"));
        return sources;
    }
}
