package org.nestorvm.vmm;

/**
 * What was asked for is against a rule. The message names the thing, its value, the rule and the way out; nothing was
 * made.
 */
public class VmRefusedException extends IllegalArgumentException {
    private static final long serialVersionUID = 1L;

    public VmRefusedException(String message) {
        super(message);
    }
}
