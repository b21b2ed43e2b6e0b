package org.nestorvm.engine.kvm;

import java.util.HexFormat;
import org.nestorvm.vmm.Exit;

/**
 * What KVM_RUN answered, as a value, so that the decision what to do can be tested with answers that no machine gives
 * on request. The exits of a running guest (ports, memory-mapped registers, interrupt window, end of interrupt) do not
 * come here: {@link KvmVcpu} serves them without an object.
 */
sealed interface KvmExit {
    /** HLT without a local APIC in the kernel. */
    record Hlt(boolean interruptsEnabled) implements KvmExit {}

    record Shutdown() implements KvmExit {}

    record Debug(long pc) implements KvmExit {}

    record FailEntry(long hardwareReason) implements KvmExit {}

    record InternalError(int suberror, long[] data) implements KvmExit {}

    record SystemEvent(int type) implements KvmExit {}

    /** Everything that no x86 guest of ours can cause; {@code hardwareReason} belongs to KVM_EXIT_UNKNOWN. */
    record Other(int reason, long hardwareReason) implements KvmExit {}

    /** The call itself failed. {@code gpa} is where, with EFAULT and EXIT_MEMORY_FAULT, else -1. */
    record Failed(int errno, long gpa) implements KvmExit {}

    int EINTR = 4, EAGAIN = 11, ENOMEM = 12, EFAULT = 14;

    /** @param errno 0 when KVM_RUN succeeded */
    static KvmExit decode(KvmRun run, int errno) {
        if (errno != 0)
            return new Failed(
                    errno, errno == EFAULT && run.exitReason() == Kvm.EXIT_MEMORY_FAULT ? run.memoryFaultGpa() : -1);
        return switch (run.exitReason()) {
            case Kvm.EXIT_HLT -> new Hlt(run.interruptFlag());
            case Kvm.EXIT_SHUTDOWN -> new Shutdown();
            case Kvm.EXIT_DEBUG -> new Debug(run.debugPc());
            case Kvm.EXIT_FAIL_ENTRY -> new FailEntry(run.failEntryReason());
            case Kvm.EXIT_INTERNAL_ERROR -> new InternalError(run.internalSuberror(), run.internalData());
            case Kvm.EXIT_SYSTEM_EVENT -> new SystemEvent(run.systemEventType());
            case Kvm.EXIT_UNKNOWN -> new Other(Kvm.EXIT_UNKNOWN, run.hardwareReason());
            default -> new Other(run.exitReason(), 0);
        };
    }

    /**
     * What the monitor is told. Null: nothing, enter the guest again. EINTR is not decided here: only the processor
     * knows who interrupted it.
     */
    default Exit toMonitor() {
        return switch (this) {
            case Hlt hlt -> hlt.interruptsEnabled() ? new Exit.Halt() : new Exit.HaltForever();
            case Shutdown() -> new Exit.Shutdown();
            case Debug debug -> new Exit.Debug(debug.pc());
            case FailEntry fail -> new Exit.FailEntry(fail.hardwareReason());
            case InternalError error -> new Exit.InternalError(error.suberror(), describe(error));
            case SystemEvent event -> new Exit.InternalError(event.type(), "system event " + event.type());
            case Other other ->
                new Exit.Unknown(other.reason() == Kvm.EXIT_UNKNOWN ? (int) other.hardwareReason() : other.reason());
            case Failed failed -> failed(failed);
        };
    }

    /**
     * EAGAIN is the answer of a processor that woke while it waits for its start message; the kernel asks for another
     * call.
     */
    private static Exit failed(Failed failed) {
        if (failed.errno() == EAGAIN) return null;
        String where = failed.gpa() == -1 ? "" : " at gpa=0x" + Long.toHexString(failed.gpa());
        String why = switch (failed.errno()) {
            case EFAULT -> "the host has no page for guest memory" + where;
            case ENOMEM -> "the host is out of memory";
            default -> "errno " + failed.errno();
        };
        return new Exit.InternalError(-failed.errno(), "KVM_RUN: " + why);
    }

    private static String describe(InternalError error) {
        return switch (error.suberror()) {
            case Kvm.INTERNAL_ERROR_EMULATION -> "cannot emulate the instruction" + instruction(error.data());
            case Kvm.INTERNAL_ERROR_SIMUL_EX -> "an exception while another was delivered";
            case Kvm.INTERNAL_ERROR_DELIVERY_EV -> "an exit while an event was delivered" + words(error.data());
            case Kvm.INTERNAL_ERROR_UNEXPECTED_EXIT_REASON ->
                "an exit of the hardware that KVM does not know" + words(error.data());
            default -> "internal error " + error.suberror() + words(error.data());
        };
    }

    /** struct emulation_failure: flags (bit 0: instruction bytes), then a count and up to 15 bytes. */
    private static String instruction(long[] data) {
        if (data.length < 3 || (data[0] & 1) == 0) return words(data);
        StringBuilder bytes = new StringBuilder(": bytes");
        int size = Math.clamp((int) (data[1] & 0xff), 0, 15);
        for (int i = 1; i <= size; i++)
            bytes.append(' ').append(HexFormat.of().toHexDigits((byte) (data[1 + i / 8] >>> i % 8 * 8)));
        return bytes.toString();
    }

    private static String words(long[] data) {
        StringBuilder text = new StringBuilder(data.length == 0 ? "" : ":");
        for (long word : data) text.append(" 0x").append(Long.toHexString(word));
        return text.toString();
    }
}
