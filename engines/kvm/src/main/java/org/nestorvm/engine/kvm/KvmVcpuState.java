package org.nestorvm.engine.kvm;

import static org.nestorvm.engine.kvm.CStruct.offset;

import java.io.UncheckedIOException;
import java.lang.foreign.Arena;
import org.nestorvm.memory.sys.ErrnoException;
import org.nestorvm.memory.sys.HostMemory;
import org.nestorvm.vmm.CpuState;
import org.nestorvm.vmm.CpuidPolicy;
import org.nestorvm.vmm.EngineVcpu;

/**
 * The state of one processor of KVM, as {@link CpuState} and structure by structure. Used by the thread that runs the
 * processor, between runs.
 *
 * <p>An event whose delivery was cut short (an injected exception that met a missing page) belongs to the instruction
 * the processor stands at and is no part of {@link CpuState}. It stays queued when a state is written that stands at
 * the same place, as a debugger does, and is dropped by one that stands elsewhere, as after a reset.
 */
final class KvmVcpuState {
    /**
     * Everything of a processor that has a pair of calls; in an order in which it can be written. SREGS2 is what CR3 in
     * PAE mode needs.
     */
    enum Item {
        SREGS2("SREGS2", Kvm.GET_SREGS2, Kvm.SET_SREGS2, KvmStructs.SREGS2.byteSize()),
        REGS("REGS", Kvm.GET_REGS, Kvm.SET_REGS, KvmStructs.REGS.byteSize()),
        XCRS("XCRS", Kvm.GET_XCRS, Kvm.SET_XCRS, KvmStructs.XCRS.byteSize()),
        XSAVE("XSAVE", Kvm.GET_XSAVE, Kvm.SET_XSAVE, KvmStructs.XSAVE.byteSize()),
        FPU("FPU", Kvm.GET_FPU, Kvm.SET_FPU, KvmStructs.FPU.byteSize()),
        DEBUGREGS("DEBUGREGS", Kvm.GET_DEBUGREGS, Kvm.SET_DEBUGREGS, KvmStructs.DEBUGREGS.byteSize()),
        LAPIC("LAPIC", Kvm.GET_LAPIC, Kvm.SET_LAPIC, KvmStructs.LAPIC_STATE.byteSize()),
        MP_STATE("MP_STATE", Kvm.GET_MP_STATE, Kvm.SET_MP_STATE, KvmStructs.MP_STATE.byteSize()),
        EVENTS("VCPU_EVENTS", Kvm.GET_VCPU_EVENTS, Kvm.SET_VCPU_EVENTS, KvmStructs.VCPU_EVENTS.byteSize());

        private final String name;
        private final int get, set;
        final int sizeBytes;

        Item(String name, int get, int set, long sizeBytes) {
            this.name = name;
            this.get = get;
            this.set = set;
            this.sizeBytes = (int) sizeBytes;
        }
    }

    private static final long EXCEPTION = offset(KvmStructs.VCPU_EVENTS, "exception"),
            INTERRUPT = offset(KvmStructs.VCPU_EVENTS, "interrupt");
    private static final long EXCEPTION_INJECTED = offset(KvmStructs.VCPU_EVENTS, "exception.injected"),
            EXCEPTION_NR = offset(KvmStructs.VCPU_EVENTS, "exception.nr");
    private static final long EXCEPTION_PENDING = offset(KvmStructs.VCPU_EVENTS, "exception.pending");
    private static final long HAS_ERROR = offset(KvmStructs.VCPU_EVENTS, "exception.has_error_code"),
            ERROR_CODE = offset(KvmStructs.VCPU_EVENTS, "exception.error_code");
    private static final long SHADOW = offset(KvmStructs.VCPU_EVENTS, "interrupt.shadow"),
            NMI = offset(KvmStructs.VCPU_EVENTS, "nmi");
    private static final long NMI_PENDING = offset(KvmStructs.VCPU_EVENTS, "nmi.pending"),
            NMI_MASKED = offset(KvmStructs.VCPU_EVENTS, "nmi.masked");
    private static final long EVENT_FLAGS = offset(KvmStructs.VCPU_EVENTS, "flags");
    private static final long APIC_BASE_BSP = 1 << 8, APIC_BASE_ENABLED = 1 << 11;

    private final KvmFile vcpu;
    private final boolean localApic, boot, xsave;
    private final KvmMsrs msrs;
    private long tscRead = -1;

    KvmVcpuState(KvmVm vm, int index, KvmFile vcpu) {
        this.vcpu = vcpu;
        boot = index == 0;
        localApic = vm.irqchip() != KvmVm.Irqchip.NONE;
        CpuidPolicy.Feature feature = CpuidPolicy.feature("xsave");
        xsave = vm.host().cpuid().stream()
                .anyMatch(e -> e.function() == feature.leaf() && (e.ecx() >>> feature.bit() & 1) != 0);
        msrs = new KvmMsrs(vm.host().msrs());
    }

    void read(CpuState into) {
        try {
            KvmRegisters.readRegs(get(Item.REGS), into);
            KvmRegisters.readSregs(sregs(), into);
            KvmRegisters.readDebug(get(Item.DEBUGREGS), into);
            if (xsave) KvmRegisters.readXcr0(get(Item.XCRS), into);
            HostMemory.copyOut(get(Item.XSAVE), into.xsave, 0, into.xsave.length);
            readEvents(get(Item.EVENTS), into);
            int mp = mpState();
            into.halted = mp == Kvm.MP_STATE_HALTED;
            into.waitForSipi = mp == Kvm.MP_STATE_UNINITIALIZED || mp == Kvm.MP_STATE_INIT_RECEIVED;
            msrs.read(vcpu, into);
            tscRead = into.tsc;
        } catch (ErrnoException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static void readEvents(long events, CpuState into) {
        int shadow = HostMemory.getByte(events + SHADOW);
        into.stiShadow = (shadow & Kvm.X86_SHADOW_INT_STI) != 0;
        into.movSsShadow = (shadow & Kvm.X86_SHADOW_INT_MOV_SS) != 0;
        into.nmiBlocked = HostMemory.getByte(events + NMI_MASKED) != 0;
    }

    /**
     * The time stamp counter stays as it runs when {@code from} has the value last read: a debugger's stop does not
     * turn time back.
     */
    void write(CpuState from) {
        try {
            boolean samePlace = standsAt(from);
            long regs = Scratch.zeroed(Item.REGS.sizeBytes);
            KvmRegisters.writeRegs(from, regs);
            set(Item.REGS, regs);
            writeSregs(from);
            if (xsave) {
                long xcrs = Scratch.zeroed(Item.XCRS.sizeBytes);
                KvmRegisters.writeXcr0(from, xcrs);
                set(Item.XCRS, xcrs);
            }
            HostMemory.copyIn(from.xsave, 0, Scratch.zeroed(Item.XSAVE.sizeBytes), from.xsave.length);
            set(Item.XSAVE, Scratch.current());
            long debug = Scratch.zeroed(Item.DEBUGREGS.sizeBytes);
            KvmRegisters.writeDebug(from, debug);
            set(Item.DEBUGREGS, debug);
            msrs.write(from, vcpu, from.tsc != tscRead);
            writeMpState(from);
            writeEvents(from, samePlace);
        } catch (ErrnoException e) {
            throw new UncheckedIOException(e);
        }
    }

    private boolean standsAt(CpuState state) throws ErrnoException {
        CpuState now = new CpuState();
        KvmRegisters.readRegs(get(Item.REGS), now);
        KvmRegisters.readSregs(sregs(), now);
        return now.rip == state.rip && now.base[CpuState.CS] == state.base[CpuState.CS];
    }

    /**
     * The boot processor is the one with index 0, whatever the state says. Without local APIC it is disabled here,
     * since from this the kernel makes the CPUID bit.
     */
    private void writeSregs(CpuState from) throws ErrnoException {
        long sregs = Scratch.zeroed(KvmStructs.SREGS.byteSize());
        KvmRegisters.writeSregs(from, sregs);
        long apicBase = from.apicBase & ~(localApic ? APIC_BASE_BSP : APIC_BASE_BSP | APIC_BASE_ENABLED);
        HostMemory.putLong(sregs + KvmRegisters.APIC_BASE, apicBase | (boot ? APIC_BASE_BSP : 0));
        vcpu.ioctl("KVM_SET_SREGS", Kvm.SET_SREGS, sregs);
    }

    private void writeMpState(CpuState from) throws ErrnoException {
        int mp = from.waitForSipi
                ? Kvm.MP_STATE_UNINITIALIZED
                : from.halted ? Kvm.MP_STATE_HALTED : Kvm.MP_STATE_RUNNABLE;
        if (!localApic) return; // the kernel knows only RUNNABLE there
        long state = Scratch.zeroed(Item.MP_STATE.sizeBytes);
        HostMemory.putInt(state, mp);
        set(Item.MP_STATE, state);
    }

    private void writeEvents(CpuState from, boolean keep) throws ErrnoException {
        long events = get(Item.EVENTS);
        if (!keep) {
            HostMemory.fill(events + EXCEPTION, 8, (byte) 0);
            HostMemory.fill(events + INTERRUPT, 4, (byte) 0);
            HostMemory.fill(events + NMI, 4, (byte) 0);
        }
        HostMemory.putByte(events + SHADOW, (byte)
                ((from.stiShadow ? Kvm.X86_SHADOW_INT_STI : 0) | (from.movSsShadow ? Kvm.X86_SHADOW_INT_MOV_SS : 0)));
        HostMemory.putByte(events + NMI_MASKED, (byte) (from.nmiBlocked ? 1 : 0));
        int flags =
                HostMemory.getInt(events + EVENT_FLAGS) | Kvm.VCPUEVENT_VALID_SHADOW | Kvm.VCPUEVENT_VALID_NMI_PENDING;
        HostMemory.putInt(events + EVENT_FLAGS, flags & ~Kvm.VCPUEVENT_VALID_SIPI_VECTOR);
        set(Item.EVENTS, events);
    }

    void inject(EngineVcpu.Event event) {
        try {
            switch (event.type()) {
                case EXTERNAL_INTERRUPT -> {
                    long interrupt = Scratch.zeroed(KvmStructs.INTERRUPT.byteSize());
                    HostMemory.putInt(interrupt, event.vector());
                    vcpu.ioctl("KVM_INTERRUPT", Kvm.INTERRUPT, interrupt);
                }
                case NMI -> vcpu.ioctl("KVM_NMI", Kvm.NMI, 0);
                case EXCEPTION -> injectException(event);
            }
        } catch (ErrnoException e) {
            throw new UncheckedIOException(e);
        }
    }

    private void injectException(EngineVcpu.Event event) throws ErrnoException {
        long events = get(Item.EVENTS);
        HostMemory.putByte(events + EXCEPTION_INJECTED, (byte) 1);
        HostMemory.putByte(events + EXCEPTION_NR, (byte) event.vector());
        HostMemory.putByte(events + HAS_ERROR, (byte) (event.errorCode() == -1 ? 0 : 1));
        HostMemory.putInt(events + ERROR_CODE, event.errorCode() == -1 ? 0 : event.errorCode());
        set(Item.EVENTS, events);
    }

    /** @param current the shared page when it holds the current registers, else null */
    boolean interruptible(KvmRun current) {
        try {
            long rflags = KvmRegisters.rflags(current != null ? current.regs() : get(Item.REGS));
            if ((rflags & KvmRegisters.INT_FLAG) == 0) return false;
            return HostMemory.getByte((current != null ? current.events() : get(Item.EVENTS)) + SHADOW) == 0;
        } catch (ErrnoException e) {
            throw new UncheckedIOException(e);
        }
    }

    /**
     * An exception is to be delivered before the next instruction: after a HLT that was stepped over, its #DB. @param
     * current as for {@link #interruptible}
     */
    boolean exceptionQueued(KvmRun current) {
        try {
            long events = current != null ? current.events() : get(Item.EVENTS);
            return (HostMemory.getByte(events + EXCEPTION_INJECTED) | HostMemory.getByte(events + EXCEPTION_PENDING))
                    != 0;
        } catch (ErrnoException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** In HLT with interrupts disabled and no NMI on its way. Only another processor can change that. */
    boolean haltedForEver() {
        try {
            if (mpState() != Kvm.MP_STATE_HALTED || (KvmRegisters.rflags(get(Item.REGS)) & KvmRegisters.INT_FLAG) != 0)
                return false;
            return HostMemory.getByte(get(Item.EVENTS) + NMI_PENDING) == 0;
        } catch (ErrnoException e) {
            throw new UncheckedIOException(e);
        }
    }

    private int mpState() throws ErrnoException {
        return HostMemory.getInt(get(Item.MP_STATE));
    }

    private long sregs() throws ErrnoException {
        long sregs = Scratch.zeroed(KvmStructs.SREGS.byteSize());
        vcpu.ioctl("KVM_GET_SREGS", Kvm.GET_SREGS, sregs);
        return sregs;
    }

    /** @return where the structure lies until the next call */
    private long get(Item item) throws ErrnoException {
        long address = Scratch.zeroed(item.sizeBytes);
        vcpu.ioctl("KVM_GET_" + item.name, item.get, address);
        return address;
    }

    private void set(Item item, long address) throws ErrnoException {
        vcpu.ioctl("KVM_SET_" + item.name, item.set, address);
    }

    /**
     * Makes the kernel list this processor's local APIC as a destination. KVM_CREATE_VCPU makes that list before the
     * processor is in it, so that messages are lost (an NMI, say) until a guest enables its APIC or this is called.
     */
    void listLocalApic() throws ErrnoException {
        set(Item.LAPIC, get(Item.LAPIC));
    }

    byte[] save(Item item) throws ErrnoException {
        byte[] bytes = new byte[item.sizeBytes];
        HostMemory.copyOut(get(item), bytes, 0, bytes.length);
        return bytes;
    }

    void restore(Item item, byte[] bytes) throws ErrnoException {
        if (bytes.length != item.sizeBytes)
            throw new IllegalArgumentException(item + " has " + item.sizeBytes + " bytes: given " + bytes.length);
        long address = Scratch.zeroed(item.sizeBytes);
        HostMemory.copyIn(bytes, 0, address, bytes.length);
        set(item, address);
    }

    /** Model-specific registers that this host has state for. */
    long[] saveMsrs(int[] indices) throws ErrnoException {
        return KvmMsrs.readAll(vcpu, indices);
    }

    boolean restoreMsr(int index, long value) throws ErrnoException {
        return KvmMsrs.write(vcpu, index, value);
    }

    /** Stops after every instruction with {@link org.nestorvm.vmm.Exit.Debug}, or no longer. */
    void singleStep(boolean on) throws ErrnoException {
        try (Arena arena = Arena.ofConfined()) {
            long debug = arena.allocate(KvmStructs.GUEST_DEBUG).address();
            HostMemory.putInt(debug, on ? Kvm.GUESTDBG_ENABLE | Kvm.GUESTDBG_SINGLESTEP : 0);
            vcpu.ioctl("KVM_SET_GUEST_DEBUG", Kvm.SET_GUEST_DEBUG, debug);
        }
    }
}
