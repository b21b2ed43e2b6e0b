package org.nestorvm.engine.tests;

/** What a guest does that a test sees: an access to the bus, an exception that its handler caught, or an exit. */
public sealed interface Event {
    record PortRead(int port, int size) implements Event {}

    record PortWrite(int port, int size, int value) implements Event {}

    record MmioRead(long gpa, int size) implements Event {}

    record MmioWrite(long gpa, int size, long value) implements Event {}

    /** HLT outside of the exception handlers. {@code rip} is behind it. */
    record Halt(long rip) implements Event {}

    /**
     * The guest's handler has been entered.
     *
     * @param errorCode -1 for none
     * @param rip the saved instruction pointer, cs the saved selector
     */
    record Fault(int vector, int errorCode, int cs, long rip) implements Event {}

    record Shutdown() implements Event {}

    /** Any other exit, in words. */
    record Other(String exit) implements Event {}
}
