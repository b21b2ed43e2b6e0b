package org.nestorvm.isolation;

import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import org.nestorvm.disk.Disks;
import org.nestorvm.disk.OpenOptions;
import org.nestorvm.isolation.DeviceSupervisor.Given;
import org.nestorvm.memory.sys.Descriptors;
import org.nestorvm.memory.sys.HostText;
import org.nestorvm.vhost.FrontEnd;
import org.nestorvm.vhost.FrontEndOptions;
import org.nestorvm.virtio.ConfigSpace;
import org.nestorvm.virtio.DeviceSession;
import org.nestorvm.virtio.QueueSetup;
import org.nestorvm.virtio.VirtioDevice;
import org.nestorvm.virtio.blk.BlkDevice;
import org.nestorvm.virtio.net.NetDevice;
import org.nestorvm.virtio.net.NetHandover;
import org.nestorvm.virtio.net.NetOptions;
import org.nestorvm.virtio.rng.RngDevice;

/**
 * A device in a confined process of its own, as a machine sees it. If the process dies the guest sees a pause: another
 * one is started and goes on where the former was. If that fails too often the guest sees a device that needs a reset.
 */
public final class IsolatedDevice implements VirtioDevice {
    /** Of every queue, as the devices of ours have them. */
    private static final int BLK_QUEUE_SIZE = 256, RNG_QUEUE_SIZE = 64;

    private static final long LAST_WORDS_MS = 2_000;

    private final FrontEnd front;
    private final DeviceSupervisor supervisor;

    private IsolatedDevice(FrontEnd front, DeviceSupervisor supervisor) {
        this.front = front;
        this.supervisor = supervisor;
    }

    /** Random bytes of the host's kernel. */
    public static IsolatedDevice rng(String name, RestartPolicy policy) throws IOException {
        DeviceSupervisor supervisor =
                new DeviceSupervisor(name, DeviceKind.RNG, new DeviceArguments(), policy, Given.NOTHING);
        return connect(FrontEndOptions.of(RngDevice.TYPE, name, 1, RNG_QUEUE_SIZE, supervisor), supervisor);
    }

    /**
     * A disk: its file, and the files that it is based on, are opened here and passed on.
     *
     * @param serial null for none
     * @param threads for requests that wait, see {@link BlkDevice}
     */
    public static IsolatedDevice disk(
            String name, Path file, OpenOptions options, String serial, int queues, int threads, RestartPolicy policy)
            throws IOException {
        int[] files = open(Disks.chain(file, options), options);
        DeviceArguments arguments = new DeviceArguments()
                .with("files", numbers(files.length))
                .with("file", HostText.text(file))
                .with("format", options.format())
                .with("readonly", options.readOnly() ? "on" : "off")
                .with("lock", options.locked() ? "on" : "off")
                .with("serial", serial == null || serial.isEmpty() ? null : serial)
                .with("queues", queues)
                .with("threads", threads);
        DeviceSupervisor supervisor = new DeviceSupervisor(name, DeviceKind.BLK, arguments, policy, Given.of(files));
        return connect(FrontEndOptions.of(BlkDevice.TYPE, name, queues, BLK_QUEUE_SIZE, supervisor), supervisor);
    }

    /**
     * A network card: what it leads to is opened here, and opened again for a successor where that must be
     * ({@link NetHandover}).
     */
    public static IsolatedDevice net(String name, NetOptions options, RestartPolicy policy) throws IOException {
        NetHandover handover = options.handOver();
        Given given = new Given() {
            @Override
            public int[] open() throws IOException {
                return handover.open();
            }

            @Override
            public void whenLost(Runnable kill) {
                handover.whenLost(kill);
            }

            @Override
            public boolean isLost() {
                return handover.isLost();
            }

            @Override
            public void close() {
                handover.close();
            }
        };
        DeviceArguments arguments =
                new DeviceArguments().with("net", options.handedOver(DeviceSupervisor.firstDescriptor()));
        DeviceSupervisor supervisor = new DeviceSupervisor(name, DeviceKind.NET, arguments, policy, given);
        return connect(
                FrontEndOptions.of(NetDevice.TYPE, name, 2 * options.queues() + 1, NetDevice.QUEUE_SIZE, supervisor),
                supervisor);
    }

    /** The first is the image, which may be written; what it is based on is only read. */
    private static int[] open(List<Path> chain, OpenOptions options) throws IOException {
        int[] files = new int[chain.size()];
        int opened = 0;
        try {
            for (; opened < files.length; opened++)
                files[opened] = Descriptors.open(
                        HostText.text(chain.get(opened)),
                        opened == 0 && !options.readOnly() ? Descriptors.O_RDWR : Descriptors.O_RDONLY);
            return files;
        } catch (Throwable t) {
            while (opened > 0) Descriptors.close(files[--opened]);
            throw t;
        }
    }

    private static String numbers(int count) {
        StringBuilder numbers = new StringBuilder();
        for (int i = 0; i < count; i++)
            numbers.append(i == 0 ? "" : ",").append(DeviceSupervisor.firstDescriptor() + i);
        return numbers.toString();
    }

    private static IsolatedDevice connect(FrontEndOptions options, DeviceSupervisor supervisor) throws IOException {
        try {
            return new IsolatedDevice(FrontEnd.connect(options), supervisor);
        } catch (IOException | RuntimeException | Error e) {
            DeviceProcess process = supervisor.process();
            boolean ended = process != null && process.awaitExit(LAST_WORDS_MS);
            supervisor.close();
            if (!ended || !(e instanceof IOException)) throw e;
            throw new IOException("the process of " + options.name() + " has not come up: " + process.lastWords(), e);
        }
    }

    /** The process that serves it now, or did last. */
    public DeviceProcess process() {
        return supervisor.process();
    }

    @Override
    public int type() {
        return front.type();
    }

    @Override
    public String name() {
        return front.name();
    }

    @Override
    public long features() {
        return front.features();
    }

    @Override
    public int queueCount() {
        return front.queueCount();
    }

    @Override
    public int maxQueueSize(int queue) {
        return front.maxQueueSize(queue);
    }

    @Override
    public ConfigSpace config() {
        return front.config();
    }

    @Override
    public void activate(DeviceSession session) throws IOException {
        front.activate(session);
    }

    @Override
    public void startQueue(QueueSetup setup) throws IOException {
        front.startQueue(setup);
    }

    @Override
    public int stopQueue(int queue) {
        return front.stopQueue(queue);
    }

    @Override
    public void deactivate() {
        front.deactivate();
    }

    @Override
    public void notified(int queue) {
        front.notified(queue);
    }

    @Override
    public void close() {
        front.close();
        supervisor.close();
    }
}
