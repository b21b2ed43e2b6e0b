package org.nestorvm.machine;

/**
 * What a board has besides the chips of a PC.
 *
 * @param debugExit a debug exit port
 * @param testDevice the ports, interrupt lines and memory that test kernels expect of QEMU's pc-testdev
 * @param panicEnds the machine ends when the guest tells its pvpanic device that it has panicked; otherwise this is
 *     only logged
 */
public record BoardOptions(boolean debugExit, boolean testDevice, boolean panicEnds) {
    static final BoardOptions USUAL = new BoardOptions(false, false, true);

    BoardOptions withDebugExit(boolean present) {
        return new BoardOptions(present, testDevice, panicEnds);
    }

    BoardOptions withTestDevice(boolean present) {
        return new BoardOptions(debugExit, present, panicEnds);
    }

    BoardOptions withPanicEnds(boolean ends) {
        return new BoardOptions(debugExit, testDevice, ends);
    }
}
