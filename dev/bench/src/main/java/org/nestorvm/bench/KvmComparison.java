package org.nestorvm.bench;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.ServiceLoader;
import org.nestorvm.memory.sys.Descriptors;
import org.nestorvm.memory.sys.Events;
import org.nestorvm.vmm.CpuState;
import org.nestorvm.vmm.Engine;
import org.nestorvm.vmm.EngineOptions;
import org.nestorvm.vmm.EventWiring;
import org.nestorvm.vmm.GuestBus;
import org.nestorvm.vmm.HostClock;
import org.nestorvm.vmm.InterruptController;
import org.nestorvm.vmm.MemoryMap;
import org.nestorvm.vmm.MemoryRange;
import org.nestorvm.vmm.VirtualMachine;
import org.nestorvm.vmm.VmConfig;
import org.nestorvm.vmm.Vmm;

/**
 * Nestor on KVM beside a C program that makes the same calls (dev/bench/src/main/c/kvm-peer.c), by turns in one run: a
 * machine made, its first instruction run and closed; exits for port and memory-mapped writes; an eventfd's way to an
 * interrupt handler. Prints tenth percentile and median over all rounds: on a shared machine the first says more.
 * Target: at most 1.2 times the C program.
 */
public final class KvmComparison {
    private static final int ROUNDS = 7, CREATIONS = 40, BATCHES = 100, BATCH = 100, INTERRUPTS = 300;
    private static final int CODE = 0x1000, HANDLER = 0x2000, GDT = 0x5000, IDT = 0x6000, PML4 = 0x10000;
    private static final long APIC = 0xfee00000L, DEVICE = 0xd0000000L;
    private static final int VECTOR = 0x30;
    /** out 80h, al; jmp again. mov [rdi], al; jmp again. */
    private static final String PORT_LOOP = "e680ebfc", MMIO_LOOP = "8807ebfc";
    /** Enables the local APIC, says so, halts. The handler says so and ends the interrupt. */
    private static final String WAIT = "c783f0000000ff010000e601fbf4ebfd", REPORT = "e630c783b00000000000000048cf";

    private final Engine engine = ServiceLoader.load(Engine.class).stream()
            .map(ServiceLoader.Provider::get)
            .filter(e -> e.name().equals("kvm"))
            .findAny()
            .orElseThrow();
    private final Path peer;
    private final HostClock clock = new HostClock();

    private KvmComparison(Path peer) {
        this.peer = peer;
    }

    private interface Measure {
        long[] samples() throws Exception;
    }

    /** Counts, and kicks the processor at a limit. */
    private static final class CountingBus implements GuestBus {
        volatile long writes;
        long limit = Long.MAX_VALUE;
        Runnable atLimit = () -> {};

        @Override
        public int portRead(int port, int size) {
            return -1;
        }

        @Override
        public void portWrite(int port, int size, int value) {
            count();
        }

        @Override
        public long mmioRead(long gpa, int size) {
            return -1;
        }

        @Override
        public void mmioWrite(long gpa, int size, long value) {
            count();
        }

        private void count() {
            long now = writes + 1;
            writes = now; // one writer, the processor's thread
            if (now == limit) atLimit.run();
        }
    }

    public static void main(String[] arguments) throws Exception {
        Path directory = Files.createTempDirectory("nestor-bench");
        Path peer = directory.resolve("kvm-peer");
        Process compile = new ProcessBuilder(
                        "cc", "-O2", "-pthread", "-o", peer.toString(), "dev/bench/src/main/c/kvm-peer.c")
                .inheritIO()
                .start();
        if (compile.waitFor() != 0) throw new IOException("the C program cannot be compiled");
        try {
            new KvmComparison(peer).run();
        } finally {
            Files.delete(peer);
            Files.delete(directory);
        }
    }

    private void run() throws Exception {
        String reason = engine.unavailableBecause();
        if (reason != null) {
            System.out.println("skipped, no KVM: " + reason);
            return;
        }
        for (int i = 0; i < 2000; i++) createRunClose(); // compiled before it is measured
        for (int i = 0; i < 10; i++) {
            exits(PORT_LOOP);
            exits(MMIO_LOOP);
        }
        System.out.printf(
                "%-34s %12s %12s %7s %12s %12s %7s%n",
                "ns", "Nestor p10", "C p10", "ratio", "Nestor p50", "C p50", "ratio");
        compare("create, first instruction, close", this::createRunCloses, "create", CREATIONS);
        compare("port write that leaves the guest", () -> exits(PORT_LOOP), "port", BATCHES);
        compare("MMIO write that leaves the guest", () -> exits(MMIO_LOOP), "mmio", BATCHES);
        compare("irqfd to handler to other thread", this::interrupts, "irqfd", INTERRUPTS);
        System.out.println("C, by interrupt controller and order: creation p10, p50, close p10, p50, ns");
        System.out.print(peer("order", CREATIONS));
        clock.close();
    }

    private void compare(String what, Measure ours, String theirs, int argument) throws Exception {
        double[][] figures = new double[4][ROUNDS]; // ours p10, theirs p10, ours p50, theirs p50
        for (int round = 0; round < ROUNDS; round++) {
            long[] samples = ours.samples();
            Arrays.sort(samples);
            figures[0][round] = samples[samples.length / 10];
            figures[2][round] = samples[samples.length / 2];
            String[] words = peer(theirs, argument).trim().split(" ");
            figures[1][round] = Double.parseDouble(words[0]);
            figures[3][round] = Double.parseDouble(words[1]);
        }
        for (double[] figure : figures) Arrays.sort(figure);
        double a = figures[0][0], b = figures[1][0], c = figures[2][ROUNDS / 2], d = figures[3][ROUNDS / 2];
        System.out.printf("%-34s %12.0f %12.0f %7.2f %12.0f %12.0f %7.2f%n", what, a, b, a / b, c, d, c / d);
    }

    private String peer(String measure, int argument) throws IOException {
        Process process = new ProcessBuilder(peer.toString(), measure, Integer.toString(argument))
                .redirectError(ProcessBuilder.Redirect.INHERIT)
                .start();
        return new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    }

    private VirtualMachine create(String code) throws IOException {
        VmConfig config = VmConfig.of("bench", MemoryMap.of(new MemoryRange(0, 16 << 20, MemoryRange.Type.RAM)))
                .withEngine(
                        engine,
                        new EngineOptions(EngineOptions.Interrupts.LOCAL_APIC, InterruptController.NONE, clock));
        VirtualMachine vm = new Vmm().create(config);
        load(vm, CODE, code);
        identityMap(vm);
        vm.vcpu(0).writeState(start());
        return vm;
    }

    private static void load(VirtualMachine vm, long gpa, String hex) {
        byte[] bytes = HexFormat.of().parseHex(hex);
        vm.memory().write(gpa, bytes, 0, bytes.length);
    }

    private static void identityMap(VirtualMachine vm) {
        int pdpt = PML4 + 0x1000, directory = pdpt + 0x1000;
        vm.memory().putLong(PML4, pdpt | 7);
        for (int i = 0; i < 4; i++) vm.memory().putLong(pdpt + 8L * i, directory + i * 0x1000L | 7);
        for (int i = 0; i < 2048; i++) vm.memory().putLong(directory + 8L * i, (long) i << 21 | 0x87);
    }

    private static CpuState start() {
        CpuState state = new CpuState();
        for (int s = CpuState.ES; s <= CpuState.GS; s++) {
            state.selector[s] = s == CpuState.CS ? 8 : 16;
            state.base[s] = 0;
            state.limit[s] = -1;
            state.access[s] = s == CpuState.CS ? 0xa09b : 0xc093;
        }
        state.rip = CODE;
        state.gpr[CpuState.RSP] = 0x8000;
        state.gpr[CpuState.RBX] = APIC;
        state.gpr[CpuState.RDI] = DEVICE;
        state.gdtrBase = GDT;
        state.gdtrLimit = 0x17;
        state.idtrBase = IDT;
        state.idtrLimit = 0xfff;
        state.cr3 = PML4;
        state.cr4 = 0x20;
        state.efer = 0x500;
        state.cr0 = 0x80000011L;
        return state;
    }

    private long createRunClose() throws IOException {
        long before = System.nanoTime();
        CountingBus bus = new CountingBus();
        try (VirtualMachine vm = create(PORT_LOOP)) {
            bus.limit = 1;
            bus.atLimit = () -> vm.vcpu(0).kick();
            vm.vcpu(0).run(bus);
        }
        return System.nanoTime() - before;
    }

    private long[] createRunCloses() throws IOException {
        long[] times = new long[CREATIONS];
        for (int i = 0; i < CREATIONS; i++) times[i] = createRunClose();
        return times;
    }

    /** The time is taken in the bus, as it is between two entries in the C program. */
    private long[] exits(String loop) throws IOException {
        try (VirtualMachine vm = create(loop)) {
            long[] at = new long[BATCHES + 2];
            CountingBus bus = new CountingBus();
            int[] batch = {0};
            bus.limit = BATCH;
            bus.atLimit = () -> {
                at[batch[0]++] = System.nanoTime();
                bus.limit += BATCH;
                if (batch[0] == at.length) vm.vcpu(0).kick();
            };
            vm.vcpu(0).run(bus);
            long[] each = new long[BATCHES];
            for (int i = 0; i < BATCHES; i++) each[i] = (at[i + 2] - at[i + 1]) / BATCH;
            return each;
        }
    }

    private long[] interrupts() throws Exception {
        int eventfd = Events.eventfd("bench", 0, Events.EFD_NONBLOCK);
        try (VirtualMachine vm = create(WAIT)) {
            load(vm, GDT + 8, "ffff0000009baf00ffff00000093cf00");
            load(vm, IDT + 16 * VECTOR, "00200800008e00000000000000000000");
            load(vm, HANDLER, REPORT);
            CountingBus bus = new CountingBus();
            EventWiring wiring = (EventWiring) vm.engine();
            wiring.connectInterrupt(eventfd, wiring.addMessage(APIC, VECTOR));
            Thread processor = Thread.ofPlatform().start(() -> vm.vcpu(0).run(bus));
            while (bus.writes == 0) Thread.onSpinWait();
            long[] times = new long[INTERRUPTS];
            for (int i = 0; i < INTERRUPTS; i++) times[i] = interrupt(eventfd, bus);
            vm.vcpu(0).kick();
            processor.join();
            return times;
        } finally {
            Descriptors.close(eventfd);
        }
    }

    private static long interrupt(int eventfd, CountingBus bus) {
        long seen = bus.writes, before = System.nanoTime();
        Events.trySignal(eventfd, 1);
        while (bus.writes == seen) Thread.onSpinWait();
        return System.nanoTime() - before;
    }
}
