package org.nestorvm.engine.tests;

import com.code_intelligence.jazzer.junit.FuzzTest;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.EnumMap;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.params.provider.MethodSource;
import org.nestorvm.engine.soft.InstructionSoup;
import org.nestorvm.memory.sys.HostMemory;
import org.nestorvm.vmm.CpuState;
import org.nestorvm.vmm.Exit;
import org.nestorvm.vmm.GuestBus;
import org.nestorvm.vmm.MemorySlot;
import org.nestorvm.vmm.Vcpu;
import org.nestorvm.vmm.VmClock;

/**
 * The fuzzer's bytes as a guest's code, in each mode, on the soft engine: never an exception of the monitor's, never an
 * exit that a guest cannot cause, never a byte outside the slots. The first bytes choose the mode, one of a few
 * processor states and the registers; the rest is code, at the end of a page, where there may be more behind it or
 * nothing. Every input meets the same machine.
 */
class ProcessorFuzzTest {
    private static final HostileMachine.Mode[] MODES = HostileMachine.Mode.values();
    private static final int HEADER_BYTES = 2 + 16,
            STATES = 16,
            MAX_CODE_BYTES = 512,
            SEEDS = 150,
            RUNS = 4,
            PATIENCE_MS = 100;
    private static final long BUDGET_NS = 3_000;
    private static final Map<HostileMachine.Mode, Guest> GUESTS = new EnumMap<>(HostileMachine.Mode.class);

    @MethodSource("seeds")
    @FuzzTest
    void code(byte[] data) throws IOException {
        if (data.length <= HEADER_BYTES) return;
        HostileMachine.Mode mode = MODES[(data[0] & 0xff) % MODES.length];
        Guest guest = GUESTS.get(mode);
        if (guest == null) GUESTS.put(mode, guest = new Guest(mode));
        guest.run(data);
    }

    /**
     * Whole pages of what the decoder's table knows, and of noise; the fuzzer starts from them, and an ordinary test
     * run takes only them.
     */
    static Stream<byte[]> seeds() {
        return IntStream.range(0, SEEDS).mapToObj(n -> {
            SplittableRandom random = new SplittableRandom(n);
            byte[] header = new byte[HEADER_BYTES], code = new byte[1 + random.nextInt(MAX_CODE_BYTES)];
            random.nextBytes(header);
            header[0] = (byte) n;
            int bits = switch (MODES[n % MODES.length]) {
                case REAL, PROTECTED16, VIRTUAL8086 -> 16;
                case LONG -> 64;
                default -> 32;
            };
            if (n % 5 == 0) random.nextBytes(code);
            else new InstructionSoup(random).fill(code, bits);
            return ByteBuffer.allocate(header.length + code.length)
                    .put(header)
                    .put(code)
                    .array();
        });
    }

    @AfterAll
    static void close() throws IOException {
        for (Guest guest : GUESTS.values()) guest.machine.close();
        GUESTS.clear();
    }

    /** One machine a mode, whose memory is put back before each input. */
    private static final class Guest {
        final HostileMachine machine;
        private final Vcpu vcpu;
        private final VmClock.Timer budget;
        private final CpuState[] states = new CpuState[STATES];
        private final byte[][] memory;

        Guest(HostileMachine.Mode mode) throws IOException {
            machine = new HostileMachine(mode.ordinal(), mode, 1, false, true);
            vcpu = machine.vm.vcpu(0);
            budget = machine.clock.newTimer(vcpu::kick);
            for (int i = 0; i < STATES; i++) states[i] = machine.state(i >= STATES / 2);
            memory = machine.vm.slots().stream().map(machine::bytes).toArray(byte[][]::new);
        }

        void run(byte[] data) {
            restore();
            CpuState state = states[(data[1] & 0xff) % STATES];
            long[] registers = state.gpr.clone();
            for (int i = 0; i < 16; i++) state.gpr[i] = register(data[2 + i], registers[i]);
            place(state, data);
            vcpu.writeState(state);
            System.arraycopy(registers, 0, state.gpr, 0, 16);
            for (int i = 0; i < RUNS && goesOn(); i++) {}
            machine.check();
        }

        private void restore() {
            int n = 0;
            for (MemorySlot slot : machine.vm.slots())
                HostMemory.copyIn(memory[n], 0, slot.hostAddress(), memory[n++].length);
        }

        /** What the state has, a small number, an address near a page's end, or a bit. */
        private static long register(byte by, long own) {
            int value = by & 0x3f;
            return switch (by >> 6 & 3) {
                case 0 -> own;
                case 1 -> value - 32;
                case 2 -> 0x20000 + 4096L * (value >>> 3) - (value & 7);
                default -> 1L << value;
            };
        }

        /** Where the processor begins, unless that is in no memory. */
        private void place(CpuState state, byte[] data) {
            int length = Math.min(data.length - HEADER_BYTES, MAX_CODE_BYTES);
            long linear = state.rip
                    + (MODES[(data[0] & 0xff) % MODES.length] == HostileMachine.Mode.LONG
                            ? 0
                            : state.base[CpuState.CS]);
            for (int i = 0; i < length; i++)
                if (machine.vm.memory().contains(linear + i, 1))
                    machine.vm.memory().putByte(linear + i, data[HEADER_BYTES + i]);
        }

        /** One run, which the clock ends, or a stop request where a guest's time stands still. */
        private boolean goesOn() {
            budget.arm(machine.clock.nowNs() + BUDGET_NS);
            Exit exit = HostileRun.watched(vcpu, new Answers(), PATIENCE_MS);
            if (exit instanceof Exit.Halt) return true;
            if (exit instanceof Exit.HaltForever || exit instanceof Exit.Shutdown || exit instanceof Exit.Interrupted)
                return false;
            throw new AssertionError("a guest's exit must not be " + exit);
        }
    }

    /** The same answers for every run. */
    private static final class Answers implements GuestBus {
        private final SplittableRandom random = new SplittableRandom(1);

        @Override
        public int portRead(int port, int size) {
            return random.nextInt();
        }

        @Override
        public void portWrite(int port, int size, int value) {}

        @Override
        public long mmioRead(long gpa, int size) {
            return random.nextLong();
        }

        @Override
        public void mmioWrite(long gpa, int size, long value) {}
    }
}
