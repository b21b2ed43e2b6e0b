package org.nestorvm.devices;

/** An interrupt wire. Setting the level it has already is allowed and does nothing. */
@FunctionalInterface
public interface IrqLine {
    void set(boolean asserted);
}
