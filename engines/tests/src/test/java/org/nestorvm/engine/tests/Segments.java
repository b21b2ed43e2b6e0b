package org.nestorvm.engine.tests;

import org.nestorvm.vmm.CpuState;

/** Segment registers of a {@link CpuState}. */
public final class Segments {
    private Segments() {}

    /** @param limit in bytes; access in the VMCS's layout */
    public static void set(CpuState cpu, int segment, int selector, long base, int limit, int access) {
        cpu.selector[segment] = selector;
        cpu.base[segment] = base;
        cpu.limit[segment] = limit;
        cpu.access[segment] = access;
    }
}
