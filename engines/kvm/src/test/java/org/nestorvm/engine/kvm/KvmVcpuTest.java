package org.nestorvm.engine.kvm;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;

import java.util.List;
import org.junit.jupiter.api.Test;
import org.nestorvm.memory.sys.ErrnoException;
import org.nestorvm.vmm.CpuState;
import org.nestorvm.vmm.EngineVcpu;
import org.nestorvm.vmm.Exit;

/** One processor without a local APIC: instructions in each mode, accesses, exits, state. */
final class KvmVcpuTest {
    @Test
    void theEngineIsAvailableHere() {
        Guest.assumeKvm();
        assertNull(new KvmEngine().unavailableBecause());
    }

    @Test
    void realModeOutAndHalt() throws Exception {
        try (Guest guest = Guest.bare(
                0xb0, 0x33, // mov al, 0x33
                0xe6, 0x19, // out 0x19, al
                0xfb, // sti
                0xf4)) { // hlt
            assertEquals(new Exit.Halt(), guest.run());
            assertEquals(List.of("out 0x19 1 0x33"), guest.accesses);
            assertEquals(Guest.CODE + 6, guest.state().rip);
        }
    }

    @Test
    void p26_haltWithInterruptsDisabledIsForEver() throws Exception {
        try (Guest guest = Guest.bare(0xf4)) {
            assertEquals(new Exit.HaltForever(), guest.run());
        }
    }

    @Test
    void inGivesWhatTheBusAnswers() throws Exception {
        try (Guest guest = Guest.bare(
                0x66, 0xed, // in eax, dx
                0xe7, 0x44, // out 0x44, ax
                0xf4)) {
            guest.realMode(state -> state.gpr[CpuState.RDX] = 0xcfc);
            guest.answer = 0x12345678;
            guest.run();
            assertEquals(List.of("in 0xcfc 4", "out 0x44 2 0x5678"), guest.accesses);
            assertEquals(0x12345678, guest.state().gpr[CpuState.RAX]);
        }
    }

    @Test
    void p41_stringOutputIsOneAccessAnElement() throws Exception {
        try (Guest guest = Guest.bare(0xf3, 0x6e, 0xf4)) { // rep outsb; hlt
            guest.code(0x3000, 'a', 'b', 'c');
            guest.realMode(state -> {
                state.gpr[CpuState.RSI] = 0x3000;
                state.gpr[CpuState.RCX] = 3;
                state.gpr[CpuState.RDX] = 0x3f8;
            });
            guest.run();
            assertEquals(List.of("out 0x3f8 1 0x61", "out 0x3f8 1 0x62", "out 0x3f8 1 0x63"), guest.accesses);
            assertEquals(0, guest.state().gpr[CpuState.RCX]);
        }
    }

    @Test
    void stringInputFillsMemory() throws Exception {
        try (Guest guest = Guest.bare(0xf3, 0x6d, 0xf4)) { // rep insw; hlt
            guest.answer = 0xbeef;
            guest.realMode(state -> {
                state.gpr[CpuState.RDI] = 0x3000;
                state.gpr[CpuState.RCX] = 5;
                state.gpr[CpuState.RDX] = 0x1f0;
            });
            guest.run();
            assertThat(guest.accesses).hasSize(5).containsOnly("in 0x1f0 2");
            assertEquals(0xbeefbeef, guest.vm.memory().getInt(0x3006));
            assertEquals(0, guest.vm.memory().getInt(0x300a));
        }
    }

    @Test
    void protectedModeReachesHolesAsMemoryMappedAccesses() throws Exception {
        try (Guest guest = Guest.bare(
                0xa1, 0x00, 0x00, 0x00, 0xd0, // mov eax, [0xd0000000]
                0x66, 0xa3, 0x08, 0x00, 0x00, 0xd0, // mov [0xd0000008], ax
                0xf4)) {
            guest.protectedMode(state -> {});
            guest.answer = 0xcafe1234L;
            guest.run();
            assertEquals(List.of("read 0xd0000000 4", "write 0xd0000008 2 0x1234"), guest.accesses);
        }
    }

    @Test
    void longModeAccessesEightBytes() throws Exception {
        try (Guest guest = Guest.bare(
                0x48, 0xb8, 0x88, 0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11, // mov rax, 0x1122334455667788
                0x48, 0xa3, 0x00, 0x00, 0x00, 0xd0, 0, 0, 0, 0, // mov [0xd0000000], rax
                0x48, 0xa1, 0x10, 0x00, 0x00, 0xd0, 0, 0, 0, 0, // mov rax, [0xd0000010]
                0xf4)) {
            guest.longMode(state -> {});
            guest.answer = 0x0102030405060708L;
            guest.run();
            assertEquals(List.of("write 0xd0000000 8 0x1122334455667788", "read 0xd0000010 8"), guest.accesses);
            assertEquals(0x0102030405060708L, guest.state().gpr[CpuState.RAX]);
        }
    }

    @Test
    void tripleFaultIsShutdown() throws Exception {
        try (Guest guest = Guest.bare(0x0f, 0x0b)) { // ud2, with an interrupt table of no entries
            guest.protectedMode(state -> state.idtrLimit = 0);
            assertEquals(new Exit.Shutdown(), guest.run());
        }
    }

    @Test
    void stateRoundTrip() throws Exception {
        try (Guest guest = Guest.bare(0xf4)) {
            long sysenterEip = intel() ? 0xffffffff81001000L : 0x81001000L;
            CpuState written = new CpuState();
            guest.longMode(state -> {
                for (int i = 0; i < 16; i++) state.gpr[i] = 0x1111111111111111L * i;
                state.base[CpuState.FS] = 0x7fff00001000L;
                state.base[CpuState.GS] = 0xffff888000000000L;
                state.kernelGsBase = 0xffff888000001000L;
                state.lstar = 0xffffffff81000000L;
                state.star = 0x0023001000000000L;
                state.sfmask = 0x47700;
                state.sysenterEip = sysenterEip;
                state.cr2 = 0xdeadb000L;
                state.dr[0] = 0x400123;
                state.dr[7] = 0x402;
                state.gdtrBase = 0x5000;
                state.gdtrLimit = 0x3f;
                state.idtrBase = 0x6000;
                state.idtrLimit = 0xfff;
                state.xsave[160] = 0x5a; // XMM0
                state.xsave[512] = 3; // XSTATE_BV: x87 and SSE
                copy(state, written);
            });
            CpuState read = guest.state();
            assertThat(read.gpr).isEqualTo(written.gpr);
            assertThat(read.base).isEqualTo(written.base);
            assertThat(read.selector).isEqualTo(written.selector);
            assertThat(read.access).isEqualTo(written.access);
            assertThat(read.limit).isEqualTo(written.limit);
            assertThat(read.dr).isEqualTo(written.dr);
            assertThat(new long[] {
                        read.rip,
                        read.rflags,
                        read.cr0,
                        read.cr2,
                        read.cr3,
                        read.cr4,
                        read.efer,
                        read.kernelGsBase,
                        read.lstar,
                        read.star,
                        read.sfmask,
                        read.sysenterEip,
                        read.gdtrBase,
                        read.gdtrLimit,
                        read.idtrBase,
                        read.idtrLimit,
                        read.pat,
                        read.xcr0
                    })
                    .isEqualTo(new long[] {
                        written.rip,
                        written.rflags,
                        written.cr0,
                        written.cr2,
                        written.cr3,
                        written.cr4,
                        written.efer,
                        written.kernelGsBase,
                        written.lstar,
                        written.star,
                        written.sfmask,
                        written.sysenterEip,
                        written.gdtrBase,
                        written.gdtrLimit,
                        written.idtrBase,
                        written.idtrLimit,
                        written.pat,
                        written.xcr0
                    });
            assertEquals(0x5a, read.xsave[160]);
        }
    }

    /** On AMD's processors SYSENTER is for legacy mode alone, and its registers have 32 bits (APM vol. 2, 6.1.2). */
    private static boolean intel() throws ErrnoException {
        return KvmHost.get().cpuid().stream().anyMatch(entry -> entry.function() == 0 && entry.ebx() == 0x756e6547);
    }

    private static void copy(CpuState from, CpuState to) {
        System.arraycopy(from.gpr, 0, to.gpr, 0, 16);
        System.arraycopy(from.base, 0, to.base, 0, 8);
        System.arraycopy(from.selector, 0, to.selector, 0, 8);
        System.arraycopy(from.access, 0, to.access, 0, 8);
        System.arraycopy(from.limit, 0, to.limit, 0, 8);
        System.arraycopy(from.dr, 0, to.dr, 0, 8);
        to.rip = from.rip;
        to.cr0 = from.cr0;
        to.cr2 = from.cr2;
        to.cr3 = from.cr3;
        to.cr4 = from.cr4;
        to.efer = from.efer;
        to.kernelGsBase = from.kernelGsBase;
        to.lstar = from.lstar;
        to.star = from.star;
        to.sfmask = from.sfmask;
        to.sysenterEip = from.sysenterEip;
        to.gdtrBase = from.gdtrBase;
        to.gdtrLimit = from.gdtrLimit;
        to.idtrBase = from.idtrBase;
        to.idtrLimit = from.idtrLimit;
    }

    @Test
    void externalInterruptEntersWhenInterruptible() throws Exception {
        try (Guest guest = Guest.bare(
                0xfb, // sti
                0xf4, // hlt
                0xe6, 0x01, // out 1, al
                0xfa, // cli
                0xf4)) { // hlt
            guest.code(0x20 * 4, 0x00, 0x20, 0, 0); // vector 20h: 0000:2000
            guest.code(0x2000, 0xe6, 0x20, 0xcf); // out 0x20, al; iret
            assertEquals(false, guest.vcpu().interruptible());
            assertEquals(new Exit.Halt(), guest.run());
            assertEquals(true, guest.vcpu().interruptible());
            guest.vcpu().inject(new EngineVcpu.Event(EngineVcpu.Event.Type.EXTERNAL_INTERRUPT, 0x20, -1));
            assertEquals(new Exit.HaltForever(), guest.run());
            assertEquals(List.of("out 0x20 1 0x0", "out 0x1 1 0x0"), guest.accesses);
        }
    }

    @Test
    void injectedExceptionPushesItsErrorCode() throws Exception {
        try (Guest guest = Guest.bare(0xf4)) {
            guest.code(
                    0x6000 + 13 * 16,
                    0x00,
                    0x20,
                    8,
                    0,
                    0,
                    0x8e,
                    0,
                    0,
                    0,
                    0,
                    0,
                    0,
                    0,
                    0,
                    0,
                    0); // #GP: 64-bit interrupt gate to 2000h
            guest.code(0x5008, 0xff, 0xff, 0, 0, 0, 0x9b, 0xaf, 0, 0xff, 0xff, 0, 0, 0, 0x93, 0xcf, 0);
            guest.code(0x2000, 0x58, 0xe7, 0x0d, 0xf4); // pop rax; out 0x0d, eax; hlt
            guest.longMode(state -> {
                state.idtrBase = 0x6000;
                state.idtrLimit = 0xfff;
                state.gdtrBase = 0x5000;
                state.gdtrLimit = 0x17;
            });
            guest.vcpu().inject(new EngineVcpu.Event(EngineVcpu.Event.Type.EXCEPTION, 13, 0x18));
            assertEquals(new Exit.HaltForever(), guest.run());
            assertEquals(List.of("out 0xd 4 0x18"), guest.accesses);
        }
    }

    @Test
    void nonMaskableInterruptComesWithInterruptsDisabled() throws Exception {
        try (Guest guest = Guest.bare(0xf4)) {
            guest.code(2 * 4, 0x00, 0x20, 0, 0);
            guest.code(0x2000, 0xe6, 0x02, 0xf4); // out 2, al; hlt
            guest.vcpu().inject(new EngineVcpu.Event(EngineVcpu.Event.Type.NMI, 2, -1));
            assertEquals(new Exit.HaltForever(), guest.run());
            assertEquals(List.of("out 0x2 1 0x0"), guest.accesses);
        }
    }

    @Test
    void singleStepStopsAfterEachInstruction() throws Exception {
        try (Guest guest = Guest.bare(0x90, 0x90, 0xf4)) {
            guest.engine().registers().singleStep(true);
            assertEquals(new Exit.Debug(Guest.CODE + 1), guest.run());
            assertEquals(new Exit.Debug(Guest.CODE + 2), guest.run());
        }
    }
}
