package org.nestorvm.engine.kvm;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.nestorvm.engine.kvm.KvmVcpuState.Item;
import org.nestorvm.vmm.CpuState;
import org.nestorvm.vmm.EngineOptions.Interrupts;
import org.nestorvm.vmm.Exit;
import org.nestorvm.vmm.InterruptController;
import org.nestorvm.vmm.MemoryMap;
import org.nestorvm.vmm.MemoryRange;

/** Saving and restoring, clocks (P28 to P30), model-specific registers, CPUID. */
@Timeout(60)
final class KvmStateTest {
    private static final int KVM_CLOCK = 0x4b564d01, WALL_CLOCK = 0x4b564d00;
    private static final int CLOCK_PAGE = 0x300000;

    private static Guest withApic(int... code) throws Exception {
        return Guest.with(1, Interrupts.LOCAL_APIC, InterruptController.NONE, code);
    }

    /** RCX holds the register, RDX:RAX the value. */
    private static final int[] WRITE_REGISTER = {0x0f, 0x30, 0xe6, 0x01, 0xeb, 0xfe}; // wrmsr; out 1, al; jmp $

    private static final int[] READ_REGISTER = {0x0f, 0x32, 0xe6, 0x01, 0xeb, 0xfe}; // rdmsr; out 1, al; jmp $
    /** #GP: reports the saved RIP, by the error code's place on the stack. */
    private static final int[] REPORT_FAULT = {0x48, 0x8b, 0x44, 0x24, 0x08, 0xe7, 0x0d, 0xeb, 0xfe
    }; // mov rax, [rsp + 8]; out 0x0d, eax; jmp $

    private static Guest registerAccess(int[] code, int register, long value) throws Exception {
        Guest guest = withApic(code).withInterrupts().handler(13, 0x2000, REPORT_FAULT);
        CpuState state = guest.state();
        state.gpr[CpuState.RCX] = register & 0xffffffffL;
        state.gpr[CpuState.RAX] = value & 0xffffffffL;
        state.gpr[CpuState.RDX] = value >>> 32;
        guest.vcpu().writeState(state);
        guest.onAccess = () -> guest.vcpu().kick();
        return guest;
    }

    @Test
    void p28_theClockPageWorksOnFirstUse() throws Exception {
        try (Guest guest = registerAccess(WRITE_REGISTER, KVM_CLOCK, CLOCK_PAGE | 1)) {
            assertEquals(new Exit.Interrupted(), guest.run());
            assertEquals(List.of("out 0x1 1 0x1"), guest.accesses);
            assertThat(guest.vm.memory().getInt(CLOCK_PAGE))
                    .as("version, even")
                    .isPositive()
                    .matches(version -> version % 2 == 0);
            assertThat(guest.vm.memory().getLong(CLOCK_PAGE + 8))
                    .as("time stamp")
                    .isNotZero();
            assertThat(guest.vm.memory().getInt(CLOCK_PAGE + 24))
                    .as("multiplier")
                    .isNotZero();
        }
    }

    @Test
    void p28_theWallClockWorksOnFirstUse() throws Exception {
        try (Guest guest = registerAccess(WRITE_REGISTER, WALL_CLOCK, CLOCK_PAGE)) {
            guest.run();
            long seconds = Integer.toUnsignedLong(guest.vm.memory().getInt(CLOCK_PAGE + 4));
            assertThat(seconds).isCloseTo(System.currentTimeMillis() / 1000, org.assertj.core.data.Offset.offset(5L));
        }
    }

    @Test
    void p30_aClockPageThatWasGivenBackIsFoundAgain() throws Exception {
        try (Guest guest = registerAccess(
                new int[] {0x0f, 0x30, 0xe6, 0x01, 0x0f, 0x30, 0xe6, 0x02, 0xeb, 0xfe}, KVM_CLOCK, CLOCK_PAGE | 1)) {
            guest.run();
            guest.vm.discard(CLOCK_PAGE, 4096);
            assertEquals(0, guest.vm.memory().getLong(CLOCK_PAGE + 8));
            guest.run();
            assertThat(guest.accesses).endsWith("out 0x2 1 0x1");
            assertThat(guest.vm.memory().getLong(CLOCK_PAGE + 8)).isNotZero();
        }
    }

    @Test
    void p29_aRefusedRegisterFaultsAtTheInstruction() throws Exception {
        for (int[] code : List.of(WRITE_REGISTER, READ_REGISTER)) {
            try (Guest guest = registerAccess(code, 0x480, 0)) { // IA32_VMX_BASIC
                guest.run();
                assertEquals(List.of("out 0xd 4 0x" + Integer.toHexString(Guest.CODE)), guest.accesses);
            }
        }
    }

    @Test
    void p29_anUnknownRegisterFaultsAtTheInstruction() throws Exception {
        try (Guest guest = registerAccess(WRITE_REGISTER, 0x12345678, 1)) {
            guest.run();
            assertEquals(List.of("out 0xd 4 0x" + Integer.toHexString(Guest.CODE)), guest.accesses);
        }
    }

    @Test
    void everyItemCanBeSavedAndRestored() throws Exception {
        try (Guest from = withApic(0xf4).withInterrupts();
                Guest to = withApic(0xf4)) {
            CpuState state = from.state();
            for (int i = 0; i < 16; i++) state.gpr[i] = i * 0x0101010101010101L;
            state.xsave[512] = 3;
            state.xsave[170] = 0x77;
            from.vcpu().writeState(state);
            for (Item item : Item.values())
                to.engine().registers().restore(item, from.engine().registers().save(item));
            for (Item item : Item.values()) {
                if (item == Item.LAPIC) continue; // its timer's count moves
                assertThat(hex(to.engine().registers().save(item)))
                        .as(item.name())
                        .isEqualTo(hex(from.engine().registers().save(item)));
            }
            assertThat(to.state().gpr).isEqualTo(state.gpr);
        }
    }

    @Test
    void theLocalApicsRegistersTravel() throws Exception {
        try (Guest from = withApic(0xc7, 0x83, 0xf0, 0, 0, 0, 0xff, 0x01, 0, 0, 0xe6, 0x01, 0xeb, 0xfe)
                        .withInterrupts();
                Guest to = withApic(0xf4)) {
            from.onAccess = () -> from.vcpu().kick();
            from.run();
            byte[] registers = from.engine().registers().save(Item.LAPIC);
            assertEquals(0xff, registers[0xf0] & 0xff);
            to.engine().registers().restore(Item.LAPIC, registers);
            assertThat(to.engine().registers().save(Item.LAPIC)[0xf1]).isEqualTo((byte) 1);
        }
    }

    @Test
    void registersThatHaveStateCanBeRead() throws Exception {
        try (Guest guest = withApic(0xf4)) {
            int[] indices = {0x277, 0x10, 0xc0000082};
            guest.engine().registers().restoreMsr(0xc0000082, 0xffffffff81000000L);
            long[] values = guest.engine().registers().saveMsrs(indices);
            assertEquals(0x0007040600070406L, values[0]);
            assertNotEquals(0, values[1]);
            assertEquals(0xffffffff81000000L, values[2]);
            assertEquals(false, guest.engine().registers().restoreMsr(0x12345678, 0));
        }
    }

    @Test
    void theMachinesClockCanBeSetBack() throws Exception {
        try (Guest guest = withApic(0xf4)) {
            long before = guest.kvm().clockNs();
            guest.kvm().setClockNs(before + 3_600_000_000_000L);
            assertThat(guest.kvm().clockNs()).isGreaterThanOrEqualTo(before + 3_600_000_000_000L);
            guest.kvm().setClockNs(before);
            assertThat(guest.kvm().clockNs()).isBetween(before, before + 60_000_000_000L);
        }
    }

    @Test
    void theTimeStampDoesNotGoBackWhenADebuggerWrites() throws Exception {
        try (Guest guest = withApic(0xf4)) {
            CpuState state = guest.state();
            long read = state.tsc;
            guest.vcpu().writeState(state);
            assertThat(guest.state().tsc).isGreaterThan(read);
        }
    }

    @Test
    void theTimeStampCanBeSet() throws Exception {
        try (Guest guest = withApic(0xf4)) {
            guest.engine().registers().restoreMsr(0x10, 1L << 50);
            boolean moved = guest.state().tsc >= 1L << 50;
            if (!moved)
                System.out.println(
                        "skipped: this host's KVM has no time stamp offset, its guests see the host's counter");
            assumeTrue(moved, "skipped: no time stamp offset");
            CpuState state = guest.state();
            state.tsc = 1L << 51;
            guest.vcpu().writeState(state);
            assertThat(guest.state().tsc).isBetween(1L << 51, (1L << 51) + (1L << 40));
        }
    }

    /** ecx selects the subleaf; reports eax to edx on ports 0 to 3. */
    private static final int[] CPUID = {
        0x0f, 0xa2, 0xe7, 0x00, 0x89, 0xd8, 0xe7, 0x01, 0x89, 0xc8, 0xe7, 0x02, 0x89, 0xd0, 0xe7, 0x03, 0xfa, 0xf4
    };

    private static List<Integer> cpuid(Interrupts interrupts, int vcpus, int index, int leaf, int subleaf)
            throws Exception {
        try (Guest guest = Guest.with(vcpus, interrupts, InterruptController.NONE, CPUID)) {
            guest.withInterrupts();
            CpuState state = guest.state();
            state.gpr[CpuState.RAX] = leaf;
            state.gpr[CpuState.RCX] = subleaf;
            guest.vm.vcpu(index).writeState(state);
            guest.onAccess = () -> {
                if (guest.accesses.size() == 4) guest.vm.vcpu(index).kick();
            };
            guest.vm.vcpu(index).run(guest);
            List<Integer> answers = new ArrayList<>();
            for (String access : guest.accesses)
                answers.add(Integer.parseUnsignedInt(access.substring(access.lastIndexOf('x') + 1), 16));
            return answers;
        }
    }

    @Test
    void theGuestSeesFeaturesByThePolicy() throws Exception {
        List<Integer> features = cpuid(Interrupts.LOCAL_APIC, 1, 0, 1, 0);
        assertThat(features.get(2) >>> 31).as("hypervisor").isEqualTo(1);
        assertThat(features.get(2) >>> 5 & 1).as("vmx").isZero();
        assertThat(features.get(2) >>> 3 & 1).as("monitor").isZero();
        assertThat(features.get(3) >>> 9 & 1).as("apic").isEqualTo(1);
        assertThat(cpuid(Interrupts.NONE, 1, 0, 1, 0).get(3) >>> 9 & 1)
                .as("apic of a machine without")
                .isZero();
        assertThat(cpuid(Interrupts.LOCAL_APIC, 1, 0, 0xa, 0))
                .as("performance counters")
                .containsOnly(0);
    }

    @Test
    void everyProcessorHasItsPlace() throws Exception {
        assertThat(cpuid(Interrupts.LOCAL_APIC, 3, 2, 1, 0).get(1) >>> 24)
                .as("initial APIC id")
                .isEqualTo(2);
        assertThat(cpuid(Interrupts.LOCAL_APIC, 3, 2, 1, 0).get(3) >>> 28 & 1)
                .as("several processors")
                .isEqualTo(1);
        assertThat(cpuid(Interrupts.LOCAL_APIC, 3, 2, 0xb, 1)).containsExactly(2, 3, 0x201, 2);
    }

    @Test
    void theClockIsOfferedUnderKvmsName() throws Exception {
        List<Integer> name = cpuid(Interrupts.LOCAL_APIC, 1, 0, 0x40000000, 0);
        assertEquals(0x4b4d564b, name.get(1));
        assertThat(cpuid(Interrupts.LOCAL_APIC, 1, 0, 0x40000001, 0).get(0) & 9)
                .as("kvm-clock, both kinds")
                .isEqualTo(9);
    }

    @Test
    void readOnlyMemorySendsWritesToTheBus() throws Exception {
        MemoryMap map = MemoryMap.of(
                new MemoryRange(0, Guest.RAM_BYTES, MemoryRange.Type.RAM),
                new MemoryRange(0xfffc0000L, 0x40000, MemoryRange.Type.RESERVED));
        try (Guest guest = Guest.on(
                new KvmEngine(true, 0, false),
                map,
                1,
                Interrupts.NONE,
                InterruptController.NONE,
                0xa1,
                0,
                0,
                0xfc,
                0xff,
                0xa3,
                4,
                0,
                0xfc,
                0xff,
                0xf4)) { // mov eax, [0xfffc0000]; mov [0xfffc0004], eax
            guest.vm.memory().putInt(0xfffc0000L, 0x11223344);
            guest.protectedMode(state -> {});
            guest.run();
            assertEquals(List.of("write 0xfffc0004 4 0x11223344"), guest.accesses);
            assertEquals(0, guest.vm.memory().getInt(0xfffc0004L));
        }
    }

    private static String hex(byte[] bytes) {
        return HexFormat.of().formatHex(bytes);
    }
}
