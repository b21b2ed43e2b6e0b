package org.nestorvm.vmm;

/** An owner's virtual machines would hold more memory than the owner may have, all of them counted. */
public final class MemoryLimitException extends VmRefusedException {
    private static final long serialVersionUID = 1L;
    private final long limitBytes;

    MemoryLimitException(String owner, long askedBytes, long heldBytes, long limitBytes) {
        super("owner \"" + owner + "\" asks for " + askedBytes + " bytes of guest memory and holds " + heldBytes
                + " already: limit is " + limitBytes + "; terminate a machine, ask for less, or have the limit raised");
        this.limitBytes = limitBytes;
    }

    public long limitBytes() {
        return limitBytes;
    }
}
