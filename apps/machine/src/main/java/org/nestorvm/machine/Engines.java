package org.nestorvm.machine;

import java.util.ArrayList;
import java.util.List;
import java.util.ServiceLoader;
import org.nestorvm.vmm.Engine;
import org.nestorvm.vmm.VmRefusedException;

/** The engines of this program. */
public final class Engines {
    /** All of them, also those that this host cannot run. */
    public static List<Engine> all() {
        List<Engine> engines = new ArrayList<>();
        ServiceLoader.load(Engine.class).forEach(engines::add);
        return engines;
    }

    /**
     * The engine with the name, which this host can run. @throws VmRefusedException with one line that says why there
     * is none
     */
    public static Engine named(String name) {
        List<Engine> engines = all();
        for (Engine engine : engines) {
            if (!engine.name().equals(name)) continue;
            String reason = engine.unavailableBecause();
            if (reason != null) throw new VmRefusedException("engine " + name + " cannot be used: " + reason);
            return engine;
        }
        throw new VmRefusedException("no engine is named \"" + name + "\": there are "
                + engines.stream().map(Engine::name).sorted().toList());
    }

    private Engines() {}
}
