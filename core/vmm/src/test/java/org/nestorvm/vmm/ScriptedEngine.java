package org.nestorvm.vmm;

import java.io.IOException;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import org.nestorvm.memory.sys.FaultPoints;
import org.nestorvm.memory.sys.HostMemory;
import org.nestorvm.paging.Access;
import org.nestorvm.paging.NestedPageTable;
import org.nestorvm.paging.NestedWalk;

/**
 * An engine whose guest is a piece of Java: it reaches memory as a processor does, by a walk of the nested page table,
 * a small TLB in front of it, and a fault to the monitor when the walk ends early. So the monitor core runs, and is
 * raced against, without an instruction set.
 */
final class ScriptedEngine implements Engine {
    /** What the guest does in one {@link EngineVcpu#run}. */
    interface Program {
        Exit run(Guest guest, GuestBus bus);
    }

    /** Spins until kicked, like {@code jmp .}. */
    static final Program SPIN = (guest, bus) -> {
        while (!guest.takeKick()) Thread.onSpinWait();
        return new Exit.Interrupted();
    };

    static final Program HALT = (guest, bus) -> new Exit.Halt();

    private final Program program;
    /** Sides that were made and not closed. For leak checks. */
    final AtomicInteger openVms = new AtomicInteger();

    final AtomicInteger openVcpus = new AtomicInteger();
    final AtomicLong faults = new AtomicLong();
    final AtomicLong invalidations = new AtomicLong();

    ScriptedEngine(Program program) {
        this.program = program;
    }

    static EngineOptions options() {
        return EngineOptions.bare(new InstructionClock(0));
    }

    @Override
    public String name() {
        return "scripted";
    }

    @Override
    public String unavailableBecause() {
        return null;
    }

    @Override
    public EngineVm create(VirtualMachine vm, EngineOptions options) throws IOException {
        FaultPoints.call("engine create", vm);
        openVms.incrementAndGet();
        return new Side(vm);
    }

    private final class Side implements EngineVm {
        private final VirtualMachine vm;
        private final List<Guest> guests = new CopyOnWriteArrayList<>();
        private boolean closed;

        Side(VirtualMachine vm) {
            this.vm = vm;
        }

        @Override
        public EngineVcpu createVcpu(int index) throws IOException {
            FaultPoints.call("virtual CPU create", vm);
            Guest guest = new Guest(vm, index);
            guests.add(guest);
            openVcpus.incrementAndGet();
            return guest;
        }

        @Override
        public void signalMsi(long address, int data) {}

        @Override
        public void externalInterruptChanged() {}

        @Override
        public void invalidate(long gpa, long sizeBytes) {
            invalidations.incrementAndGet();
            for (Guest guest : guests) guest.flush();
        }

        @Override
        public void close() {
            if (closed) throw new AssertionError("closed twice");
            closed = true;
            openVms.decrementAndGet();
        }
    }

    /** A virtual CPU. */
    final class Guest implements EngineVcpu {
        private static final int TLB = 64;
        private final VirtualMachine vm;
        final int index;
        private final NestedWalk walk = new NestedWalk();
        private final long[] readPage = new long[TLB], writePage = new long[TLB], hostPage = new long[TLB];
        private volatile boolean kicked;
        private boolean closed;
        private CpuState state = new CpuState();

        Guest(VirtualMachine vm, int index) {
            this.vm = vm;
            this.index = index;
            flush();
        }

        VirtualMachine vm() {
            return vm;
        }

        boolean takeKick() {
            boolean was = kicked;
            if (was) kicked = false;
            return was;
        }

        /** What a load instruction of 8 bytes does; all ones where nothing is. */
        long load(long gpa) {
            for (; ; ) {
                synchronized (this) {
                    int entry = lookup(gpa, false);
                    if (entry >= 0) return HostMemory.getLong(hostPage[entry] + (gpa & 4095));
                }
                if (fault(gpa, Access.READ) != NestedFaultHandler.RESIDENT) return -1;
            }
        }

        /** A store of 8 bytes. @return the outcome of the last fault; RESIDENT when it was done */
        int store(long gpa, long value) {
            for (; ; ) {
                synchronized (this) {
                    int entry = lookup(gpa, true);
                    if (entry >= 0) {
                        HostMemory.putLong(hostPage[entry] + (gpa & 4095), value);
                        return NestedFaultHandler.RESIDENT;
                    }
                }
                int outcome = fault(gpa, Access.WRITE);
                if (outcome != NestedFaultHandler.RESIDENT) return outcome;
            }
        }

        /** The fault that the access brings about, if any, answered. */
        int fault(long gpa, int access) {
            NestedPageTable table = vm.nestedPageTable();
            if (table.walk(gpa, access, walk) != -1) return NestedFaultHandler.RESIDENT;
            faults.incrementAndGet();
            return vm.nestedFaultHandler().handle(gpa, table.format().faultInfo(walk, access, true, true, false));
        }

        private int lookup(long gpa, boolean write) {
            long page = gpa & -4096;
            int entry = (int) (gpa >>> 12) % TLB;
            if ((write ? writePage : readPage)[entry] == page) return entry;
            long host = vm.nestedPageTable().walk(page, write ? Access.WRITE : Access.READ, walk);
            if (host == -1) return -1;
            if (hostPage[entry] != host) readPage[entry] = writePage[entry] = -1;
            hostPage[entry] = host;
            readPage[entry] = page;
            if (write) writePage[entry] = page;
            return entry;
        }

        /** After this no access uses an old translation: one that was under way is over. */
        synchronized void flush() {
            java.util.Arrays.fill(readPage, -1);
            java.util.Arrays.fill(writePage, -1);
            java.util.Arrays.fill(hostPage, -1);
        }

        @Override
        public Exit run(GuestBus bus) {
            if (closed) throw new AssertionError("run after close");
            return program.run(this, bus);
        }

        @Override
        public void kick() {
            kicked = true;
        }

        @Override
        public void inject(Event event) {}

        @Override
        public boolean interruptible() {
            return (state.rflags & 1 << 9) != 0;
        }

        @Override
        public void readState(CpuState into) {
            System.arraycopy(state.gpr, 0, into.gpr, 0, state.gpr.length);
            into.rip = state.rip;
        }

        @Override
        public void writeState(CpuState from) {
            System.arraycopy(from.gpr, 0, state.gpr, 0, state.gpr.length);
            state.rip = from.rip;
        }

        CpuState state() {
            return state;
        }

        @Override
        public long instructionCount() {
            return -1;
        }

        @Override
        public void close() {
            if (closed) throw new AssertionError("closed twice");
            closed = true;
            openVcpus.decrementAndGet();
        }
    }
}
