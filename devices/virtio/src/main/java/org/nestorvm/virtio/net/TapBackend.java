package org.nestorvm.virtio.net;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import org.nestorvm.memory.sys.Descriptors;
import org.nestorvm.memory.sys.Errno;
import org.nestorvm.memory.sys.ErrnoException;
import org.nestorvm.memory.sys.HostMemory;
import org.nestorvm.memory.sys.Ioctl;
import org.nestorvm.memory.sys.NetworkInterfaces;

/**
 * A tap interface of the host, linux/if_tun.h: an Ethernet device whose wire is this process. Packets carry the
 * {@link NetHeader}, so that checksums and segments are left to whoever does them best: the host's kernel, its network
 * card, or, between two guests, nobody.
 */
public final class TapBackend implements NetBackend {
    static final int TUNSETIFF = Ioctl.iow('T', 202, 4),
            TUNSETOFFLOAD = Ioctl.iow('T', 208, 4),
            TUNGETIFF = Ioctl.ior('T', 210, 4);
    static final int TUNSETVNETHDRSZ = Ioctl.iow('T', 216, 4), TUNSETQUEUE = Ioctl.iow('T', 217, 4);
    static final int IFF_TAP = 0x0002,
            IFF_MULTI_QUEUE = 0x0100,
            IFF_ATTACH_QUEUE = 0x0200,
            IFF_DETACH_QUEUE = 0x0400,
            IFF_NO_PI = 0x1000,
            IFF_VNET_HDR = 0x4000;
    static final int TUN_F_CSUM = 0x01, TUN_F_TSO4 = 0x02, TUN_F_TSO6 = 0x04, TUN_F_TSO_ECN = 0x08;
    static final int IFNAMSIZ = 16, IFREQ_BYTES = 40, IFR_FLAGS = 16;
    private static final String DEVICE = "/dev/net/tun";

    private final String name;
    private final List<TapPort> ports = new ArrayList<>();

    private TapBackend(String name) {
        this.name = name;
    }

    /**
     * Opens an interface that exists. The kernel would make one of any name for root, which nobody has addressed and
     * which ends with the back end. @param pairs how many queues the kernel spreads flows over
     */
    public static TapBackend open(String interfaceName, int pairs) throws IOException {
        TapBackend tap = new TapBackend("tap " + interfaceName);
        try {
            for (int i = 0; i < pairs; i++) tap.add(attach(interfaceName, pairs > 1), pairs > 1);
            return tap;
        } catch (IOException e) {
            tap.abandon();
            throw e;
        }
    }

    /** Opens the queues of an interface for a device in another process. @return descriptors for {@link #of} */
    public static int[] attach(String interfaceName, int pairs) throws IOException {
        int[] descriptors = new int[pairs];
        int attached = 0;
        try {
            for (; attached < pairs; attached++) descriptors[attached] = attach(interfaceName, pairs > 1);
            return descriptors;
        } catch (IOException e) {
            while (attached > 0) Descriptors.close(descriptors[--attached]);
            throw e;
        }
    }

    /** Queues of one interface that somebody has opened for us, with IFF_VNET_HDR; the back end's from now on. */
    public static TapBackend of(int... descriptors) throws IOException {
        TapBackend tap = new TapBackend("tap");
        int added = 0;
        try {
            for (; added < descriptors.length; added++) {
                check(descriptors[added], descriptors.length > 1);
                tap.add(descriptors[added], descriptors.length > 1);
            }
            return tap;
        } catch (IOException e) {
            tap.abandon();
            for (int i = tap.ports.size(); i < descriptors.length; i++) Descriptors.close(descriptors[i]);
            throw e;
        }
    }

    private void abandon() {
        for (TapPort port : ports) port.close();
    }

    private static int attach(String interfaceName, boolean several) throws IOException {
        if (!NetworkInterfaces.exists(interfaceName))
            throw new IOException("tap=" + interfaceName
                    + ": the host has no interface of that name; let root make it: " + create(interfaceName, several));
        return make(interfaceName, several);
    }

    /** Opens it, and makes it where it does not exist. */
    static int make(String interfaceName, boolean several) throws IOException {
        int descriptor;
        try {
            descriptor = Descriptors.open(DEVICE, Descriptors.O_RDWR | Descriptors.O_NONBLOCK);
        } catch (ErrnoException e) {
            throw new IOException(
                    "tap=" + interfaceName + ": " + e.getMessage() + "; "
                            + (e.errno() == Errno.EACCES || e.errno() == Errno.EPERM
                                    ? "this user may not open it"
                                    : "load the kernel's module with modprobe tun")
                            + ", or use --net user",
                    e);
        }
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment request =
                    request(arena, IFF_TAP | IFF_NO_PI | IFF_VNET_HDR | (several ? IFF_MULTI_QUEUE : 0));
            byte[] bytes = interfaceName.getBytes(StandardCharsets.UTF_8);
            HostMemory.copyIn(bytes, 0, request.address(), bytes.length);
            Ioctl.ioctl("TUNSETIFF", "tap=" + interfaceName, descriptor, TUNSETIFF, request.address());
            return descriptor;
        } catch (ErrnoException e) {
            Descriptors.close(descriptor);
            throw new IOException(e.getMessage() + "; " + mend(interfaceName, several, e.errno()), e);
        }
    }

    private static String mend(String interfaceName, boolean several, int errno) {
        String create = create(interfaceName, several);
        return switch (errno) {
            case Errno.EPERM -> "let root make it for you: " + create;
            case Errno.EBUSY -> "another program has it open";
            case Errno.EINVAL ->
                "it is no tap interface, or was made " + (several ? "without" : "with") + " multi_queue: " + create;
            default -> "make it with: " + create;
        };
    }

    private static String create(String interfaceName, boolean several) {
        return "ip tuntap add dev " + interfaceName + " mode tap user $USER" + (several ? " multi_queue" : "");
    }

    private static MemorySegment request(Arena arena, int flags) {
        MemorySegment request = arena.allocate(IFREQ_BYTES, Long.BYTES);
        HostMemory.putShort(request.address() + IFR_FLAGS, (short) flags);
        return request;
    }

    private static void check(int descriptor, boolean several) throws IOException {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment request = request(arena, 0);
            Ioctl.ioctl("TUNGETIFF", "descriptor " + descriptor, descriptor, TUNGETIFF, request.address());
            int flags = HostMemory.getShort(request.address() + IFR_FLAGS) & 0xffff;
            int needed = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR | (several ? IFF_MULTI_QUEUE : 0);
            if ((flags & needed) != needed) {
                throw new IOException("tap,fd=" + descriptor + " was opened with flags 0x" + Integer.toHexString(flags)
                        + ": IFF_TAP, IFF_NO_PI, IFF_VNET_HDR" + (several ? " and IFF_MULTI_QUEUE" : "")
                        + " are needed");
            }
        }
    }

    /** Takes the descriptor, also when it fails. */
    private void add(int descriptor, boolean several) throws IOException {
        try {
            setHeaderSize(descriptor);
            ports.add(new TapPort(name, descriptor, several));
        } catch (IOException e) {
            Descriptors.close(descriptor);
            throw e;
        }
    }

    private void setHeaderSize(int descriptor) throws IOException {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment size = arena.allocate(Integer.BYTES, Integer.BYTES);
            HostMemory.putInt(size.address(), NetHeader.BYTES);
            Ioctl.ioctl("TUNSETVNETHDRSZ", name, descriptor, TUNSETVNETHDRSZ, size.address());
        }
    }

    /** One queue of the interface. One that is detached is in error for epoll, and so not looked at. */
    private static final class TapPort extends MessagePort {
        private final String name;
        private final boolean several;
        private boolean attached = true;

        TapPort(String name, int descriptor, boolean several) throws IOException {
            super(name, descriptor);
            this.name = name;
            this.several = several;
        }

        @Override
        public void activate(boolean on) throws IOException {
            if (!several || on == attached) return;
            IOException[] failed = new IOException[1];
            loop().exclusive(() -> {
                try {
                    if (!on) watch(false);
                    attach(on);
                    attached = on;
                    if (on) watch(true);
                } catch (IOException e) {
                    failed[0] = e;
                }
            });
            if (failed[0] != null) throw failed[0];
        }

        private void attach(boolean on) throws IOException {
            try (Arena arena = Arena.ofConfined()) {
                Ioctl.ioctl(
                        "TUNSETQUEUE",
                        name,
                        descriptor,
                        TUNSETQUEUE,
                        request(arena, on ? IFF_ATTACH_QUEUE : IFF_DETACH_QUEUE).address());
            }
        }
    }

    @Override
    public String name() {
        return name;
    }

    @Override
    public int pairs() {
        return ports.size();
    }

    @Override
    public NetPort port(int pair) {
        return ports.get(pair);
    }

    @Override
    public boolean hasHeader() {
        return true;
    }

    /** Without a driver's word the kernel hands out packets as they go on a wire. */
    @Override
    public void negotiated(long features) throws IOException {
        int offload = 0;
        if ((features & NetFeatures.GUEST_CSUM) != 0) {
            offload = TUN_F_CSUM
                    | ((features & NetFeatures.GUEST_TSO4) != 0 ? TUN_F_TSO4 : 0)
                    | ((features & NetFeatures.GUEST_TSO6) != 0 ? TUN_F_TSO6 : 0);
            if (offload != TUN_F_CSUM && (features & NetFeatures.GUEST_ECN) != 0) offload |= TUN_F_TSO_ECN;
        }
        Ioctl.ioctl("TUNSETOFFLOAD", name, ports.getFirst().descriptor, TUNSETOFFLOAD, offload);
    }

    @Override
    public void close() {}
}
