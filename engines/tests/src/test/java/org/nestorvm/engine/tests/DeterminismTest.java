package org.nestorvm.engine.tests;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.nestorvm.asm.Reg.AH;
import static org.nestorvm.asm.Reg.AL;
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
import org.nestorvm.devices.InterruptRouter;
import org.nestorvm.devices.IoApic;
import org.nestorvm.devices.PicPair;
import org.nestorvm.devices.Pit8254;
import org.nestorvm.paging.EntryFormat;
import org.nestorvm.vmm.CpuState;
import org.nestorvm.vmm.EngineVcpu;
import org.nestorvm.vmm.Exit;
import org.nestorvm.vmm.InstructionClock;
import org.nestorvm.vmm.MemorySlot;

/**
 * With time that counts instructions, the same guest does the same thing twice: every access to a device with its
 * value, every register, every byte, and how many instructions it took.
 */
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
            handler.rdtsc()
                    .out(0x80, EAX)
                    .mov(Mem.abs(0xfee000b0L).m32(), 0)
                    .dec(EBX)
                    .iretd();
            vm.load(handler);
            vm.descriptors.idt32(VECTOR, Descriptors.gate(Layout.KERNEL_CS32, 0x3000, Descriptors.INTERRUPT_GATE32, 0));
            Asm a = vm.program().mov(EBX, TICKS);
            a.mov(Mem.abs(0xfee000f0L).m32(), 0x1ff)
                    .mov(Mem.abs(0xfee00320L).m32(), 0x20000 | VECTOR)
                    .mov(Mem.abs(0xfee003e0L).m32(), 0xb)
                    .mov(Mem.abs(0xfee00380L).m32(), 100_003)
                    .sti();
            Label work = a.here(), halt = a.label(), done = a.label();
            a.mov(ECX, 20_000);
            Label inner = a.here();
            a.add(EDX, ECX)
                    .dec(ECX)
                    .jne(inner)
                    .rdrand(EAX)
                    .out(0x81, EAX)
                    .cmp(EBX, TICKS / 2)
                    .jl(halt)
                    .jmp(work);
            a.bind(halt).hlt().cmp(EBX, 0).jg(halt).bind(done).cli().hlt();
            vm.start(a);
            List<String> trace = new ArrayList<>();
            vm.runUntilExit();
            while (vm.hasEvents()) trace.add(vm.run().toString());
            trace.add("instructions " + ((EngineVcpu) vm.vcpu(0).engine()).instructionCount() + " rbx " + vm.get(RBX)
                    + " time " + vm.clock.nowNs());
            return trace;
        }
    }

    /**
     * The 8254 through the 8259: a period that is no whole number of instructions, interrupts out of HLT and out of
     * loops, and the counter read back in between.
     */
    @Test
    void interruptsOfThe8254() {
        List<String> first = ticks(EntryFormat.EPT);
        assertTrue(first.size() > 2 * TICKS, () -> "the guest is to get " + TICKS + " interrupts: " + first);
        assertEquals(first, ticks(EntryFormat.EPT));
        assertEquals(first, ticks(EntryFormat.NPT), "the format of the nested table is invisible");
    }

    private static List<String> ticks(EntryFormat format) {
        InstructionClock clock = new InstructionClock(0);
        Runnable[] intrChanged = {() -> {}};
        PicPair pics = new PicPair(() -> intrChanged[0].run());
        IoApic ioApic = new IoApic((address, data) -> {});
        InterruptRouter router = new InterruptRouter(pics, ioApic);
        try (TestMachine vm =
                new TestMachine(EngineTestExtension.engine("soft"), format, 1, true, clock, router.controller())) {
            vm.chip(0x20, 2, pics.masterPorts())
                    .chip(0xa0, 2, pics.slavePorts())
                    .chip(0x40, Pit8254.PORTS, new Pit8254(clock, router.isa(InterruptRouter.TIMER_IRQ)));
            intrChanged[0] = vm.vm().engine()::externalInterruptChanged;
            vm.protectedMode();
            Asm handler = vm.program(0x3000);
            handler.push(EAX)
                    .rdtsc()
                    .out(0x80, EAX)
                    .mov(AL, 0x20)
                    .out(0x20, AL)
                    .pop(EAX)
                    .dec(EBX)
                    .iretd();
            vm.load(handler);
            vm.descriptors.idt32(0x20, Descriptors.gate(Layout.KERNEL_CS32, 0x3000, Descriptors.INTERRUPT_GATE32, 0));
            Asm a = vm.program();
            int[][] writes = {
                {0x20, 0x11},
                {0xa0, 0x11},
                {0x21, 0x20},
                {0xa1, 0x28},
                {0x21, 4},
                {0xa1, 2},
                {0x21, 1},
                {0xa1, 1},
                {0x21, 0xfe},
                {0xa1, 0xff},
                {0x43, 0x34},
                {0x40, 101},
                {0x40, 0}
            };
            for (int[] write : writes) a.mov(AL, write[1]).out(write[0], AL);
            Label work = a.mov(EBX, TICKS).sti().here(), halt = a.label(), done = a.label();
            a.mov(ECX, 5_000);
            Label inner = a.here();
            a.add(EDX, ECX)
                    .dec(ECX)
                    .jne(inner)
                    .mov(AL, 0)
                    .out(0x43, AL)
                    .in(AL, 0x40)
                    .mov(AH, AL)
                    .in(AL, 0x40)
                    .out(0x81, EAX)
                    .cmp(EBX, TICKS / 2)
                    .jl(halt)
                    .jmp(work);
            a.bind(halt)
                    .hlt()
                    .out(0x82, AL)
                    .cmp(EBX, 0)
                    .jg(halt)
                    .bind(done)
                    .cli()
                    .hlt();
            vm.start(a);
            List<String> trace = new ArrayList<>();
            vm.runUntilExit();
            while (vm.hasEvents()) trace.add(vm.run().toString());
            trace.add("instructions " + ((EngineVcpu) vm.vcpu(0).engine()).instructionCount() + " rbx " + vm.get(RBX)
                    + " time " + vm.clock.nowNs());
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
                trace.add(exit + " " + vcpu.engine().instructionCount() + " " + machine.clock.nowNs() + " " + accesses
                        + " " + show(state));
            }
            for (MemorySlot slot : machine.vm.slots())
                trace.add(slot.range() + " " + Arrays.hashCode(machine.bytes(slot)));
            return trace;
        }
    }

    private static String show(CpuState s) {
        StringBuilder text = new StringBuilder();
        for (long v : s.gpr) text.append(Long.toHexString(v)).append(' ');
        for (long v : new long[] {s.rip, s.rflags, s.cr0, s.cr2, s.cr3, s.cr4, s.efer, s.tsc})
            text.append(Long.toHexString(v)).append(' ');
        return text
                + Arrays.toString(s.selector)
                + Arrays.toString(s.base)
                + Arrays.toString(s.limit)
                + Arrays.toString(s.access)
                + Arrays.hashCode(s.xsave);
    }
}
