package org.nestorvm.engine.kvm;

import static org.nestorvm.engine.kvm.CStruct.offset;

import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.function.ObjLongConsumer;
import java.util.function.ToLongFunction;
import org.nestorvm.memory.sys.ErrnoException;
import org.nestorvm.memory.sys.HostMemory;
import org.nestorvm.vmm.CpuState;

/**
 * The model-specific registers that {@link CpuState} names, with the manual's numbers (SDM vol. 4), and how they
 * travel.
 */
final class KvmMsrs {
    private static final long INDEX = offset(KvmStructs.MSR_ENTRY, "index"),
            DATA = offset(KvmStructs.MSR_ENTRY, "data");

    /** @param get null: read by nobody */
    private record Msr(int index, ToLongFunction<CpuState> get, ObjLongConsumer<CpuState> set) {}

    /** The time stamp comes last, so that as little as possible passes between writing it and running. */
    private static final List<Msr> NAMED = List.of(
            new Msr(0xc0000081, s -> s.star, (s, v) -> s.star = v),
            new Msr(0xc0000082, s -> s.lstar, (s, v) -> s.lstar = v),
            new Msr(0xc0000083, s -> s.cstar, (s, v) -> s.cstar = v),
            new Msr(0xc0000084, s -> s.sfmask, (s, v) -> s.sfmask = v),
            new Msr(0xc0000102, s -> s.kernelGsBase, (s, v) -> s.kernelGsBase = v),
            new Msr(0xc0000103, s -> s.tscAux, (s, v) -> s.tscAux = v),
            new Msr(0x174, s -> s.sysenterCs, (s, v) -> s.sysenterCs = v),
            new Msr(0x175, s -> s.sysenterEsp, (s, v) -> s.sysenterEsp = v),
            new Msr(0x176, s -> s.sysenterEip, (s, v) -> s.sysenterEip = v),
            new Msr(0x277, s -> s.pat, (s, v) -> s.pat = v),
            new Msr(0x1a0, s -> s.miscEnable, (s, v) -> s.miscEnable = v),
            new Msr(0xda0, s -> s.xss, (s, v) -> s.xss = v),
            new Msr(0x10, s -> s.tsc, (s, v) -> s.tsc = v));

    private final List<Msr> present = new ArrayList<>();

    /** @param available what this host's KVM has state for */
    KvmMsrs(Set<Integer> available) {
        for (Msr msr : NAMED) if (available.contains(msr.index())) present.add(msr);
    }

    void read(KvmFile vcpu, CpuState into) throws ErrnoException {
        long table = table();
        count("KVM_GET_MSRS", vcpu, vcpu.ioctl("KVM_GET_MSRS", Kvm.GET_MSRS, table), present.size());
        for (int i = 0; i < present.size(); i++)
            present.get(i).set().accept(into, HostMemory.getLong(entry(table, i) + DATA));
    }

    /** @param tsc whether to write the time stamp counter, which comes last */
    void write(CpuState from, KvmFile vcpu, boolean tsc) throws ErrnoException {
        long table = table();
        if (!tsc) HostMemory.putInt(table, present.size() - 1);
        for (int i = 0; i < present.size(); i++)
            HostMemory.putLong(entry(table, i) + DATA, present.get(i).get().applyAsLong(from));
        count("KVM_SET_MSRS", vcpu, vcpu.ioctl("KVM_SET_MSRS", Kvm.SET_MSRS, table), HostMemory.getInt(table));
    }

    /** The kernel stops at the first register it does not accept and answers how many it took. */
    private void count(String call, KvmFile vcpu, int done, int asked) throws ErrnoException {
        if (done < asked)
            throw new ErrnoException(
                    call,
                    vcpu + " MSR 0x" + Integer.toHexString(present.get(done).index()),
                    22);
    }

    private long table() {
        long table = Scratch.zeroed(entry(0, present.size()));
        HostMemory.putInt(table, present.size());
        for (int i = 0; i < present.size(); i++)
            HostMemory.putInt(entry(table, i) + INDEX, present.get(i).index());
        return table;
    }

    private static long entry(long table, int i) {
        return table + KvmStructs.MSRS.byteSize() + i * KvmStructs.MSR_ENTRY.byteSize();
    }

    /** Reads any registers, for saving a machine. @return the values in the order asked */
    static long[] readAll(KvmFile vcpu, int[] indices) throws ErrnoException {
        long[] values = new long[indices.length];
        for (int i = 0; i < indices.length; i++) {
            long table = Scratch.zeroed(entry(0, 1));
            HostMemory.putInt(table, 1);
            HostMemory.putInt(entry(table, 0) + INDEX, indices[i]);
            if (vcpu.ioctl("KVM_GET_MSRS", Kvm.GET_MSRS, table) != 1)
                throw new ErrnoException("KVM_GET_MSRS", vcpu + " MSR 0x" + Integer.toHexString(indices[i]), 22);
            values[i] = HostMemory.getLong(entry(table, 0) + DATA);
        }
        return values;
    }

    /** @return false when the kernel does not accept the value */
    static boolean write(KvmFile vcpu, int index, long value) throws ErrnoException {
        long table = Scratch.zeroed(entry(0, 1));
        HostMemory.putInt(table, 1);
        HostMemory.putInt(entry(table, 0) + INDEX, index);
        HostMemory.putLong(entry(table, 0) + DATA, value);
        return vcpu.ioctl("KVM_SET_MSRS", Kvm.SET_MSRS, table) == 1;
    }
}
