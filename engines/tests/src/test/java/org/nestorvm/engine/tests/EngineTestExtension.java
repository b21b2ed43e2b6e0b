package org.nestorvm.engine.tests;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.ServiceLoader;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.stream.Stream;
import org.junit.jupiter.api.extension.AfterEachCallback;
import org.junit.jupiter.api.extension.ConditionEvaluationResult;
import org.junit.jupiter.api.extension.ExecutionCondition;
import org.junit.jupiter.api.extension.Extension;
import org.junit.jupiter.api.extension.ExtensionContext;
import org.junit.jupiter.api.extension.ParameterContext;
import org.junit.jupiter.api.extension.ParameterResolver;
import org.junit.jupiter.api.extension.TestTemplateInvocationContext;
import org.junit.jupiter.api.extension.TestTemplateInvocationContextProvider;
import org.nestorvm.paging.EntryFormat;
import org.nestorvm.vmm.Engine;

/** Runs an {@link EngineTest} on each engine; where one is not available the test is skipped and says why. */
final class EngineTestExtension implements TestTemplateInvocationContextProvider {
    /** An engine with what it is to use. */
    record Setup(String name, String engine, EntryFormat format) {}

    /** The one engine that a run is about, or null for all. */
    private static final String ONLY = System.getProperty("nestor.test.engine");
    /** To see which tests another QEMU passes. */
    private static final boolean EVEN_NOT_ON_TCG = Boolean.getBoolean("nestor.test.even.not.on.tcg");

    private static final Set<String> SAID = ConcurrentHashMap.newKeySet();
    private static final List<Setup> SETUPS = List.of(
            new Setup("soft/ept", "soft", EntryFormat.EPT),
            new Setup("soft/npt", "soft", EntryFormat.NPT),
            new Setup("kvm", "kvm", EntryFormat.EPT));

    @Override
    public boolean supportsTestTemplate(ExtensionContext context) {
        return true;
    }

    @Override
    public Stream<TestTemplateInvocationContext> provideTestTemplateInvocationContexts(ExtensionContext context) {
        EngineTest test = context.getRequiredTestMethod().getAnnotation(EngineTest.class);
        return SETUPS.stream()
                .filter(s -> test.only().isEmpty() || test.only().equals(s.engine()))
                .map(s -> new Invocation(s, test));
    }

    /** The engine of that name, or null. */
    static Engine engine(String name) {
        return ServiceLoader.load(Engine.class).stream()
                .map(ServiceLoader.Provider::get)
                .filter(e -> e.name().equals(name))
                .findAny()
                .orElse(null);
    }

    /** Null, or why the test cannot run here. */
    static String skipBecause(Setup setup, EngineTest test) {
        if (ONLY != null && !ONLY.equals(setup.engine())) return "left out by -Dnestor.test.engine=" + ONLY;
        Engine engine = engine(setup.engine());
        if (engine == null) return "no engine \"" + setup.engine() + "\" on the class path";
        String reason = engine.unavailableBecause();
        if (reason != null) return "engine \"" + setup.engine() + "\" is not available: " + reason;
        if (!setup.engine().equals("kvm")) return null;
        if (!test.notOnPvm().isEmpty() && Files.isDirectory(Path.of("/sys/module/kvm_pvm")))
            return "kvm_pvm: " + test.notOnPvm();
        if (HostProcessor.AMD && !test.notOnAmd().isEmpty()) return "AMD's processor: " + test.notOnAmd();
        return !test.notOnTcg().isEmpty() && HostProcessor.QEMU && !EVEN_NOT_ON_TCG
                ? "QEMU's processor: " + test.notOnTcg()
                : null;
    }

    private record Invocation(Setup setup, EngineTest test) implements TestTemplateInvocationContext {
        @Override
        public String getDisplayName(int index) {
            return "[" + setup.name() + "]";
        }

        @Override
        public List<Extension> getAdditionalExtensions() {
            return List.of(new MachineParameter(setup, test));
        }
    }

    /** Makes the machine that the test asks for and closes it afterwards. */
    private static final class MachineParameter implements ExecutionCondition, ParameterResolver, AfterEachCallback {
        private final Setup setup;
        private final EngineTest test;
        private TestMachine machine;

        MachineParameter(Setup setup, EngineTest test) {
            this.setup = setup;
            this.test = test;
        }

        @Override
        public ConditionEvaluationResult evaluateExecutionCondition(ExtensionContext context) {
            String skip = skipBecause(setup, test);
            if (skip == null) return ConditionEvaluationResult.enabled(null);
            if (SAID.add(skip)) System.out.println("skipped: " + skip);
            return ConditionEvaluationResult.disabled(skip);
        }

        @Override
        public boolean supportsParameter(ParameterContext parameter, ExtensionContext context) {
            return parameter.getParameter().getType() == TestMachine.class;
        }

        @Override
        public Object resolveParameter(ParameterContext parameter, ExtensionContext context) {
            machine = new TestMachine(
                    engine(setup.engine()), setup.format(), test.vcpus(), test.apic(), test.instructionClock());
            return machine;
        }

        @Override
        public void afterEach(ExtensionContext context) {
            if (machine != null) machine.close();
        }
    }
}
