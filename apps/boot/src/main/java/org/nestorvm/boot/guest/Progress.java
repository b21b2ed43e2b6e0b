package org.nestorvm.boot.guest;

/** Told how far a long action is. Called often, from one thread. */
@FunctionalInterface
public interface Progress {
    /** @param done 0 to 1 */
    void at(double done, String what);
}
