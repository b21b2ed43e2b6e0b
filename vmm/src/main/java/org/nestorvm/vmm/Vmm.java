package org.nestorvm.vmm;

/** SKELETON: creates, finds, shares, lists and terminates virtual machines. */
public final class Vmm {
}
