package org.nestorvm.machine;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.nestorvm.asm.Mem.abs;
import static org.nestorvm.asm.Reg.*;

import java.io.ByteArrayOutputStream;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.List;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.nestorvm.asm.Asm;
import org.nestorvm.asm.Label;
import org.nestorvm.paging.EntryFormat;
import org.nestorvm.vmm.CpuState;
import org.nestorvm.vmm.Engine;

/**
 * Real-mode guests that use the devices as firmware and drivers do, on every engine and in both formats of the nested
 * table.
 */
@Timeout(60)
class GuestTest {
    private static final int CODE = 0x1000, COUNT = 0x700;

    record Setup(String engine, EntryFormat format, MachineConfig.Irqchip irqchip) {
        @Override
        public String toString() {
            return engine
                    + (format == EntryFormat.EPT ? "/ept" : "/npt")
                    + (irqchip == MachineConfig.Irqchip.KERNEL ? "/chips in the kernel" : "");
        }
    }

    static List<Setup> setups() {
        return List.of(
                new Setup("soft", EntryFormat.EPT, MachineConfig.Irqchip.SPLIT),
                new Setup("soft", EntryFormat.NPT, MachineConfig.Irqchip.SPLIT),
                new Setup("kvm", EntryFormat.EPT, MachineConfig.Irqchip.SPLIT),
                new Setup("kvm", EntryFormat.EPT, MachineConfig.Irqchip.KERNEL));
    }

    private final ByteArrayOutputStream console = new ByteArrayOutputStream();

    private MachineConfig config(Setup setup, Asm program) {
        Engine engine = Engines.all().stream()
                .filter(e -> e.name().equals(setup.engine))
                .findAny()
                .orElseThrow();
        String reason = engine.unavailableBecause();
        Assumptions.assumeTrue(reason == null, "engine " + setup.engine + " is not available: " + reason);
        CpuState start = new CpuState();
        for (int s = CpuState.ES; s <= CpuState.GS; s++) start.selector[s] = 0;
        start.base[CpuState.CS] = 0;
        start.rip = CODE;
        start.gpr[CpuState.RSP] = CODE;
        return MachineConfig.flat("guest", engine, CODE, program.assemble(), start)
                .withMemory(4 << 20)
                .withFormat(setup.format)
                .withIrqchip(setup.irqchip)
                .withDebugExit(true)
                .withConsole(console);
    }

    private Outcome run(Setup setup, Asm program) throws Exception {
        try (Machine machine = Machine.create(config(setup, program))) {
            return machine.run();
        }
    }

    private static Asm program() {
        return new Asm(CODE);
    }

    private static Asm out8(Asm a, int port, int value) {
        return a.mov(DX, port).mov(AL, value).out(DX, AL);
    }

    private static Asm powerOff(Asm a) {
        Label forever = a.mov(DX, Layout.ACPI_PM + 4)
                .mov(AX, 5 << 10 | 1 << 13)
                .out(DX, AX)
                .here();
        return a.jmp(forever);
    }

    /** Ends with what is counted at COUNT. */
    private static Asm exitWithCount(Asm a) {
        Label forever =
                a.mov(AL, abs(COUNT)).mov(DX, Layout.DEBUG_EXIT).out(DX, AL).here();
        return a.jmp(forever);
    }

    /** Vectors 20h and 28h; everything masked but the given lines. */
    private static Asm setUpPics(Asm a, int unmasked) {
        int[][] writes = {
            {0x20, 0x11},
            {0xa0, 0x11},
            {0x21, 0x20},
            {0xa1, 0x28},
            {0x21, 4},
            {0xa1, 2},
            {0x21, 1},
            {0xa1, 1},
            {0x21, ~unmasked & 0xff},
            {0xa1, ~unmasked >> 8 & 0xff}
        };
        for (int[] write : writes) out8(a, write[0], write[1]);
        return a;
    }

    private static Asm setVector(Asm a, int vector, Label handler) {
        return a.mov(AX, handler).mov(abs(4 * vector), AX).xor(AX, AX).mov(abs(4 * vector + 2), AX);
    }

    @ParameterizedTest
    @MethodSource("setups")
    void printsAndPowersOff(Setup setup) throws Exception {
        Asm a = program();
        for (char c : "Hi".toCharArray()) out8(a, Layout.COM1, c);
        assertEquals(Outcome.Kind.POWERED_OFF, run(setup, powerOff(a)).kind());
        assertEquals("Hi", console.toString());
    }

    /** String instructions on ports. */
    @ParameterizedTest
    @MethodSource("setups")
    void p41_stringsOnPorts(Setup setup) throws Exception {
        Asm a = program();
        Label text = a.label();
        a.cld().mov(SI, text).mov(CX, 5).mov(DX, Layout.COM1).rep().outsb();
        a.mov(DX, Layout.FW_CFG).xor(AX, AX).out(DX, AX);
        a.mov(DX, Layout.FW_CFG + 1).mov(DI, 0x800).mov(CX, 4).rep().insb();
        a.mov(SI, 0x800).mov(CX, 4).mov(DX, Layout.COM1).rep().outsb();
        powerOff(a).bind(text).ascii("text ");
        assertEquals(Outcome.Kind.POWERED_OFF, run(setup, a).kind());
        assertEquals("text QEMU", console.toString());
    }

    /** As a real-mode kernel finds the extended BIOS data area, and the size of memory below it. */
    @ParameterizedTest
    @MethodSource("setups")
    void biosData(Setup setup) throws Exception {
        Asm a = program()
                .mov(AX, abs(0x40e))
                .mov(DS, AX)
                .mov(AL, abs(0))
                .mov(DX, Layout.COM1)
                .out(DX, AL);
        a.xor(AX, AX).mov(DS, AX).mov(AX, abs(0x413)).out(DX, AL).mov(AL, AH).out(DX, AL);
        assertEquals(Outcome.Kind.POWERED_OFF, run(setup, powerOff(a)).kind());
        assertThat(console.toByteArray()).containsExactly(1, 639 & 0xff, 639 >> 8);
    }

    /**
     * The test device's line 5 interrupts; the page that it takes away is as it was; its register is a port like others
     * for string instructions.
     */
    @ParameterizedTest
    @MethodSource("setups")
    void testDevice(Setup setup) throws Exception {
        Asm a = program();
        Label handler = a.label(), wait = a.label();
        setUpPics(a, 1 << 5);
        setVector(a, 0x25, handler);
        a.mov(AL, 0).mov(abs(COUNT), AL).mov(AX, 0x1234).mov(abs(0x2000), AX);
        a.mov(EAX, 0x2000).out(0xe4, EAX).mov(AX, abs(0x2000)).mov(DX, 0xe0).out(DX, AX);
        a.mov(DI, 0x800)
                .mov(CX, 2)
                .cld()
                .rep()
                .insb()
                .mov(AL, abs(0x801))
                .mov(DX, Layout.COM1)
                .out(DX, AL);
        a.mov(DX, Layout.TEST_LINES + 5).mov(AL, 1).out(DX, AL);
        a.sti().bind(wait).hlt().mov(AL, abs(COUNT)).cmp(AL, 1).jb(wait);
        exitWithCount(a);
        a.bind(handler).push(AX).push(DX).mov(AL, abs(COUNT)).inc(AL).mov(abs(COUNT), AL);
        a.mov(DX, Layout.TEST_LINES + 5)
                .mov(AL, 0)
                .out(DX, AL)
                .mov(AL, 0x20)
                .out(0x20, AL)
                .pop(DX)
                .pop(AX)
                .iretw();
        try (Machine machine = Machine.create(config(setup, a).withTestDevice(true))) {
            assertEquals(1 << 1 | 1, machine.run().status());
        }
        assertThat(console.toByteArray()).containsExactly(0x34);
    }

    /** Ten ticks of the 8254 through the 8259, each out of HLT. */
    @ParameterizedTest
    @MethodSource("setups")
    void timerInterrupts(Setup setup) throws Exception {
        Asm a = program();
        Label handler = a.label(), wait = a.label();
        setUpPics(a, 1 << Layout.TIMER_IRQ);
        setVector(a, 0x20, handler);
        a.mov(AL, 0).mov(abs(COUNT), AL);
        out8(a, 0x43, 0x34);
        out8(a, 0x40, 0xa9);
        out8(a, 0x40, 0x04); // 1193 ticks: a millisecond
        a.sti().bind(wait).hlt().mov(AL, abs(COUNT)).cmp(AL, 10).jb(wait);
        exitWithCount(a);
        a.bind(handler)
                .push(AX)
                .mov(AL, abs(COUNT))
                .inc(AL)
                .mov(abs(COUNT), AL)
                .mov(AL, 0x20)
                .out(0x20, AL)
                .pop(AX)
                .iretw();
        Outcome outcome = run(setup, a);
        assertEquals(Outcome.Kind.DEBUG_EXIT, outcome.kind(), outcome.detail());
        assertThat(outcome.status())
                .as("ten, or more where the guest was held up")
                .isGreaterThanOrEqualTo(10 << 1 | 1);
    }

    /** The clock chip's periodic interrupt, on the slave. */
    @ParameterizedTest
    @MethodSource("setups")
    void clockInterrupts(Setup setup) throws Exception {
        Asm a = program();
        Label handler = a.label(), wait = a.label();
        setUpPics(a, 1 << Layout.RTC_IRQ | 1 << 2);
        setVector(a, 0x28, handler);
        a.mov(AL, 0).mov(abs(COUNT), AL);
        out8(a, 0x70, 0x0b);
        out8(a, 0x71, 0x42);
        a.sti().bind(wait).hlt().mov(AL, abs(COUNT)).cmp(AL, 5).jb(wait);
        exitWithCount(a);
        a.bind(handler)
                .push(AX)
                .mov(AL, 0x0c)
                .out(0x70, AL)
                .in(AL, 0x71)
                .mov(AL, abs(COUNT))
                .inc(AL)
                .mov(abs(COUNT), AL);
        a.mov(AL, 0x20).out(0xa0, AL).out(0x20, AL).pop(AX).iretw();
        Outcome outcome = run(setup, a);
        assertEquals(Outcome.Kind.DEBUG_EXIT, outcome.kind(), outcome.detail());
        assertThat(outcome.status())
                .as("five, or more where the guest was held up")
                .isGreaterThanOrEqualTo(5 << 1 | 1);
    }

    /** Each byte typed interrupts, is read and sent back; q ends. */
    @ParameterizedTest
    @MethodSource("setups")
    void serialPortByInterrupts(Setup setup) throws Exception {
        Asm a = program();
        Label handler = a.label(), wait = a.label(), done = a.label();
        setUpPics(a, 1 << Layout.COM1_IRQ);
        setVector(a, 0x24, handler);
        a.mov(AL, 0).mov(abs(COUNT), AL);
        out8(a, Layout.COM1 + 4, 0x0b);
        out8(a, Layout.COM1 + 1, 0x01);
        a.sti().bind(wait).hlt().mov(AL, abs(COUNT)).cmp(AL, 'q').jne(wait);
        powerOff(a);
        a.bind(handler).push(AX).push(DX);
        Label more = a.here();
        a.mov(DX, Layout.COM1 + 5).in(AL, DX).test(AL, 1).jz(done);
        a.mov(DX, Layout.COM1).in(AL, DX).out(DX, AL).mov(abs(COUNT), AL).jmp(more);
        a.bind(done).mov(AL, 0x20).out(0x20, AL).pop(DX).pop(AX).iretw();
        byte[] typed = ("typed before and after".repeat(20) + "q").getBytes(StandardCharsets.US_ASCII);
        try (Machine machine = Machine.create(config(setup, a))) {
            machine.type(typed, 0, 100);
            machine.start();
            machine.type(typed, 100, typed.length - 100);
            assertEquals(Outcome.Kind.POWERED_OFF, machine.await().kind());
        }
        assertEquals(new String(typed, StandardCharsets.US_ASCII), console.toString());
    }

    @ParameterizedTest
    @MethodSource("setups")
    void p26_haltsForever(Setup setup) throws Exception {
        assertEquals(
                Outcome.Kind.HALTED_FOREVER, run(setup, program().cli().hlt()).kind());
    }

    @ParameterizedTest
    @MethodSource("setups")
    void tripleFaultIsAReset(Setup setup) throws Exception {
        boolean pvm = setup.engine.equals("kvm") && Files.isDirectory(Path.of("/sys/module/kvm_pvm"));
        Assumptions.assumeFalse(
                pvm, "kvm_pvm interprets real mode, and there it does not check the limit of the interrupt table");
        Asm a = program();
        a.lidt(abs(0x600)).int3(); // memory is zero: a table without an entry
        Outcome outcome = run(setup, a);
        assertEquals(Outcome.Kind.RESET, outcome.kind());
        assertThat(outcome.detail()).contains("triple fault");
    }

    @ParameterizedTest
    @MethodSource("setups")
    void p21_stopsWhileItSpins(Setup setup) throws Exception {
        Asm a = out8(program(), Layout.DEBUG_CONSOLE, '.');
        Label forever = a.here();
        a.cli().jmp(forever);
        Object started = new Object();
        boolean[] seen = new boolean[1];
        MachineConfig config = config(setup, a).withDebugConsole(new OutputStream() {
            @Override
            public void write(int b) {
                synchronized (started) {
                    seen[0] = true;
                    started.notifyAll();
                }
            }
        });
        try (Machine machine = Machine.create(config)) {
            machine.start();
            synchronized (started) {
                while (!seen[0]) started.wait();
            }
            long before = System.nanoTime();
            machine.stop();
            assertEquals(Outcome.Kind.STOPPED, machine.await().kind());
            assertThat(System.nanoTime() - before).isLessThan(5_000_000_000L);
        }
    }

    /** The same guest, twice, in instruction time: the same interrupts at the same instructions. */
    @ParameterizedTest
    @MethodSource("setups")
    void instructionTimeRepeats(Setup setup) throws Exception {
        Assumptions.assumeTrue(setup.engine.equals("soft"), "only the soft engine counts instructions");
        Asm a = program();
        Label handler = a.label(), wait = a.label();
        setUpPics(a, 1 << Layout.TIMER_IRQ);
        setVector(a, 0x20, handler);
        a.xor(ECX, ECX).mov(AL, 0).mov(abs(COUNT), AL);
        out8(a, 0x43, 0x34);
        out8(a, 0x40, 100);
        out8(a, 0x40, 0);
        a.sti().bind(wait).inc(ECX).mov(AL, abs(COUNT)).cmp(AL, 50).jb(wait);
        for (int i = 0; i < 4; i++)
            a.mov(EAX, ECX).shr(EAX, 8 * i).mov(DX, Layout.COM1).out(DX, AL);
        exitWithCount(a);
        a.bind(handler)
                .push(AX)
                .mov(AL, abs(COUNT))
                .inc(AL)
                .mov(abs(COUNT), AL)
                .mov(AL, 0x20)
                .out(0x20, AL)
                .pop(AX)
                .iretw();
        long[] counts = new long[2];
        for (int i = 0; i < 2; i++) {
            try (Machine machine = Machine.create(config(setup, a).withInstructionTime(Instant.EPOCH))) {
                assertEquals(101, machine.run().status());
                counts[i] = machine.counters().instructions();
            }
        }
        assertEquals(counts[0], counts[1]);
        byte[] printed = console.toByteArray();
        assertEquals(8, printed.length);
        for (int i = 0; i < 4; i++) assertEquals(printed[i], printed[4 + i]);
    }
}
