package org.nestorvm.cli;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.nestorvm.machine.DeviceSource;
import org.nestorvm.machine.Devices;
import org.nestorvm.virtio.vsock.VsockOptions;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.Option;
import picocli.CommandLine.TypeConversionException;

/** The devices that {@code nestor run} takes. They come on the PCI bus in the order in which they stand here. */
final class DeviceOptions {
    @Option(names = "--disk", paramLabel = "FILE[,format=raw|qcow2][,readonly][,serial=TEXT][,queues=N]", converter = DiskChoice.Converter.class,
        description = "A disk image, told by its first bytes to be raw or qcow2 when the format is not given. May be given several times: /dev/vda, /dev/vdb, ...")
    List<DiskChoice> disks = new ArrayList<>();

    @Option(names = "--cdrom", paramLabel = "FILE", description = "A CD-ROM drive with this ISO image in it.")
    Path cdrom;

    @Option(names = "--share", paramLabel = "FOLDER[,tag=NAME]", converter = ShareChoice.Converter.class,
        description = "A folder of the host, through virtiofsd; the guest mounts it with `mount -t virtiofs NAME PLACE` (default: share, share1, ...). May be given several times.")
    List<ShareChoice> shares = new ArrayList<>();

    @Option(names = "--vhost-user", paramLabel = "KIND,path=SOCKET[,queues=N][,size=N]", converter = VhostUserChoice.Converter.class,
        description = "A device that another program serves over vhost-user: blk, net, rng, console, scsi, vsock, fs, or a number of the virtio specification. May be given several times.")
    List<VhostUserChoice> vhostUser = new ArrayList<>();

    @Option(names = "--rng", description = "An entropy device.")
    boolean rng;

    @Option(names = "--vsock", paramLabel = "PATH|path=PATH[,cid=N][,connections=N]", converter = VsockChoice.class,
        description = "A socket device: programs connect to PATH and write CONNECT PORT; the guest's connections to port P go to PATH_P.")
    VsockOptions vsock;

    List<DeviceSource> sources() {
        List<DeviceSource> sources = new ArrayList<>();
        for (DiskChoice disk : disks) sources.add(Devices.disk("disk" + sources.size(), disk.disk()));
        if (cdrom != null) sources.add(Devices.cdrom("cdrom", cdrom));
        for (int i = 0; i < shares.size(); i++) sources.add(shares.get(i).source(i));
        for (int i = 0; i < vhostUser.size(); i++) sources.add(vhostUser.get(i).source(i));
        if (vsock != null) sources.add(Devices.vsock("vsock", vsock));
        if (rng) sources.add(Devices.rng("rng"));
        return sources;
    }

    static final class VsockChoice implements ITypeConverter<VsockOptions> {
        @Override
        public VsockOptions convert(String text) {
            try {
                return VsockOptions.parse(text);
            } catch (IOException e) {
                throw new TypeConversionException(e.getMessage());
            }
        }
    }
}
