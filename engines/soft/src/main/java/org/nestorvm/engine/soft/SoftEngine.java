package org.nestorvm.engine.soft;

import java.io.IOException;
import org.nestorvm.vmm.Engine;
import org.nestorvm.vmm.EngineOptions;
import org.nestorvm.vmm.EngineVm;
import org.nestorvm.vmm.VirtualMachine;

/** The engine {@code soft}: an x86-64 processor in Java, which runs wherever this program runs. */
public final class SoftEngine implements Engine {
    /** Some thousand hot blocks, and a quarter of the code cache that HotSpot has by default. */
    private static final long COMPILED_BYTES = 64 << 20;

    private final long codeBytes, compiledBytes;

    public SoftEngine() {
        this(Runtime.getRuntime().maxMemory() / 4);
    }

    /**
     * @param codeBytes how much of the Java heap the decoded code of one machine may take, in about; beyond that it is
     *     decoded anew
     */
    public SoftEngine(long codeBytes) {
        this(codeBytes, COMPILED_BYTES);
    }

    /**
     * @param compiledBytes how much of HotSpot's metaspace and code cache the hot blocks of one machine may take, in
     *     about; beyond that they start again as cold ones
     */
    public SoftEngine(long codeBytes, long compiledBytes) {
        this.codeBytes = codeBytes;
        this.compiledBytes = compiledBytes;
    }

    @Override
    public String name() {
        return "soft";
    }

    @Override
    public String unavailableBecause() {
        return null;
    }

    @Override
    public EngineVm create(VirtualMachine vm, EngineOptions options) throws IOException {
        if (options.interrupts() == EngineOptions.Interrupts.ALL)
            throw new IOException("soft cannot run \"" + vm.name()
                    + "\" with the engine's own 8259s and I/O APIC: it has local APICs only; leave the "
                    + "interrupt controllers split, or use the engine kvm");
        return new SoftVm(vm, options, codeBytes, compiledBytes);
    }
}
