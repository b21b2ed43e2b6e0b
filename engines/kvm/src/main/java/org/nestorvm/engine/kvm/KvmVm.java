package org.nestorvm.engine.kvm;

import static org.nestorvm.engine.kvm.CStruct.offset;

import java.io.IOException;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.atomic.AtomicBoolean;
import org.nestorvm.memory.sys.ErrnoException;
import org.nestorvm.memory.sys.HostMemory;
import org.nestorvm.vmm.EngineVm;
import org.nestorvm.vmm.EventWiring;
import org.nestorvm.vmm.InterruptController;
import org.nestorvm.vmm.InterruptPins;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A machine of KVM: its descriptor, memory slots, interrupt routes.
 *
 * <p><b>Order of creation.</b> The split interrupt controller (local APICs in the kernel, 8259s and I/O APICs in the
 * machine), the filter of model-specific registers, the slots, the processors. The kernel refuses the split controller
 * after the first processor. The filter waits for the readers of the machine's SRCU structure: at once when no such
 * wait ended within the last 25 us, for several ticks otherwise, and setting a slot is such a wait; after the slots it
 * made a creation take 15 ms in the median, before them 0.3 ms. The fully in-kernel controller puts its chips on KVM's
 * bus, with such a wait for each, and costs 7 to 16 ms at creation or, after the slots, at close: so the split one is
 * the default. Figures: bench/RESULTS.md.
 */
final class KvmVm implements EngineVm, EventWiring {
    /** Who provides 8259, I/O APIC and local APICs. */
    enum Irqchip {
        /** Nobody: no local APIC at all. */
        NONE,
        /** KVM the local APICs, the machine the rest. */
        SPLIT,
        /** KVM the 8259s and the I/O APIC too. The 8254 stays the machine's: the HPET takes its line in legacy mode. */
        KERNEL
    }

    /**
     * The two areas that KVM needs for real mode on old Intel processors: three pages and one, below the firmware and
     * beside the local APICs.
     */
    private static final long IDENTITY_MAP = 0xfeffc000L, TSS = IDENTITY_MAP + 0x1000;

    private static final Logger LOG = LoggerFactory.getLogger(KvmVm.class);

    private static final long CAP = offset(KvmStructs.ENABLE_CAP, "cap"),
            CAP_ARGS = offset(KvmStructs.ENABLE_CAP, "args");
    private static final long MSI_LO = offset(KvmStructs.MSI, "address_lo"),
            MSI_HI = offset(KvmStructs.MSI, "address_hi"),
            MSI_DATA = offset(KvmStructs.MSI, "data");

    private static final long CLOCK = offset(KvmStructs.CLOCK_DATA, "clock");

    private final String name;
    private final KvmHost host;
    private final KvmFile vm;
    private final KvmMemory memory;
    private final KvmRoutes routes;
    private final KvmEvents events;
    /** Null unless the chips are in the kernel. */
    private final KvmPins pins;
    /** Null: the dirty log is a bitmap. */
    private final KvmDirtyRings rings;

    private final int dirtyRingBytes;
    private final Irqchip irqchip;
    private final InterruptController controller;
    private final int vcpuCount;
    private final List<KvmVcpu> vcpus = new CopyOnWriteArrayList<>();
    private final HaltWatch haltWatch;
    private volatile boolean clearsByHand;
    private final AtomicBoolean msiLogged = new AtomicBoolean();

    private KvmVm(String name, KvmHost host, KvmFile vm, List<KvmMemory.Slot> slots, KvmSettings settings) {
        this.name = name;
        this.host = host;
        this.vm = vm;
        this.irqchip = settings.irqchip();
        this.controller = settings.controller();
        this.vcpuCount = settings.vcpus();
        memory = new KvmMemory(vm, host.memoryRegion2(), slots);
        routes = new KvmRoutes(vm, irqchip == Irqchip.KERNEL);
        pins = irqchip == Irqchip.KERNEL ? new KvmPins(vm) : null;
        events = new KvmEvents(vm);
        dirtyRingBytes = settings.dirtyRingBytes();
        rings = dirtyRingBytes == 0 ? null : new KvmDirtyRings(vm, slots.size());
        haltWatch = irqchip == Irqchip.NONE ? null : new HaltWatch(settings.clock(), vcpus);
    }

    /**
     * All or nothing: after a failure no descriptor is left. The mappings of the slots stay until after {@link #close}.
     */
    static KvmVm create(String name, List<KvmMemory.Slot> slots, KvmSettings settings) throws IOException {
        KvmHost host = KvmHost.get();
        KvmFile vm;
        try (KvmFile kvm = KvmFile.open()) {
            vm = kvm.create("KVM_CREATE_VM", Kvm.CREATE_VM, 0, "machine \"" + name + "\"");
        }
        try {
            KvmVm made = new KvmVm(name, host, vm, slots, settings);
            made.setUp();
            return made;
        } catch (Throwable t) {
            vm.close();
            throw t;
        }
    }

    private void setUp() throws ErrnoException {
        if (host.intel()) {
            vm.ioctl("KVM_SET_IDENTITY_MAP_ADDR", Kvm.SET_IDENTITY_MAP_ADDR, identityMapAddress());
            vm.ioctl("KVM_SET_TSS_ADDR", Kvm.SET_TSS_ADDR, TSS);
        }
        if (irqchip == Irqchip.SPLIT) enable("KVM_CAP_SPLIT_IRQCHIP", Kvm.CAP_SPLIT_IRQCHIP, KvmRoutes.FIRST_MESSAGE);
        if (irqchip == Irqchip.KERNEL) createIrqchip();
        if (rings != null)
            enable(
                    "KVM_CAP_DIRTY_LOG_RING",
                    Kvm.CAP_DIRTY_LOG_RING,
                    dirtyRingBytes); // on x86 the same as ..._ACQ_REL; refused after the first processor
        // RDPMC has no filter, and AMD's oldest counters have no CPUID bit that a guest would ask.
        if (host.pmuSwitch()) enable("KVM_CAP_PMU_CAPABILITY", Kvm.CAP_PMU_CAPABILITY, Kvm.PMU_CAP_DISABLE);
        if (host.msrFilter()) MsrPolicy.install(vm);
        memory.install();
        // KVM_CAP_EXIT_ON_EMULATION_FAILURE stays off: with it a program in the guest could end the machine, where it
        // otherwise gets #UD.
    }

    private static long identityMapAddress() {
        long address = Scratch.zeroed(8);
        HostMemory.putLong(address, IDENTITY_MAP);
        return address;
    }

    private void createIrqchip() throws ErrnoException {
        vm.ioctl("KVM_CREATE_IRQCHIP", Kvm.CREATE_IRQCHIP, 0);
        routes.install();
    }

    /** KVM's 8254, for measurements and the test of its state; before the first processor. */
    void createPit() throws ErrnoException {
        vm.ioctl("KVM_CREATE_PIT2", Kvm.CREATE_PIT2, Scratch.zeroed(KvmStructs.PIT_CONFIG.byteSize()));
    }

    private void enable(String capName, int cap, long argument) throws ErrnoException {
        vm.ioctl("KVM_ENABLE_CAP(" + capName + ")", Kvm.ENABLE_CAP, capability(cap, argument));
    }

    static long capability(int cap, long argument) {
        long request = Scratch.zeroed(KvmStructs.ENABLE_CAP.byteSize());
        HostMemory.putInt(request + CAP, cap);
        HostMemory.putLong(request + CAP_ARGS, argument);
        return request;
    }

    @Override
    public KvmVcpu createVcpu(int index) throws IOException {
        KvmVcpu vcpu = KvmVcpu.create(this, index);
        vcpus.add(vcpu);
        return vcpu;
    }

    void forget(KvmVcpu vcpu) {
        vcpus.remove(vcpu);
    }

    /**
     * A message of a level-triggered interrupt gets a route first, so that its end leaves the guest and reaches the I/O
     * APIC.
     */
    @Override
    public void signalMsi(long address, int data) {
        int result = 0;
        try {
            if (irqchip == Irqchip.SPLIT) routes.watchEndOfInterrupt(address, data);
            long msi = Scratch.zeroed(KvmStructs.MSI.byteSize());
            HostMemory.putInt(msi + MSI_LO, (int) address);
            HostMemory.putInt(msi + MSI_HI, (int) (address >>> 32));
            HostMemory.putInt(msi + MSI_DATA, data);
            result = vm.tryIoctl(Kvm.SIGNAL_MSI, msi);
        } catch (ErrnoException e) {
            result = -e.errno();
        }
        // The guest chooses address and data: a message that names no processor is lost, as on the bus.
        if (result < 0 && msiLogged.compareAndSet(false, true))
            LOG.warn(
                    "{}: interrupt message address=0x{} data=0x{} not delivered: errno {}; further ones are not "
                            + "reported",
                    name,
                    Long.toHexString(address),
                    Integer.toHexString(data),
                    -result);
    }

    /**
     * The 8259s' output goes to the boot processor. It looks at the pin itself before every entry; here it is made to
     * look.
     */
    @Override
    public void externalInterruptChanged() {
        if (!controller.interruptPending()) return;
        for (KvmVcpu vcpu : vcpus) if (vcpu.index() == 0) vcpu.poke();
    }

    @Override
    public InterruptPins pins() {
        return pins == null ? EngineVm.super.pins() : pins;
    }

    @Override
    public void prepareChips(int levelTriggered, int ioApicId) throws IOException {
        pins();
        chips().prepare(levelTriggered, ioApicId);
    }

    /**
     * Nothing to do. KVM's nested table is its own and follows the host's page tables: when a memory object gives pages
     * back, the kernel has revoked them on every processor before the call returns. Rights in
     * {@link org.nestorvm.paging.NestedPageTable} do not reach KVM.
     */
    @Override
    public void invalidate(long gpa, long sizeBytes) {}

    /** Processors first; then the descriptor, with which slots, routes and eventfds go. */
    @Override
    public void close() {
        if (haltWatch != null) haltWatch.close();
        for (KvmVcpu vcpu : vcpus) vcpu.close();
        if (pins != null) pins.close();
        vm.close();
    }

    @Override
    public void logDirty(int slot, boolean on) throws IOException {
        if (rings != null && on) rings.start(slot, memory.slots().get(slot).bitmapWords());
        memory.logDirtyPages(slot, on);
        if (rings != null && !on) rings.stop(slot);
    }

    @Override
    public void collectDirty(int slot, long[] into) throws IOException {
        if (rings != null) {
            rings.collect(slot, into);
            return;
        }
        long[] written = memory.dirtyPages(slot);
        if (clearsByHand) memory.clearDirty(slot, 0, written);
        for (int i = 0; i < written.length; i++) into[i] |= written[i];
    }

    /**
     * From now on {@link KvmMemory#dirtyPages} does not clear, {@link KvmMemory#clearDirty} does. Before logging
     * starts.
     */
    void clearDirtyByHand() throws ErrnoException {
        enable(
                "KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2",
                Kvm.CAP_MANUAL_DIRTY_LOG_PROTECT2,
                Kvm.DIRTY_LOG_MANUAL_PROTECT_ENABLE);
        clearsByHand = true;
    }

    /** The guest's kvm-clock: nanoseconds since the machine was made, unless set. */
    long clockNs() throws ErrnoException {
        long clock = Scratch.zeroed(KvmStructs.CLOCK_DATA.byteSize());
        vm.ioctl("KVM_GET_CLOCK", Kvm.GET_CLOCK, clock);
        return HostMemory.getLong(clock + CLOCK);
    }

    /** So that a machine which was saved, or moved, goes on at the time at which it stopped. */
    void setClockNs(long ns) throws ErrnoException {
        long clock = Scratch.zeroed(KvmStructs.CLOCK_DATA.byteSize());
        HostMemory.putLong(clock + CLOCK, ns);
        vm.ioctl("KVM_SET_CLOCK", Kvm.SET_CLOCK, clock);
    }

    String name() {
        return name;
    }

    KvmHost host() {
        return host;
    }

    KvmFile file() {
        return vm;
    }

    KvmMemory memory() {
        return memory;
    }

    /** Null when the dirty log is a bitmap. */
    KvmDirtyRings dirtyRings() {
        return rings;
    }

    int dirtyRingBytes() {
        return dirtyRingBytes;
    }

    @Override
    public void connect(Doorbell doorbell, int eventfd) throws IOException {
        events.assign(doorbell, eventfd);
    }

    @Override
    public void disconnect(Doorbell doorbell, int eventfd) throws IOException {
        events.deassign(doorbell, eventfd);
    }

    @Override
    public int addMessage(long address, int data) throws IOException {
        return routes.add(address, data);
    }

    @Override
    public void changeMessage(int route, long address, int data) throws IOException {
        routes.change(route, address, data);
    }

    @Override
    public void removeMessage(int route) throws IOException {
        routes.remove(route);
    }

    @Override
    public void connectInterrupt(int eventfd, int route) throws IOException {
        events.assignIrq(eventfd, route);
    }

    @Override
    public void disconnectInterrupt(int eventfd, int route) throws IOException {
        events.deassignIrq(eventfd, route);
    }

    /** For {@link Irqchip#KERNEL} only. */
    KvmChips chips() {
        return new KvmChips(vm);
    }

    Irqchip irqchip() {
        return irqchip;
    }

    InterruptController controller() {
        return controller;
    }

    int vcpuCount() {
        return vcpuCount;
    }

    HaltWatch haltWatch() {
        return haltWatch;
    }
}
