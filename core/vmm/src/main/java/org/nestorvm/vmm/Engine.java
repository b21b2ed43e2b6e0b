package org.nestorvm.vmm;

import java.io.IOException;

/** Something that can run virtual CPUs. Found by ServiceLoader. */
public interface Engine {
    /** The name users say: {@code kvm} or {@code soft}. */
    String name();

    /**
     * Null when this host can run a guest with it, otherwise one line that says why not. Cheap after the first call.
     */
    String unavailableBecause();

    /** Makes the engine's side of a machine. All or nothing. */
    EngineVm create(VirtualMachine vm, EngineOptions options) throws IOException;
}
