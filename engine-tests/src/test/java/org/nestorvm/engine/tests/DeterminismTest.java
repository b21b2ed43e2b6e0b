package org.nestorvm.engine.tests;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.nestorvm.asm.Reg.EAX;
import static org.nestorvm.asm.Reg.EBX;
import static org.nestorvm.asm.Reg.ECX;
import static org.nestorvm.asm.Reg.EDX;
import static org.nestorvm.asm.Reg.RBX;

import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.Test;
import org.nestorvm.asm.Asm;
import org.nestorvm.asm.Label;
import org.nestorvm.asm.Mem;
import org.nestorvm.paging.EntryFormat;
import org.nestorvm.vmm.CpuState;
import org.nestorvm.vmm.EngineVcpu;
import org.nestorvm.vmm.Exit;
import org.nestorvm.vmm.MemorySlot;

/** With time that counts instructions, the same guest does the same thing twice: every access to a device with its value, every register, every byte, and how many instructions it took. */
class DeterminismTest {
    private static final int VECTOR = 0x40, TICKS = 200;

    /** Interrupts by the local APIC's timer, at moments that the guest shows with the TSC; HLT; RDRAND. */
    @Test
    void timersOfTheLocalApic() {
        List<String> first = timers(EntryFormat.EPT);
        assertTrue(first.size() > TICKS + 100, () -> "the guest is to get " + TICKS + " interrupts: " + first);
        assertEquals(first, timers(EntryFormat.EPT));
        assertEquals(first, timers(EntryFormat.NPT), "the format of the nested table is invisible");
    }

    private static List<String> timers(EntryFormat format) {
        try (TestMachine vm = new TestMachine(EngineTestExtension.engine("soft"), format, 1, true, true)) {
            vm.protectedMode();
            Asm handler = vm.program(0x3000);
            handler.rdtsc().out(0x80, EAX).mov(Mem.abs(0xfee000b0L).m32(), 0).dec(EBX).iretd();
            vm.load(handler);
            vm.descriptors.idt32(VECTOR, Descriptors.gate(Layout.KERNEL_CS32, 0x3000, Descriptors.INTERRUPT_GATE32, 0));
            Asm a = vm.program().mov(EBX, TICKS);
            a.mov(Mem.abs(0xfee000f0L).m32(), 0x1ff).mov(Mem.abs(0xfee00320L).m32(), 0x20000 | VECTOR).mov(Mem.abs(0xfee003e0L).m32(), 0xb).mov(Mem.abs(0xfee00380L).m32(), 100_003).sti();
            Label work = a.here(), halt = a.label(), done = a.label();
            a.mov(ECX, 20_000);
            Label inner = a.here();
            a.add(EDX, ECX).dec(ECX).jne(inner).rdrand(EAX).out(0x81, EAX).cmp(EBX, TICKS / 2).jl(halt).jmp(work);
            a.bind(halt).hlt().cmp(EBX, 0).jg(halt).bind(done).cli().hlt();
            vm.start(a);
            List<String> trace = new ArrayList<>();
            vm.runUntilExit();
            while (vm.hasEvents()) trace.add(vm.run().toString());
            trace.add("instructions " + ((EngineVcpu) vm.vcpu(0).engine()).instructionCount() + " rbx " + vm.get(RBX) + " time " + vm.clock.nowNs());
            return trace;
        }
    }

    /** The same for guests that are nonsense; a timer of the instruction clock ends them. */
    @Test
    void nonsense() throws Exception {
        HostileGuestTest.cases(seed -> {
            HostileMachine.Mode[] modes = HostileMachine.Mode.values();
            HostileMachine.Mode mode = modes[new SplittableRandom(~seed).nextInt(modes.length)];
            List<String> first = nonsense(seed, mode), second = nonsense(seed, mode);
            if (first != null && second != null) assertEquals(first, second);
        });
    }

    /** Null for a guest whose time stands still. */
    private static List<String> nonsense(long seed, HostileMachine.Mode mode) throws IOException {
        try (HostileMachine machine = new HostileMachine(seed, mode, 1, true, true)) {
            AtomicLong accesses = new AtomicLong();
            machine.onDevice = accesses::incrementAndGet;
            var vcpu = machine.vm.vcpu(0);
            var bus = machine.bus();
            var timer = machine.clock.newTimer(vcpu::kick);
            List<String> trace = new ArrayList<>();
            CpuState state = new CpuState();
            for (int i = 0; i < 4; i++) {
                vcpu.writeState(machine.state(false));
                long end = machine.clock.nowNs() + 50_000;
                timer.arm(end);
                Exit exit = HostileRun.watched(vcpu, bus, 2000);
                if (exit instanceof Exit.Interrupted && machine.clock.nowNs() < end) return null;
                vcpu.readState(state);
                trace.add(exit + " " + vcpu.engine().instructionCount() + " " + machine.clock.nowNs() + " " + accesses + " " + show(state));
            }
            for (MemorySlot slot : machine.vm.slots()) trace.add(slot.range() + " " + Arrays.hashCode(machine.bytes(slot)));
            return trace;
        }
    }

    private static String show(CpuState s) {
        StringBuilder text = new StringBuilder();
        for (long v : s.gpr) text.append(Long.toHexString(v)).append(' ');
        for (long v : new long[] {s.rip, s.rflags, s.cr0, s.cr2, s.cr3, s.cr4, s.efer, s.tsc}) text.append(Long.toHexString(v)).append(' ');
        return text + Arrays.toString(s.selector) + Arrays.toString(s.base) + Arrays.toString(s.limit) + Arrays.toString(s.access) + Arrays.hashCode(s.xsave);
    }
}
