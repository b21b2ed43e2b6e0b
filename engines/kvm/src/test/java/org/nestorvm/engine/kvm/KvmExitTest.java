package org.nestorvm.engine.kvm;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import org.junit.jupiter.api.Test;
import org.nestorvm.memory.sys.HostMemory;
import org.nestorvm.vmm.Exit;

/** What the monitor is told, for answers that no machine gives on request. Needs no KVM. */
final class KvmExitTest {
    @Test
    void failedEntryCarriesTheHardwaresReason() {
        assertEquals(new Exit.FailEntry(0x80000021L), new KvmExit.FailEntry(0x80000021L).toMonitor());
    }

    @Test
    void internalErrorNamesTheInstructionThatCouldNotBeEmulated() {
        KvmExit error =
                new KvmExit.InternalError(Kvm.INTERNAL_ERROR_EMULATION, new long[] {1, 0x77_66_55_44_db_0f_d9_03L, 0});
        assertEquals(new Exit.InternalError(1, "cannot emulate the instruction: bytes d9 0f db"), error.toMonitor());
    }

    @Test
    void internalErrorWithoutInstructionTellsItsData() {
        KvmExit error = new KvmExit.InternalError(Kvm.INTERNAL_ERROR_DELIVERY_EV, new long[] {0x80000b0eL, 0x31});
        assertEquals(
                new Exit.InternalError(3, "an exit while an event was delivered: 0x80000b0e 0x31"), error.toMonitor());
        assertEquals(
                new Exit.InternalError(2, "an exception while another was delivered"),
                new KvmExit.InternalError(2, new long[0]).toMonitor());
        assertEquals(
                new Exit.InternalError(77, "internal error 77"),
                new KvmExit.InternalError(77, new long[0]).toMonitor());
    }

    @Test
    void instructionBytesNeverExceedWhatTheStructureHolds() {
        String detail =
                ((Exit.InternalError) new KvmExit.InternalError(1, new long[] {1, 0xff, 0}).toMonitor()).detail();
        assertThat(detail.substring(detail.indexOf("bytes")).split(" ")).hasSize(1 + 15);
    }

    @Test
    void shutdownAndUnknownReasonsArePassedOn() {
        assertEquals(new Exit.Shutdown(), new KvmExit.Shutdown().toMonitor());
        assertEquals(new Exit.Unknown(37), new KvmExit.Other(37, 0).toMonitor());
        assertEquals(new Exit.Unknown(0x40), new KvmExit.Other(Kvm.EXIT_UNKNOWN, 0x40).toMonitor());
        assertThat(new KvmExit.SystemEvent(3).toMonitor()).isInstanceOf(Exit.InternalError.class);
    }

    @Test
    void haltDependsOnTheInterruptFlag() {
        assertEquals(new Exit.Halt(), new KvmExit.Hlt(true).toMonitor());
        assertEquals(new Exit.HaltForever(), new KvmExit.Hlt(false).toMonitor());
    }

    @Test
    void tryAgainEntersAgain() {
        assertNull(new KvmExit.Failed(KvmExit.EAGAIN, -1).toMonitor());
    }

    @Test
    void otherErrorsOfTheCallAreInternalErrors() {
        assertEquals(
                new Exit.InternalError(-14, "KVM_RUN: the host has no page for guest memory at gpa=0x5000"),
                new KvmExit.Failed(KvmExit.EFAULT, 0x5000).toMonitor());
        assertEquals(new Exit.InternalError(-38, "KVM_RUN: errno 38"), new KvmExit.Failed(38, -1).toMonitor());
        assertEquals(
                new Exit.InternalError(-12, "KVM_RUN: the host is out of memory"),
                new KvmExit.Failed(KvmExit.ENOMEM, -1).toMonitor());
    }

    @Test
    void everyExitDecodesFromTheSharedPage() {
        assertEquals(new KvmExit.Hlt(true), decode(Kvm.EXIT_HLT, "if_flag", 1));
        assertEquals(
                new KvmExit.FailEntry(0x21),
                decode(Kvm.EXIT_FAIL_ENTRY, "exit.fail_entry.hardware_entry_failure_reason", 0x21));
        assertEquals(new KvmExit.Debug(0x1234), decode(Kvm.EXIT_DEBUG, "exit.debug.arch.pc", 0x1234));
        assertEquals(new KvmExit.Shutdown(), decode(Kvm.EXIT_SHUTDOWN, "if_flag", 0));
        assertEquals(new KvmExit.SystemEvent(2), decode(Kvm.EXIT_SYSTEM_EVENT, "exit.system_event.type", 2));
        assertEquals(
                new KvmExit.Other(Kvm.EXIT_UNKNOWN, 7), decode(Kvm.EXIT_UNKNOWN, "exit.hw.hardware_exit_reason", 7));
        assertEquals(new KvmExit.Other(35, 0), decode(35, "exit.hw.hardware_exit_reason", 7));
    }

    @Test
    void aCountOfDataBeyondTheStructureIsCut() {
        KvmExit.InternalError error =
                (KvmExit.InternalError) decode(Kvm.EXIT_INTERNAL_ERROR, "exit.internal.ndata", 1000);
        assertThat(error.data()).hasSize(16);
        assertThat(((KvmExit.InternalError) decode(Kvm.EXIT_INTERNAL_ERROR, "exit.internal.ndata", -1)).data())
                .isEmpty();
    }

    @Test
    void aMemoryFaultTellsWhere() {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment page = arena.allocate(KvmRun.LAYOUT);
            HostMemory.putInt(page.address() + CStruct.offset(KvmRun.LAYOUT, "exit_reason"), Kvm.EXIT_MEMORY_FAULT);
            HostMemory.putLong(page.address() + CStruct.offset(KvmRun.LAYOUT, "exit.memory_fault.gpa"), 0x7000);
            assertEquals(
                    new KvmExit.Failed(KvmExit.EFAULT, 0x7000),
                    KvmExit.decode(new KvmRun(page.address()), KvmExit.EFAULT));
            assertEquals(
                    new KvmExit.Failed(KvmExit.EINTR, -1), KvmExit.decode(new KvmRun(page.address()), KvmExit.EINTR));
        }
    }

    private static KvmExit decode(int reason, String field, int value) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment page = arena.allocate(KvmRun.LAYOUT);
            HostMemory.putInt(page.address() + CStruct.offset(KvmRun.LAYOUT, "exit_reason"), reason);
            long address = page.address() + CStruct.offset(KvmRun.LAYOUT, field);
            if (CStruct.size(KvmRun.LAYOUT, field) == 1) HostMemory.putByte(address, (byte) value);
            else HostMemory.putInt(address, value);
            return KvmExit.decode(new KvmRun(page.address()), 0);
        }
    }
}
