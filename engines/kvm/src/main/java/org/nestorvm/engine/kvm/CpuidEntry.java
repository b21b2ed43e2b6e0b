package org.nestorvm.engine.kvm;

import static org.nestorvm.engine.kvm.CStruct.offset;

import java.util.List;
import org.nestorvm.memory.sys.HostMemory;

/**
 * One answer of CPUID: struct kvm_cpuid_entry2. {@code indexed}: the answer depends on ECX, and this one is for
 * {@code index}.
 */
record CpuidEntry(int function, int index, boolean indexed, int eax, int ebx, int ecx, int edx) {
    private static final long FUNCTION = offset(KvmStructs.CPUID_ENTRY2, "function"),
            INDEX = offset(KvmStructs.CPUID_ENTRY2, "index");
    private static final long FLAGS = offset(KvmStructs.CPUID_ENTRY2, "flags");
    private static final long EAX = offset(KvmStructs.CPUID_ENTRY2, "eax"),
            EBX = offset(KvmStructs.CPUID_ENTRY2, "ebx");
    private static final long ECX = offset(KvmStructs.CPUID_ENTRY2, "ecx"),
            EDX = offset(KvmStructs.CPUID_ENTRY2, "edx");

    static CpuidEntry read(long address) {
        return new CpuidEntry(
                HostMemory.getInt(address + FUNCTION),
                HostMemory.getInt(address + INDEX),
                (HostMemory.getInt(address + FLAGS) & Kvm.CPUID_FLAG_SIGNIFCANT_INDEX) != 0,
                HostMemory.getInt(address + EAX),
                HostMemory.getInt(address + EBX),
                HostMemory.getInt(address + ECX),
                HostMemory.getInt(address + EDX));
    }

    CpuidEntry with(int newEax, int newEbx, int newEcx, int newEdx) {
        return new CpuidEntry(function, index, indexed, newEax, newEbx, newEcx, newEdx);
    }

    boolean isZero() {
        return (eax | ebx | ecx | edx) == 0;
    }

    private void write(long address) {
        HostMemory.putInt(address + FUNCTION, function);
        HostMemory.putInt(address + INDEX, index);
        HostMemory.putInt(address + FLAGS, indexed ? Kvm.CPUID_FLAG_SIGNIFCANT_INDEX : 0);
        HostMemory.putInt(address + EAX, eax);
        HostMemory.putInt(address + EBX, ebx);
        HostMemory.putInt(address + ECX, ecx);
        HostMemory.putInt(address + EDX, edx);
    }

    /** Where entry {@code i} of the struct kvm_cpuid2 at {@code table} lies. */
    static long address(long table, int i) {
        return table + KvmStructs.CPUID2.byteSize() + i * KvmStructs.CPUID_ENTRY2.byteSize();
    }

    static long tableBytes(int entries) {
        return address(0, entries);
    }

    /** Fills a struct kvm_cpuid2 in zeroed memory. */
    static void write(List<CpuidEntry> entries, long table) {
        HostMemory.putInt(table, entries.size());
        for (int i = 0; i < entries.size(); i++) entries.get(i).write(address(table, i));
    }
}
