package org.nestorvm.engine.kvm;

import static org.nestorvm.engine.kvm.CStruct.offset;

import java.lang.foreign.Arena;
import java.util.ArrayList;
import java.util.List;
import org.nestorvm.memory.sys.ErrnoException;
import org.nestorvm.memory.sys.HostMemory;

/**
 * The table that tells KVM what a global interrupt number (GSI) stands for: an interrupt message, or a pin of a chip in
 * the kernel. Numbers from {@link #FIRST_MESSAGE} on are messages that belong to irqfds.
 *
 * <p>In a machine whose chips are all in the kernel the first numbers are their pins, one number a pin
 * ({@link KvmPins}). Installing routes replaces the whole table, so these are in it each time.
 *
 * <p>In a machine with the split interrupt controller the first {@link #FIRST_MESSAGE} numbers serve one purpose: KVM
 * leaves the guest at the end of a level-triggered interrupt only for vectors that one of these routes names. The I/O
 * APIC sends its messages by {@link KvmVm#signalMsi}; the first time that a level-triggered message is seen it gets a
 * route. A route of a redirection entry that was programmed anew since costs at worst an exit without effect, until its
 * place is taken.
 */
final class KvmRoutes {
    /** With chips in the kernel: the number of the 8259 pair's line 0, and of the I/O APIC's pin 0. */
    static final int PIC_FIRST = 0, IOAPIC_FIRST = 16;

    private static final int PIC_LINES = 16, IOAPIC_PINS = 24;
    /** More than the pins of two I/O APICs, so that no live entry of theirs loses its route in a split controller. */
    static final int FIRST_MESSAGE = 64;

    private static final int DATA_LEVEL = 1 << 15;

    private static final long GSI = offset(KvmStructs.IRQ_ROUTING_ENTRY, "gsi"),
            TYPE = offset(KvmStructs.IRQ_ROUTING_ENTRY, "type");
    private static final long ADDRESS_LO = offset(KvmStructs.IRQ_ROUTING_ENTRY, "u.msi.address_lo"),
            ADDRESS_HI = offset(KvmStructs.IRQ_ROUTING_ENTRY, "u.msi.address_hi");
    private static final long DATA = offset(KvmStructs.IRQ_ROUTING_ENTRY, "u.msi.data");
    private static final long CHIP = offset(KvmStructs.IRQ_ROUTING_ENTRY, "u.irqchip.irqchip"),
            PIN = offset(KvmStructs.IRQ_ROUTING_ENTRY, "u.irqchip.pin");

    /** @param address the message's; 0 for a number that is free */
    private record Route(long address, int data) {
        static final Route FREE = new Route(0, 0);
    }

    private final KvmFile vm;
    private final Route[] pins = new Route[FIRST_MESSAGE];
    private final List<Route> messages = new ArrayList<>();
    /**
     * The pins' messages, address and data packed, for the check that every level-triggered interrupt makes without a
     * lock.
     */
    private volatile long[] known = {};

    private int nextPin;
    private final boolean chips;

    /** @param chips whether the kernel has the 8259 pair and the I/O APIC */
    KvmRoutes(KvmFile vm, boolean chips) {
        this.vm = vm;
        this.chips = chips;
    }

    /** Called for each message that the machine sends; cheap except the first time. */
    void watchEndOfInterrupt(long address, int data) throws ErrnoException {
        if ((data & DATA_LEVEL) == 0) return;
        long key = key(address, data);
        for (long k : known) if (k == key) return;
        addPin(address, data, key);
    }

    /** Only destination and mode (address bits 19:2) and the low 16 bits of data mean anything below 4 GiB. */
    private static long key(long address, int data) {
        return address << 16 | data & 0xffff;
    }

    private synchronized void addPin(long address, int data, long key) throws ErrnoException {
        for (long k : known) if (k == key) return;
        pins[nextPin] = new Route(address, data);
        nextPin = (nextPin + 1) % FIRST_MESSAGE;
        install();
        known = java.util.Arrays.stream(pins)
                .filter(java.util.Objects::nonNull)
                .mapToLong(r -> key(r.address(), r.data()))
                .toArray();
    }

    /** @return a number that {@link KvmVm#irqfd} takes */
    synchronized int add(long address, int data) throws ErrnoException {
        int free = messages.indexOf(Route.FREE);
        if (free < 0) {
            free = messages.size();
            messages.add(Route.FREE);
        }
        messages.set(free, new Route(address, data));
        install();
        return FIRST_MESSAGE + free;
    }

    synchronized void change(int gsi, long address, int data) throws ErrnoException {
        messages.set(gsi - FIRST_MESSAGE, new Route(address, data));
        install();
    }

    synchronized void remove(int gsi) throws ErrnoException {
        messages.set(gsi - FIRST_MESSAGE, Route.FREE);
        install();
    }

    /** Replaces the kernel's whole table by this one. */
    synchronized void install() throws ErrnoException {
        long entryBytes = KvmStructs.IRQ_ROUTING_ENTRY.byteSize();
        try (Arena arena = Arena.ofConfined()) {
            long table = arena.allocate(
                            KvmStructs.IRQ_ROUTING.byteSize() + (FIRST_MESSAGE + messages.size()) * entryBytes, 8)
                    .address();
            long entries = table + KvmStructs.IRQ_ROUTING.byteSize();
            int count = chips ? writeChips(entries) : 0;
            for (int pin = 0; pin < pins.length; pin++) {
                if (pins[pin] != null) write(entries + count++ * entryBytes, pin, pins[pin]);
            }
            for (int i = 0; i < messages.size(); i++) {
                if (messages.get(i) != Route.FREE)
                    write(entries + count++ * entryBytes, FIRST_MESSAGE + i, messages.get(i));
            }
            HostMemory.putInt(table, count);
            vm.ioctl("KVM_SET_GSI_ROUTING", Kvm.SET_GSI_ROUTING, table);
        }
    }

    /** @return how many entries */
    private static int writeChips(long entries) {
        int count = 0;
        for (int line = 0; line < PIC_LINES; line++)
            writeChip(
                    entries,
                    count++,
                    PIC_FIRST + line,
                    line < 8 ? KvmChips.Chip.PIC_MASTER : KvmChips.Chip.PIC_SLAVE,
                    line & 7);
        for (int pin = 0; pin < IOAPIC_PINS; pin++)
            writeChip(entries, count++, IOAPIC_FIRST + pin, KvmChips.Chip.IOAPIC, pin);
        return count;
    }

    private static void writeChip(long entries, int index, int gsi, KvmChips.Chip chip, int pin) {
        long entry = entries + index * KvmStructs.IRQ_ROUTING_ENTRY.byteSize();
        HostMemory.putInt(entry + GSI, gsi);
        HostMemory.putInt(entry + TYPE, Kvm.IRQ_ROUTING_IRQCHIP);
        HostMemory.putInt(entry + CHIP, chip.ordinal());
        HostMemory.putInt(entry + PIN, pin);
    }

    private static void write(long entry, int gsi, Route route) {
        HostMemory.putInt(entry + GSI, gsi);
        HostMemory.putInt(entry + TYPE, Kvm.IRQ_ROUTING_MSI);
        HostMemory.putInt(entry + ADDRESS_LO, (int) route.address());
        HostMemory.putInt(entry + ADDRESS_HI, (int) (route.address() >>> 32));
        HostMemory.putInt(entry + DATA, route.data());
    }
}
