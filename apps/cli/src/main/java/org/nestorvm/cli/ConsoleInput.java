package org.nestorvm.cli;

/** Where what the user types goes: the guest's serial port. */
@FunctionalInterface
interface ConsoleInput {
    /** The first {@code length} bytes; waits while the guest takes none. */
    void receive(byte[] bytes, int length) throws InterruptedException;
}
