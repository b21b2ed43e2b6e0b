package org.nestorvm.engine.kvm;

import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;
import org.nestorvm.vmm.CpuState;
import org.nestorvm.vmm.EngineOptions;
import org.nestorvm.vmm.Exit;
import org.nestorvm.vmm.GuestBus;
import org.nestorvm.vmm.HostClock;
import org.nestorvm.vmm.InterruptController;
import org.nestorvm.vmm.MemoryMap;
import org.nestorvm.vmm.MemoryRange;
import org.nestorvm.vmm.Vcpu;
import org.nestorvm.vmm.VirtualMachine;
import org.nestorvm.vmm.VmClock;
import org.nestorvm.vmm.VmConfig;
import org.nestorvm.vmm.Vmm;

/**
 * A machine of KVM for tests, with a bus that remembers: RAM from 0 to 16 MiB, nothing above. Skips the test where KVM
 * does not run.
 */
final class Guest implements GuestBus, AutoCloseable {
    static final int CODE = 0x1000, STACK = 0x8000, PML4 = 0x10000, GDT = 0x5000, IDT = 0x6000;
    static final long RAM_BYTES = 16 << 20;

    /** A bus access: {@code "out 0x19 1 0x33"}, {@code "read 0xd0000000 4"}. */
    final List<String> accesses = new ArrayList<>();

    final HostClock clock = new HostClock();
    final VirtualMachine vm;
    /** What IN and memory-mapped reads give. */
    long answer = -1;
    /** Called in the middle of every access. */
    Runnable onAccess = () -> {};

    private Guest(
            KvmEngine engine,
            VmClock time,
            int vcpus,
            EngineOptions.Interrupts interrupts,
            InterruptController controller,
            MemoryMap map)
            throws IOException {
        VmConfig config = VmConfig.of("test", map)
                .withVcpus(vcpus)
                .withEngine(engine, new EngineOptions(interrupts, controller, time == null ? clock : time));
        vm = new Vmm().create(config);
    }

    static void assumeKvm() {
        String reason = new KvmEngine().unavailableBecause();
        if (reason != null) System.out.println("skipped, no KVM: " + reason);
        assumeTrue(reason == null, "skipped, no KVM: " + reason);
    }

    static Guest bare(int... code) throws IOException {
        return with(1, EngineOptions.Interrupts.NONE, InterruptController.NONE, code);
    }

    static Guest with(int vcpus, EngineOptions.Interrupts interrupts, InterruptController controller, int... code)
            throws IOException {
        return on(
                new KvmEngine(),
                MemoryMap.of(new MemoryRange(0, RAM_BYTES, MemoryRange.Type.RAM)),
                vcpus,
                interrupts,
                controller,
                code);
    }

    static Guest on(
            KvmEngine engine,
            MemoryMap map,
            int vcpus,
            EngineOptions.Interrupts interrupts,
            InterruptController controller,
            int... code)
            throws IOException {
        return make(engine, null, map, vcpus, interrupts, controller, code);
    }

    /** With local APICs, on a clock that the test moves. */
    static Guest at(HandClock time, int vcpus, int... code) throws IOException {
        return at(time, EngineOptions.Interrupts.LOCAL_APIC, vcpus, code);
    }

    static Guest at(HandClock time, EngineOptions.Interrupts interrupts, int vcpus, int... code) throws IOException {
        return make(
                new KvmEngine(),
                time,
                MemoryMap.of(new MemoryRange(0, RAM_BYTES, MemoryRange.Type.RAM)),
                vcpus,
                interrupts,
                InterruptController.NONE,
                code);
    }

    private static Guest make(
            KvmEngine engine,
            VmClock time,
            MemoryMap map,
            int vcpus,
            EngineOptions.Interrupts interrupts,
            InterruptController controller,
            int... code)
            throws IOException {
        assumeKvm();
        Guest guest = new Guest(engine, time, vcpus, interrupts, controller, map);
        guest.code(CODE, code);
        guest.realMode(state -> {});
        return guest;
    }

    Guest code(long gpa, int... bytes) {
        byte[] code = new byte[bytes.length];
        for (int i = 0; i < bytes.length; i++) code[i] = (byte) bytes[i];
        vm.memory().write(gpa, code, 0, code.length);
        return this;
    }

    Vcpu vcpu() {
        return vm.vcpu(0);
    }

    KvmVcpu engine() {
        return (KvmVcpu) vcpu().engine();
    }

    KvmVm kvm() {
        return (KvmVm) vm.engine();
    }

    Exit run() {
        return vcpu().run(this);
    }

    CpuState state() {
        CpuState state = new CpuState();
        vcpu().readState(state);
        return state;
    }

    /** Real mode at {@link #CODE}, all segments at 0. */
    Guest realMode(Consumer<CpuState> change) {
        CpuState state = new CpuState();
        state.selector[CpuState.CS] = 0;
        state.base[CpuState.CS] = 0;
        state.rip = CODE;
        state.gpr[CpuState.RSP] = STACK;
        change.accept(state);
        vcpu().writeState(state);
        return this;
    }

    /** 32-bit protected mode, flat segments, no paging. */
    Guest protectedMode(Consumer<CpuState> change) {
        CpuState state = flat(0xc09b);
        state.cr0 = 0x11;
        change.accept(state);
        vcpu().writeState(state);
        return this;
    }

    /** 64-bit mode; the first 4 GiB mapped to themselves with 2 MiB pages at {@link #PML4} and after. */
    Guest longMode(Consumer<CpuState> change) {
        int pdpt = PML4 + 0x1000, directory = pdpt + 0x1000;
        vm.memory().putLong(PML4, pdpt | 7);
        for (int i = 0; i < 4; i++) vm.memory().putLong(pdpt + 8L * i, directory + i * 0x1000L | 7);
        for (int i = 0; i < 2048; i++) vm.memory().putLong(directory + 8L * i, (long) i << 21 | 0x87);
        CpuState state = flat(0xa09b);
        state.cr3 = PML4;
        state.cr4 = 0x20;
        state.efer = 0x500;
        state.cr0 = 0x80000011L;
        change.accept(state);
        vcpu().writeState(state);
        return this;
    }

    /**
     * 64-bit mode with flat code (8) and data (16) segments, 256 empty gates at {@link #IDT}, and RBX at the local
     * APIC.
     */
    Guest withInterrupts() {
        code(GDT + 8, 0xff, 0xff, 0, 0, 0, 0x9b, 0xaf, 0, 0xff, 0xff, 0, 0, 0, 0x93, 0xcf, 0);
        return longMode(state -> {
            state.gdtrBase = GDT;
            state.gdtrLimit = 0x17;
            state.idtrBase = IDT;
            state.idtrLimit = 0xfff;
            state.gpr[CpuState.RBX] = 0xfee00000L;
        });
    }

    /** A 64-bit interrupt gate to {@code handler}, and the handler's code. */
    Guest handler(int vector, int handler, int... code) {
        code(IDT + 16L * vector, handler, handler >>> 8, 8, 0, 0, 0x8e, handler >>> 16, handler >>> 24);
        return code(handler, code);
    }

    private static CpuState flat(int codeAccess) {
        CpuState state = new CpuState();
        for (int s = CpuState.ES; s <= CpuState.GS; s++) {
            state.selector[s] = s == CpuState.CS ? 8 : 16;
            state.base[s] = 0;
            state.limit[s] = -1;
            state.access[s] = s == CpuState.CS ? codeAccess : 0xc093;
        }
        state.rip = CODE;
        state.gpr[CpuState.RSP] = STACK;
        return state;
    }

    @Override
    public int portRead(int port, int size) {
        return (int) access("in 0x%x %d", port, size);
    }

    @Override
    public void portWrite(int port, int size, int value) {
        access("out 0x%x %d 0x%x", port, size, value);
    }

    @Override
    public long mmioRead(long gpa, int size) {
        return access("read 0x%x %d", gpa, size);
    }

    @Override
    public void mmioWrite(long gpa, int size, long value) {
        access("write 0x%x %d 0x%x", gpa, size, value);
    }

    private synchronized long access(String format, Object... arguments) {
        accesses.add(String.format(format, arguments));
        onAccess.run();
        return answer;
    }

    @Override
    public void close() {
        vm.close();
        clock.close();
    }
}
