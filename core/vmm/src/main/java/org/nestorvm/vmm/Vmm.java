package org.nestorvm.vmm;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import org.nestorvm.memory.AddressSpace;
import org.nestorvm.memory.DescriptorChannel;
import org.nestorvm.memory.Mapping;
import org.nestorvm.memory.MemoryObject;
import org.nestorvm.memory.sys.FaultPoints;
import org.nestorvm.paging.NestedPageTable;

/**
 * A monitor: creates, finds, shares, lists and terminates virtual machines. Several may live in one process and know
 * nothing of each other. All methods may be called from any thread.
 */
public final class Vmm {
    private static final Vmm DEFAULT = new Vmm();

    private final OwnerAccounts accounts = new OwnerAccounts();
    /** Guarded by itself; ascending ids. A creation makes room first, so that adding, its last act, cannot fail. */
    private final ArrayList<VirtualMachine> live = new ArrayList<>();

    private int pending;
    private int lastId;

    /** The one that programs use who need no other. */
    public static Vmm processDefault() {
        return DEFAULT;
    }

    /** How much memory all machines of the owner may hold together. Machines that exist are not touched. */
    public void limitMemory(String owner, long bytes) {
        accounts.setLimit(owner, bytes);
    }

    /** The same for every owner who has no limit of his own. */
    public void limitMemoryByDefault(long bytes) {
        accounts.setDefaultLimit(bytes);
    }

    /** Memory that counts against the owner's limit now. */
    public long memoryHeldBy(String owner) {
        return accounts.held(owner);
    }

    /**
     * Makes a machine. All or nothing: after an exception the address space, descriptors, objects, owner's totals and
     * ids are as before.
     *
     * <p>The order is that of vm_create in vmm(4), with what cannot be taken back moved to the end: mappings are made
     * immutable when nothing else can fail, and the machine is visible to others, and has an id, only as the very last
     * step.
     *
     * @throws MemoryLimitException when the owner would hold too much
     * @throws IOException when the host or the engine cannot provide what is needed
     */
    public VirtualMachine create(VmConfig config) throws IOException {
        try (Undo undo = new Undo()) {
            long bytes = config.memory().memoryBytes();
            accounts.charge(config.owner(), bytes);
            undo.add(() -> accounts.release(config.owner(), bytes));
            makeRoom();
            undo.add(this::giveUpRoom);
            NestedPageTable table = NestedPageTable.create(config.format());
            undo.add(table::close);
            List<MemorySlot> slots = makeSlots(config, undo);
            FaultPoints.allocation("virtual machine");
            VirtualMachine vm = new VirtualMachine(this, config, slots, table);
            undo.add(() -> vm.memory().detach());
            if (config.engine() != null) {
                vm.attach(config.engine(), config.options());
                undo.add(vm::detachEngine);
            }
            if (config.sealed()) MemorySlot.seal(slots);
            publish(vm);
            undo.keep();
            return vm;
        }
    }

    private List<MemorySlot> makeSlots(VmConfig config, Undo undo) throws IOException {
        List<MemorySlot> slots = new ArrayList<>(MemoryMap.MAX_RANGES);
        for (MemoryRange range : config.memory().ranges()) {
            if (!range.isMemory()) continue;
            MemoryObject object = MemoryObject.create(
                    MemorySlot.objectName(config.name(), range, slots.size()), range.sizeBytes(), config.pages());
            undo.add(object::release);
            Mapping mapping = AddressSpace.map(object, false);
            undo.add(mapping::unmap);
            slots.add(new MemorySlot(range, object, mapping));
        }
        return slots;
    }

    private void makeRoom() {
        FaultPoints.allocation("list of machines");
        synchronized (live) {
            live.ensureCapacity(live.size() + pending + 1);
            pending++;
        }
    }

    private void giveUpRoom() {
        synchronized (live) {
            pending--;
        }
    }

    private void publish(VirtualMachine vm) {
        synchronized (live) {
            pending--;
            vm.publish(++lastId);
            live.add(vm);
        }
    }

    /**
     * The machine with a reference taken, which the caller closes. @throws NoSuchVmException when none has the id, or
     * no more
     */
    public VmReference find(int id) {
        synchronized (live) {
            int at = position(id);
            if (at >= 0 && live.get(at).tryReference()) return new VmReference(live.get(at));
        }
        throw new NoSuchVmException(id);
    }

    /**
     * Hands a machine's memory to another process: a description and a descriptor for each object. The other side calls
     * {@link GuestMemory#attach}. The machine may end at once afterwards; its pages stay while the other side has them.
     *
     * @throws NoSuchVmException when no machine has the id
     */
    public void share(int id, DescriptorChannel channel) throws IOException {
        try (VmReference reference = find(id)) {
            VirtualMachine vm = reference.vm();
            int[] descriptors = vm.slots().stream()
                    .mapToInt(slot -> slot.object().descriptor())
                    .toArray();
            new MemoryOffer(id, vm.name(), vm.config().memory()).send(channel, descriptors);
        }
    }

    /** Exactly the machines that exist at one moment, by id. */
    public List<VmInfo> info() {
        List<VmReference> held;
        synchronized (live) {
            held = new ArrayList<>(live.size());
            for (VirtualMachine vm : live) if (vm.tryReference()) held.add(new VmReference(vm));
        }
        List<VmInfo> infos = new ArrayList<>(held.size());
        try {
            for (VmReference reference : held) infos.add(reference.vm().info());
        } finally {
            held.forEach(VmReference::close);
        }
        return infos;
    }

    /**
     * Ends a machine, whatever its guest does: it is taken from the list, its virtual CPUs are made to leave the guest,
     * and it is torn down as soon as nobody holds a reference; without others, before this returns. Takes at most about
     * ten seconds, normally far less than one.
     *
     * @throws NoSuchVmException when no machine has the id
     * @throws VmTerminatedException when somebody else is terminating it
     */
    public void terminate(int id) {
        try (VmReference reference = find(id)) {
            if (!reference.vm().markDying())
                throw new VmTerminatedException(reference.vm() + " is being terminated already");
            reference.vm().end();
        }
    }

    void forget(VirtualMachine vm) {
        synchronized (live) {
            int at = position(vm.id());
            if (at >= 0) live.remove(at);
        }
    }

    /** The machine's memory is gone: it does not count any more. */
    void credit(VirtualMachine vm) {
        accounts.release(vm.config().owner(), vm.config().memory().memoryBytes());
    }

    /** Index of the machine, negative if there is none. The caller holds the lock. */
    private int position(int id) {
        int low = 0;
        int high = live.size() - 1;
        while (low <= high) {
            int middle = low + high >>> 1;
            int found = live.get(middle).id();
            if (found == id) return middle;
            if (found < id) low = middle + 1;
            else high = middle - 1;
        }
        return -1;
    }
}
