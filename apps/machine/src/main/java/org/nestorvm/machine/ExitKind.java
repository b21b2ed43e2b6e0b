package org.nestorvm.machine;

import org.nestorvm.vmm.Exit;

/** The kinds of {@link Exit}, to count them by. */
public enum ExitKind {
    HALT,
    HALT_FOREVER,
    SHUTDOWN,
    INTERRUPTED,
    DEBUG,
    FAIL_ENTRY,
    INTERNAL_ERROR,
    UNKNOWN;

    static ExitKind of(Exit exit) {
        return switch (exit) {
            case Exit.Halt _ -> HALT;
            case Exit.HaltForever _ -> HALT_FOREVER;
            case Exit.Shutdown _ -> SHUTDOWN;
            case Exit.Interrupted _ -> INTERRUPTED;
            case Exit.Debug _ -> DEBUG;
            case Exit.FailEntry _ -> FAIL_ENTRY;
            case Exit.InternalError _ -> INTERNAL_ERROR;
            case Exit.Unknown _ -> UNKNOWN;
        };
    }
}
