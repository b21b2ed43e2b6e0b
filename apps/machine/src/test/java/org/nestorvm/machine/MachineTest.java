package org.nestorvm.machine;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.FutureTask;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.nestorvm.memory.MemoryObject;
import org.nestorvm.virtio.console.ConsoleOptions;
import org.nestorvm.vmm.CpuState;
import org.nestorvm.vmm.Exit;
import org.nestorvm.vmm.GuestBus;
import org.nestorvm.vmm.VmRefusedException;

/**
 * A machine with an engine whose guest is Java: what the board, the threads and the outcomes do, without a processor.
 */
@Timeout(60)
class MachineTest {
    private static final long MEMORY = 16 << 20;
    private int liveObjects;

    @BeforeEach
    void count() {
        liveObjects = MemoryObject.liveCount();
    }

    @AfterEach
    void nothingIsLeft() {
        assertEquals(liveObjects, MemoryObject.liveCount());
        assertThat(Thread.getAllStackTraces().keySet())
                .noneMatch(t -> t.isAlive()
                        && (t.getName().endsWith("-mt") || t.getName().equals("vm-timers")));
    }

    private static MachineConfig config(ScriptedEngine.Guest guest) {
        return config(new ScriptedEngine(guest));
    }

    private static MachineConfig config(ScriptedEngine engine) {
        return MachineConfig.flat("mt", engine, 0x1000, new byte[] {(byte) 0xf4}, new CpuState())
                .withMemory(MEMORY);
    }

    private static Outcome run(MachineConfig config) throws Exception {
        try (Machine machine = Machine.create(config)) {
            return machine.run();
        }
    }

    /** A guest that writes a port once and then spins. */
    private static Outcome afterWrite(int port, int size, int value) throws Exception {
        return run(config((cpu, bus) -> {
                    bus.portWrite(port, size, value);
                    return cpu.spin();
                })
                .withDebugExit(true));
    }

    @Test
    void powerOff() throws Exception {
        assertEquals(
                Outcome.Kind.POWERED_OFF,
                afterWrite(Layout.ACPI_PM + 4, 2, 5 << 10 | 1 << 13).kind());
    }

    /** Only power-off is in the tables: a sleep that would need a way to wake up does not begin. */
    @Test
    void otherSleepStatesAreNotEntered() throws Exception {
        ScriptedEngine.Guest guest = (cpu, bus) -> {
            for (int type = 0; type < 8; type++)
                if (type != Layout.SLEEP_TYPE_OFF) bus.portWrite(Layout.ACPI_PM + 4, 2, type << 10 | 1 << 13);
            bus.portWrite(0xcf9, 1, 6);
            return cpu.spin();
        };
        assertEquals(Outcome.Kind.RESET, run(config(guest)).kind());
    }

    @Test
    void everyWayToReset() throws Exception {
        assertEquals(
                "guest reset by the keyboard controller",
                afterWrite(0x64, 1, 0xfe).detail());
        assertEquals(
                "guest reset by the reset control register",
                afterWrite(0xcf9, 1, 0x06).detail());
        assertEquals(Outcome.Kind.RESET, afterWrite(0x92, 1, 1).kind());
        Outcome tripleFault = run(config((cpu, bus) -> new Exit.Shutdown()));
        assertEquals(new Outcome(Outcome.Kind.RESET, 0, "triple fault on virtual CPU 0"), tripleFault);
    }

    @Test
    void debugExit() throws Exception {
        Outcome outcome = afterWrite(0xf4, 1, 0x31);
        assertEquals(Outcome.Kind.DEBUG_EXIT, outcome.kind());
        assertEquals(0x63, outcome.status());
    }

    @Test
    void noDebugExitUnlessAskedFor() throws Exception {
        ScriptedEngine.Guest guest = (cpu, bus) -> {
            bus.portWrite(0xf4, 1, 1);
            bus.portWrite(0xcf9, 1, 6);
            return cpu.spin();
        };
        assertEquals(Outcome.Kind.RESET, run(config(guest)).kind());
    }

    @Test
    void panicIsAnEndOfItsOwnUnlessItIsIgnored() throws Exception {
        assertEquals(Outcome.Kind.PANICKED, afterWrite(Layout.PANIC, 1, 1).kind());
        ScriptedEngine.Guest guest = (cpu, bus) -> {
            bus.portWrite(Layout.PANIC, 1, bus.portRead(Layout.PANIC, 1) & 2); // a crash kernel will write the dump
            bus.portWrite(Layout.PANIC, 1, 1);
            bus.portWrite(0xcf9, 1, 6);
            return cpu.spin();
        };
        assertEquals(Outcome.Kind.RESET, run(config(guest).withPanicEnds(false)).kind());
    }

    /** What a real-mode kernel reads before anything else, though no BIOS has run. */
    @Test
    void biosDataAreThereWithoutABios() throws Exception {
        MachineConfig noon =
                config((cpu, bus) -> cpu.spin()).withInstructionTime(Instant.parse("2025-01-01T12:00:00Z"));
        try (Machine machine = Machine.create(noon)) {
            byte[] bios = new byte[0x100], first = new byte[2];
            machine.vm().memory().read(0x400, bios, 0, bios.length);
            assertEquals(0x9fc0, (bios[0x0e] & 0xff) | (bios[0x0f] & 0xff) << 8);
            assertEquals(639, (bios[0x13] & 0xff) | (bios[0x14] & 0xff) << 8);
            assertEquals(Layout.COM1, (bios[0] & 0xff) | (bios[1] & 0xff) << 8);
            assertEquals(
                    0xc0058,
                    ByteBuffer.wrap(bios).order(ByteOrder.LITTLE_ENDIAN).getInt(0x6c));
            machine.vm().memory().read(0x9fc00, first, 0, 2);
            assertArrayEquals(new byte[] {1, 0}, first);
        }
    }

    @Test
    void testDeviceIsThereWhenAskedFor() throws Exception {
        int[] seen = new int[3];
        ScriptedEngine.Guest guest = (cpu, bus) -> {
            bus.portWrite(0xe0, 4, 0x12345678);
            bus.portWrite(0xe4, 4, 0x1000);
            bus.portWrite(0x2000 + 5, 1, 1);
            bus.mmioWrite(0xff001234L, 4, 0x77);
            seen[0] = bus.portRead(0xe8, 4);
            seen[1] = (int) bus.mmioRead(0xff001234L, 4);
            seen[2] = bus.portRead(0x20, 1);
            return new Exit.Shutdown();
        };
        run(config(guest).withTestDevice(true));
        assertArrayEquals(new int[] {0x12345678, 0x77, 1 << 5}, seen);
        run(config(guest));
        assertArrayEquals(new int[] {0xffffe9ff, -1, 0}, seen, "nothing but the debug console at E9h");
    }

    /** {@code console=ttyS0} beside a virtio console. */
    @Test
    void serialPortIsTypedOnWhereTheGuestHasItsConsoleThere() throws Exception {
        ByteArrayOutputStream echoed = new ByteArrayOutputStream();
        MachineConfig config = config((cpu, bus) -> {
                    if ((bus.portRead(Layout.COM1 + 5, 1) & 1) == 0) return new Exit.Interrupted();
                    bus.portWrite(Layout.COM1, 1, bus.portRead(Layout.COM1, 1));
                    return new Exit.Shutdown();
                })
                .withConsole(echoed)
                .withDevice(Devices.console("console", ConsoleOptions.parse("on")));
        try (Machine machine = Machine.create(config)) {
            machine.typeOnSerialPort();
            machine.start();
            assertTrue(machine.type(new byte[] {'x'}, 0, 1));
            machine.await();
        }
        assertEquals("x", echoed.toString());
    }

    @Test
    void p26_haltWithInterruptsDisabled() throws Exception {
        Outcome outcome = run(config((cpu, bus) -> new Exit.HaltForever()));
        assertEquals(new Outcome(Outcome.Kind.HALTED_FOREVER, 0, "guest halted with interrupts disabled"), outcome);
    }

    @Test
    void halvesOfAMachineHalt() throws Exception {
        // One processor halts for good, the other goes on for a while; the third was never started.
        ScriptedEngine engine = new ScriptedEngine((cpu, bus) -> switch (cpu.index) {
            case 0 -> new Exit.HaltForever();
            case 1 -> {
                cpu.state.waitForSipi = false; // somebody has started it
                if (bus.portRead(Layout.ACPI_PM + 8, 4) < 3_579_545 / 10) yield cpu.spin();
                yield new Exit.HaltForever();
            }
            default -> cpu.spin();
        });
        try (Machine machine = Machine.create(config(engine).withCpus(3))) {
            assertTrue(engine.vcpus.get(2).written.waitForSipi);
            assertEquals(Outcome.Kind.HALTED_FOREVER, machine.run().kind());
            assertThat(machine.clock().nowNs()).isGreaterThan(100_000_000);
        }
    }

    @Test
    void aProcessorThatIsWokenAgainDoesNotCount() throws Exception {
        ScriptedEngine engine = new ScriptedEngine((cpu, bus) -> {
            if (cpu.index == 0 && bus.portRead(Layout.ACPI_PM + 8, 4) > 3_579_545 / 5) bus.portWrite(0xcf9, 1, 6);
            return cpu.index == 1 ? new Exit.HaltForever() : cpu.spin();
        });
        assertEquals(Outcome.Kind.RESET, run(config(engine).withCpus(2)).kind());
    }

    @Test
    void whatTheEngineCannotDoIsAFailureWithAReason() throws Exception {
        assertThat(run(config((cpu, bus) -> new Exit.InternalError(3, "bytes 0f ff")))
                        .detail())
                .contains("virtual CPU 0")
                .contains("0f ff");
        assertThat(run(config((cpu, bus) -> new Exit.FailEntry(0x80000021L))).detail())
                .contains("0x80000021");
        Outcome unknown = run(config((cpu, bus) -> new Exit.Unknown(77)));
        assertEquals(Outcome.Kind.FAILED, unknown.kind());
        assertThat(unknown.detail()).contains("0x4d");
    }

    @Test
    void anEngineThatThrowsEndsTheMachineOnly() throws Exception {
        Outcome outcome = run(config((cpu, bus) -> {
            throw new IllegalStateException("no such state");
        }));
        assertEquals(Outcome.Kind.FAILED, outcome.kind());
        assertThat(outcome.detail()).contains("no such state");
    }

    @Test
    @Timeout(10)
    void p21_stopOfASpinningGuest() throws Exception {
        CountDownLatch inside = new CountDownLatch(1);
        try (Machine machine = Machine.create(config((cpu, bus) -> {
            inside.countDown();
            return cpu.spin();
        }))) {
            machine.start();
            inside.await();
            assertNull(machine.outcome());
            machine.stop();
            assertEquals(Outcome.Kind.STOPPED, machine.await().kind());
            assertThat(machine.counters().exits()).containsEntry(ExitKind.INTERRUPTED, 1L);
        }
    }

    @Test
    @Timeout(10)
    void closeStopsARunningGuest() throws Exception {
        Machine machine = Machine.create(config((cpu, bus) -> cpu.spin()));
        machine.start();
        machine.close();
        assertEquals(Outcome.Kind.STOPPED, machine.outcome().kind());
    }

    @Test
    void aMachineThatNeverRanCloses() throws Exception {
        Machine.create(config((cpu, bus) -> cpu.spin())).close();
    }

    @Test
    void aMachineRunsOnce() throws Exception {
        try (Machine machine = Machine.create(config((cpu, bus) -> new Exit.Shutdown()))) {
            machine.run();
            assertThatThrownBy(machine::start).isInstanceOf(IllegalStateException.class);
        }
    }

    @Test
    void whatTheGuestPrintsIsThereAtTheEnd() throws Exception {
        ByteArrayOutputStream console = new ByteArrayOutputStream(), debug = new ByteArrayOutputStream();
        byte[] text = "x".repeat(100_000).getBytes(StandardCharsets.US_ASCII);
        run(config((cpu, bus) -> {
                    for (byte b : text) bus.portWrite(Layout.COM1, 1, b);
                    bus.portWrite(0xe9, 1, 'd');
                    return new Exit.Shutdown();
                })
                .withConsole(console)
                .withDebugConsole(debug));
        assertArrayEquals(text, console.toByteArray());
        assertEquals("d", debug.toString());
    }

    /** A reader that never comes holds the guest back, and does not keep the machine from stopping. */
    @Test
    @Timeout(20)
    void p21_stopWhileNobodyReadsTheConsole() throws Exception {
        CountDownLatch full = new CountDownLatch(1);
        OutputStream stuck = new OutputStream() {
            @Override
            public void write(int b) throws IOException {
                full.countDown();
                try {
                    Thread.sleep(Long.MAX_VALUE);
                } catch (InterruptedException e) {
                    throw new IOException(e);
                }
            }
        };
        try (Machine machine = Machine.create(config((cpu, bus) -> {
                    for (int i = 0; i < 1_000_000; i++) bus.portWrite(Layout.COM1, 1, 'x');
                    return new Exit.Shutdown();
                })
                .withConsole(stuck))) {
            machine.start();
            full.await();
            machine.stop();
            assertEquals(Outcome.Kind.STOPPED, machine.await().kind());
        }
    }

    @Test
    void aBrokenConsoleDoesNotStopTheGuest() throws Exception {
        OutputStream broken = new OutputStream() {
            @Override
            public void write(int b) throws IOException {
                throw new IOException("pipe closed");
            }
        };
        assertEquals(
                Outcome.Kind.RESET,
                run(config((cpu, bus) -> {
                                    for (int i = 0; i < 200_000; i++) bus.portWrite(Layout.COM1, 1, 'x');
                                    return new Exit.Shutdown();
                                })
                                .withConsole(broken))
                        .kind());
    }

    @Test
    @Timeout(20)
    void whatIsTypedReachesTheGuest() throws Exception {
        byte[] typed = "0123456789".repeat(1000).getBytes(StandardCharsets.US_ASCII);
        ByteArrayOutputStream echoed = new ByteArrayOutputStream();
        try (Machine machine = Machine.create(config((cpu, bus) -> {
                    bus.portWrite(Layout.COM1 + 2, 1, 1);
                    for (int i = 0; i < typed.length; i++) {
                        while ((bus.portRead(Layout.COM1 + 5, 1) & 1) == 0) Thread.onSpinWait();
                        bus.portWrite(Layout.COM1, 1, bus.portRead(Layout.COM1, 1));
                    }
                    return new Exit.Shutdown();
                })
                .withConsole(echoed))) {
            machine.start();
            machine.type(typed, 0, typed.length);
            machine.await();
        }
        assertArrayEquals(typed, echoed.toByteArray());
    }

    /** Of a guest that reads nothing and then ends, and of one that never began. */
    @Test
    @Timeout(20)
    void whoTypesIsToldThatTheGuestHasEnded() throws Exception {
        byte[] much = new byte[100_000];
        CountDownLatch typing = new CountDownLatch(1);
        for (MachineConfig config : List.of(
                config((cpu, bus) -> awaited(typing)),
                config((cpu, bus) -> awaited(typing))
                        .withDevice(Devices.console("console", ConsoleOptions.parse("cols=80,rows=25"))))) {
            FutureTask<Boolean> typist;
            try (Machine machine = Machine.create(config)) {
                typist = new FutureTask<>(() -> machine.type(much, 0, much.length));
                Thread thread = Thread.ofPlatform().start(typist);
                while (thread.getState() != Thread.State.WAITING) Thread.onSpinWait();
                machine.start();
                typing.countDown();
                assertFalse(typist.get(), "the guest has ended by itself");
                assertFalse(machine.type(much, 0, 1));
            }
            try (Machine machine = Machine.create(config)) {
                typist = new FutureTask<>(() -> machine.type(much, 0, much.length));
                Thread thread = Thread.ofPlatform().start(typist);
                while (thread.getState() != Thread.State.WAITING) Thread.onSpinWait();
            }
            assertFalse(typist.get(), "closed");
        }
    }

    private static Exit awaited(CountDownLatch latch) {
        try {
            latch.await();
        } catch (InterruptedException e) {
            throw new AssertionError(e);
        }
        return new Exit.Shutdown();
    }

    @Test
    void interruptsReachTheEngine() throws Exception {
        ScriptedEngine[] engine = new ScriptedEngine[1];
        engine[0] = new ScriptedEngine((cpu, bus) -> {
            for (int[] icw : new int[][] {{0x20, 0x11}, {0x21, 0x20}, {0x21, 4}, {0x21, 1}, {0x21, 0}})
                bus.portWrite(icw[0], 1, icw[1]);
            bus.mmioWrite(Layout.IO_APIC, 4, 0x10 + 2 * 2);
            bus.mmioWrite(Layout.IO_APIC + 0x10, 4, 0x30);
            bus.portWrite(0x43, 1, 0x30);
            bus.portWrite(0x40, 1, 100);
            bus.portWrite(0x40, 1, 0);
            while (engine[0].messages.size() < 2) Thread.onSpinWait();
            assertEquals(0x20, engine[0].options.controller().acknowledge());
            return new Exit.Shutdown();
        });
        assertEquals(Outcome.Kind.RESET, run(config(engine[0])).kind());
        assertThat(engine[0].messages).contains("INTR true", "fee00000:30");
    }

    @Test
    void theProgramTheTablesAndTheSizesAreInPlace() throws Exception {
        ScriptedEngine engine = new ScriptedEngine((cpu, bus) -> {
            if (cpu.index == 1) return cpu.spin();
            assertEquals(15 << 10, cmos(bus, 0x17), "15 MiB above the first");
            assertEquals(0, cmos(bus, 0x5b));
            bus.portWrite(0x510, 2, 5);
            assertEquals(2, bus.portRead(0x511, 1));
            assertEquals(0x0600, hostBridgeClass(bus));
            assertEquals(-1, bus.mmioRead(0xd000_0000L, 8), "unclaimed");
            assertEquals(-1, bus.portRead(0x1f0, 4));
            return new Exit.Shutdown();
        });
        CpuState start = new CpuState();
        start.rip = 0x1000;
        MachineConfig config = MachineConfig.flat("mt", engine, 0x1000, new byte[] {1, 2, 3}, start)
                .withMemory(MEMORY)
                .withCpus(2);
        try (Machine machine = Machine.create(config)) {
            assertEquals(0x0003_0201, machine.vm().memory().getInt(0x1000));
            assertEquals(start, engine.vcpus.get(0).written);
            byte[] signature = new byte[8];
            machine.vm().memory().read(Layout.ACPI_TABLES, signature, 0, 8);
            assertEquals("RSD PTR ", new String(signature, StandardCharsets.US_ASCII));
            assertEquals("3 bytes at 0x1000", machine.description());
            Outcome outcome = machine.run();
            assertEquals(Outcome.Kind.RESET, outcome.kind(), outcome.detail());
            Counters counters = machine.counters();
            assertEquals(2000, counters.instructions());
            assertEquals(1, counters.mmioReads());
            assertThat(counters.portReads()).isGreaterThanOrEqualTo(7);
        }
    }

    private static int cmos(GuestBus bus, int index) {
        bus.portWrite(0x70, 1, index);
        int low = bus.portRead(0x71, 1);
        bus.portWrite(0x70, 1, index + 1);
        return low | bus.portRead(0x71, 1) << 8;
    }

    private static int hostBridgeClass(GuestBus bus) {
        bus.portWrite(0xcf8, 4, 0x8000_0008);
        return bus.portRead(0xcfe, 2);
    }

    @Test
    void thePowerButtonIsAnInterrupt() throws Exception {
        ScriptedEngine engine = new ScriptedEngine((cpu, bus) -> {
            bus.mmioWrite(Layout.IO_APIC, 4, 0x10 + 2 * Layout.ACPI_IRQ);
            bus.mmioWrite(Layout.IO_APIC + 0x10, 4, 0x8041);
            bus.portWrite(Layout.ACPI_PM + 2, 2, 1 << 8);
            while ((bus.portRead(Layout.ACPI_PM, 2) & 1 << 8) == 0) Thread.onSpinWait();
            bus.portWrite(Layout.ACPI_PM + 4, 2, 5 << 10 | 1 << 13);
            return cpu.spin();
        });
        try (Machine machine = Machine.create(config(engine))) {
            machine.start();
            machine.pressPowerButton();
            assertEquals(Outcome.Kind.POWERED_OFF, machine.await().kind());
        }
        assertThat(engine.messages).contains("fee00000:c041");
    }

    @Test
    void failedCreationLeavesNothing() {
        ScriptedEngine engine = new ScriptedEngine((cpu, bus) -> new Exit.Shutdown());
        engine.failCreation = "out of engines";
        assertThatThrownBy(() -> Machine.create(config(engine)))
                .isInstanceOf(IOException.class)
                .hasMessage("out of engines");
        MachineConfig noProgram = MachineConfig.of("mt", engine, (memory, rsdp) -> {
            throw new IOException("no such kernel");
        });
        assertThatThrownBy(() -> Machine.create(noProgram)).hasMessage("no such kernel");
        MachineConfig outside = MachineConfig.flat(
                "mt", new ScriptedEngine((cpu, bus) -> cpu.spin()), 1L << 40, new byte[1], new CpuState());
        assertThatThrownBy(() -> Machine.create(outside)).isInstanceOf(RuntimeException.class);
    }

    @Test
    void chipsOfTheEngineNeedAnEngineThatHasThem() {
        MachineConfig soft = MachineConfig.flat(
                        "mt", Engines.named("soft"), 0x1000, new byte[] {(byte) 0xf4}, new CpuState())
                .withMemory(MEMORY)
                .withIrqchip(MachineConfig.Irqchip.KERNEL);
        assertThatThrownBy(() -> Machine.create(soft))
                .isInstanceOf(IOException.class)
                .hasMessageContaining("soft cannot run \"mt\"")
                .hasMessageContaining("use the engine kvm");
    }

    @Test
    void timeByInstructionsNeedsOneProcessor() {
        MachineConfig one = config((cpu, bus) -> new Exit.Shutdown()).withInstructionTime(Instant.EPOCH);
        assertThatThrownBy(() -> one.withCpus(2))
                .isInstanceOf(VmRefusedException.class)
                .hasMessageContaining("exactly one");
    }

    @Test
    void instructionTimeStartsAtTheGivenMoment() throws Exception {
        assertEquals(
                Outcome.Kind.RESET,
                run(config((cpu, bus) -> {
                                    bus.portWrite(0x70, 1, 9);
                                    assertEquals(0x31, bus.portRead(0x71, 1));
                                    return new Exit.Shutdown();
                                })
                                .withInstructionTime(Instant.parse("2031-05-06T07:08:09Z")))
                        .kind());
    }

    @Test
    void manyMachines() throws Exception {
        long start = System.nanoTime();
        for (int i = 0; i < 200; i++)
            assertEquals(
                    Outcome.Kind.RESET,
                    run(config((cpu, bus) -> new Exit.Shutdown())).kind());
        assertThat(System.nanoTime() - start).isLessThan(TimeUnit.SECONDS.toNanos(30));
    }
}
