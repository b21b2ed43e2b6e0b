package org.nestorvm.machine;

import org.nestorvm.vmm.Exit;

/**
 * What an exit means for the machine: a function of the exit alone, so that tests can feed it what no engine produces
 * on request.
 */
final class ExitPolicy {
    /** What the virtual CPU's loop does next. */
    sealed interface Step {
        /** The guest goes on. */
        record Continue() implements Step {}

        /** This virtual CPU has halted with interrupts disabled; the machine has, when all of them have. */
        record Park() implements Step {}

        record End(Outcome outcome) implements Step {}
    }

    private static final Step CONTINUE = new Step.Continue(), PARK = new Step.Park();

    static Step step(int vcpu, Exit exit) {
        return switch (exit) {
            case Exit.Interrupted _ -> CONTINUE;
            case Exit.HaltForever _ -> PARK;
            case Exit.Shutdown _ -> new Step.End(Outcome.of(Outcome.Kind.RESET, "triple fault on virtual CPU " + vcpu));
            case Exit.Halt _ -> failed(vcpu, "the engine left a HLT to the monitor, though it has the local APICs");
            case Exit.Debug(long rip) ->
                failed(vcpu, "stopped for a debugger that is not there, at rip=0x" + Long.toHexString(rip));
            case Exit.FailEntry(long reason) ->
                failed(
                        vcpu,
                        "the guest cannot be entered: its state is invalid, hardware reason 0x"
                                + Long.toHexString(reason));
            case Exit.InternalError(int code, String detail) ->
                failed(vcpu, "the engine met something that it cannot emulate: " + detail + " (code " + code + ")");
            case Exit.Unknown(int reason) ->
                failed(vcpu, "the engine does not know the exit reason 0x" + Integer.toHexString(reason));
        };
    }

    private static Step failed(int vcpu, String what) {
        return new Step.End(Outcome.failed("virtual CPU " + vcpu + ": " + what));
    }

    private ExitPolicy() {}
}
