package org.nestorvm.cli;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.nestorvm.machine.DeviceSource;
import org.nestorvm.machine.Devices;
import org.nestorvm.machine.DiskSpec;
import org.nestorvm.virtio.balloon.BalloonOptions;
import org.nestorvm.virtio.console.ConsoleOptions;
import org.nestorvm.virtio.net.NetOptions;
import org.nestorvm.virtio.vsock.VsockOptions;
import org.nestorvm.vmm.VmRefusedException;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;
import picocli.CommandLine.TypeConversionException;

/** The devices that {@code nestor run} takes. They come on the PCI bus in the order in which they stand here. */
final class DeviceOptions {
    @Option(
            names = "--disk",
            paramLabel = "FILE[,format=raw|qcow2][,readonly][,serial=TEXT][,queues=N][,threads=N][,isolate=on|off]",
            converter = DiskChoice.Converter.class,
            description = "A disk image, told by its first bytes to be raw or qcow2 when the format is not given. May "
                    + "be given several times: /dev/vda, /dev/vdb, ...")
    List<DiskChoice> disks = new ArrayList<>();

    @Option(names = "--cdrom", paramLabel = "FILE", description = "A CD-ROM drive with this ISO image in it.")
    Path cdrom;

    @Option(
            names = "--share",
            paramLabel = "FOLDER[,tag=NAME]",
            converter = ShareChoice.Converter.class,
            description = "A folder of the host, through virtiofsd; the guest mounts it with `mount -t virtiofs NAME "
                    + "PLACE` (default: share, share1, ...). May be given several times.")
    List<ShareChoice> shares = new ArrayList<>();

    @Option(
            names = "--vhost-user",
            paramLabel = "KIND,path=SOCKET[,queues=N][,size=N]",
            converter = VhostUserChoice.Converter.class,
            description = "A device that another program serves over vhost-user: balloon, blk, console, fs, net, rng, "
                    + "scsi, vsock, or a number of the virtio specification. May be given several times.")
    List<VhostUserChoice> vhostUser = new ArrayList<>();

    @Option(
            names = "--isolate",
            description = "Each disk and each network in a confined process of its own, unless it says isolate=off.")
    boolean isolate;

    @Option(
            names = "--net",
            paramLabel = "user|tap=NAME|unix=PATH|none[,...]",
            converter = NetChoice.class,
            description = "A network interface. user: through passt, without rights on the host; tcp=8080:80 and "
                    + "udp=... give the guest ports of the host. tap=NAME: an interface of the host. "
                    + "unix=PATH[,server]: QEMU's "
                    + "stream protocol. With all: mac=ADDRESS, mtu=N, pcap=FILE. May be given several times.")
    List<NetOptions> nets = new ArrayList<>();

    @Option(
            names = "--balloon",
            arity = "0..1",
            fallbackValue = "on",
            paramLabel = "target=SIZE,...",
            converter = BalloonChoice.class,
            description = "Memory that the guest does not need goes back to the host; target=SIZE asks it for more, "
                    + "free-page-reporting=off takes only what is asked for.")
    BalloonOptions balloon;

    @Option(
            names = "--virtio-console",
            arity = "0..1",
            fallbackValue = "on",
            paramLabel = "port=NAME:PATH,...",
            converter = VirtioConsoleChoice.class,
            description = "A console that is faster than the serial port: hvc0 to Linux. What is typed goes there, "
                    + "unless the last console= of the command line is a ttyS. Further ports, each on a "
                    + "Unix socket, are in the guest's /dev/virtio-ports.")
    ConsoleOptions virtioConsole;

    @Option(names = "--rng", description = "An entropy device.")
    boolean rng;

    @Option(
            names = "--vsock",
            paramLabel = "PATH|path=PATH[,cid=N][,connections=N]",
            converter = VsockChoice.class,
            description = "A socket device: programs connect to PATH and write CONNECT PORT; the guest's connections "
                    + "to port P go to PATH_P.")
    VsockOptions vsock;

    /** Devices of the board, not of the PCI bus. */
    enum BoardDevice {
        TEST;

        @Override
        public String toString() {
            return EnumWords.word(this);
        }
    }

    @Option(
            names = "--device",
            paramLabel = "test",
            description = "The test device that kvm-unit-tests and other test kernels expect of QEMU (pc-testdev); "
                    + "port 0xe9 is no "
                    + "debug console then.")
    List<BoardDevice> boardDevices = new ArrayList<>();

    @Spec(Spec.Target.MIXEE)
    private CommandSpec spec;

    /**
     * Each disk that is isolated locks its image in a process of its own, which cannot know that another disk has it.
     */
    private void refuseTwice() {
        for (int i = 0; i < disks.size(); i++) {
            DiskSpec one = disks.get(i).disk();
            for (int j = 0; j < i; j++) {
                DiskSpec other = disks.get(j).disk();
                if (one.readOnly() && other.readOnly() || !isSame(one.file(), other.file())) continue;
                throw new ParameterException(
                        spec.commandLine(),
                        "--disk " + one.file() + ": the image is given twice, and a disk"
                                + " that can be written has it alone; name it once, or say readonly each time");
            }
        }
    }

    private static boolean isSame(Path one, Path other) {
        try {
            return one.equals(other) || Files.exists(one) && Files.exists(other) && Files.isSameFile(one, other);
        } catch (IOException e) {
            return false; // opening it says why
        }
    }

    List<DeviceSource> sources() {
        refuseTwice();
        List<DeviceSource> sources = new ArrayList<>();
        for (DiskChoice disk : disks) sources.add(disk.source("disk" + sources.size(), isolate));
        for (NetOptions net : nets)
            if (net.kind() != NetOptions.Kind.NONE) sources.add(source("net" + nets.indexOf(net), net));
        if (cdrom != null) sources.add(Devices.cdrom("cdrom", cdrom));
        for (int i = 0; i < shares.size(); i++) sources.add(shares.get(i).source(i));
        for (int i = 0; i < vhostUser.size(); i++) sources.add(vhostUser.get(i).source(i));
        if (vsock != null) sources.add(Devices.vsock("vsock", vsock));
        if (virtioConsole != null) sources.add(Devices.console("console", virtioConsole));
        if (balloon != null) sources.add(Devices.balloon("balloon", balloon));
        if (rng) sources.add(Devices.rng("rng"));
        return sources;
    }

    /** Unless the user has said what size the virtio console has. */
    boolean consoleFollowsTerminal() {
        return virtioConsole != null && virtioConsole.cols() == 0;
    }

    /** Devices that bring in what happens elsewhere, when it happens: with them no run repeats itself. */
    List<String> unrepeatable() {
        List<String> names = new ArrayList<>();
        if (nets.stream().anyMatch(net -> net.kind() != NetOptions.Kind.NONE)) names.add("--net");
        if (!shares.isEmpty()) names.add("--share");
        if (!vhostUser.isEmpty()) names.add("--vhost-user");
        if (vsock != null) names.add("--vsock");
        if (disks.stream().anyMatch(disk -> disk.isolated() == null ? isolate : disk.isolated()))
            names.add("a disk in a process of its own");
        return names;
    }

    private DeviceSource source(String name, NetOptions net) {
        boolean own = net.isolated() == null ? isolate : net.isolated();
        if (own)
            net.checkHandOver().ifPresent(why -> {
                throw new VmRefusedException(why);
            });
        return own ? Devices.isolatedNet(name, net) : Devices.net(name, net);
    }

    /** An options class of a device's own says in one line what is wrong. */
    private abstract static class Parsed<T> implements ITypeConverter<T> {
        abstract T parse(String text) throws IOException;

        @Override
        public final T convert(String text) {
            try {
                return parse(text);
            } catch (IOException e) {
                throw new TypeConversionException(e.getMessage());
            }
        }
    }

    static final class VsockChoice extends Parsed<VsockOptions> {
        @Override
        VsockOptions parse(String text) throws IOException {
            return VsockOptions.parse(text);
        }
    }

    static final class NetChoice extends Parsed<NetOptions> {
        @Override
        NetOptions parse(String text) throws IOException {
            return NetOptions.parse(text);
        }
    }

    static final class VirtioConsoleChoice extends Parsed<ConsoleOptions> {
        @Override
        ConsoleOptions parse(String text) throws IOException {
            return ConsoleOptions.parse(text);
        }
    }

    static final class BalloonChoice extends Parsed<BalloonOptions> {
        @Override
        BalloonOptions parse(String text) throws IOException {
            return BalloonOptions.parse(text);
        }
    }
}
