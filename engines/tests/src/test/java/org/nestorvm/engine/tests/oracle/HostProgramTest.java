package org.nestorvm.engine.tests.oracle;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.ServiceLoader;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.nestorvm.asm.Reg;
import org.nestorvm.paging.EntryFormat;
import org.nestorvm.vmm.Engine;

/**
 * Whole programs do on the software processor what they do on the host's. {@code -Dnestor.oracle.programs=N},
 * {@code -Dnestor.oracle.seed=S}.
 */
class HostProgramTest {
    /** Of 64 bytes each. */
    private static final int SLOTS_PER_PROGRAM = 64, BATCH = HostCpu.SLOTS / SLOTS_PER_PROGRAM, STATES = 4, SHOWN = 10;

    private final int programs = Integer.getInteger("nestor.oracle.programs", 2_000);
    private final Values values = new Values(new SplittableRandom(Long.getLong("nestor.oracle.seed", 20260102)));
    private final List<String> failures = new ArrayList<>();

    @Test
    void programsDoWhatTheyDoOnTheHost() throws Exception {
        String name = System.getProperty("nestor.oracle.engine", "soft");
        Engine engine = ServiceLoader.load(Engine.class).stream()
                .map(ServiceLoader.Provider::get)
                .filter(e -> e.name().equals(name))
                .findAny()
                .orElse(null);
        assumeTrue(engine != null && engine.unavailableBecause() == null, "no engine " + name);
        int done = 0;
        try (HostCpu host = new HostCpu();
                EngineCpu guest =
                        new EngineCpu(engine, EntryFormat.NPT, 64, host.windowAddress(), host.codeAddress(0))) {
            ProgramGenerator generator = new ProgramGenerator(values, host.windowAddress());
            for (; done < programs; done += BATCH) batch(generator, host, guest);
        }
        System.out.println("oracle: " + done + " programs, " + failures.size() + " runs differ");
        failures.stream().limit(SHOWN).forEach(System.out::println);
        assertEquals(0, failures.size());
    }

    private void batch(ProgramGenerator generator, HostCpu host, EngineCpu guest) {
        List<ProgramGenerator.Program> all = new ArrayList<>();
        for (int n = 0; n < BATCH; n++) {
            ProgramGenerator.Program p = generator.program(host.codeAddress(n * SLOTS_PER_PROGRAM));
            while (p.code().length > SLOTS_PER_PROGRAM * HostCpu.SLOT_BYTES - 5)
                p = generator.program(host.codeAddress(n * SLOTS_PER_PROGRAM));
            host.putCode(n * SLOTS_PER_PROGRAM, p.code());
            guest.putCode(n * SLOTS_PER_PROGRAM, p.code());
            all.add(p);
        }
        for (int n = 0; n < BATCH; n++)
            for (int i = 0; i < STATES; i++) run(all.get(n), n * SLOTS_PER_PROGRAM, generator, host, guest);
    }

    private void run(ProgramGenerator.Program p, int slot, ProgramGenerator generator, HostCpu host, EngineCpu guest) {
        CaseState start = new CaseState();
        for (int i = 0; i < 16; i++) start.gpr[i] = values.integer();
        start.gpr[Reg.RSP.number] = host.windowAddress() + CaseState.STACK;
        start.rflags |= values.integer() & Spec.STATUS;
        values.putIntegers(start.window, 4096, 256);
        values.putIntegers(start.fx, CaseState.FX_XMM, 256);
        generator.prepare(start);
        String difference = "";
        for (int attempt = 0; attempt < 2; attempt++) { // a signal may write below the stack of the host's run
            CaseState expected = start.copy(), actual = start.copy();
            host.run(slot, expected);
            String trouble = guest.run(slot, p.code().length, actual);
            difference = trouble != null
                    ? trouble
                    : Comparison.differences(null, p.undefined(), expected, actual, host.windowAddress());
            if (difference.isEmpty()) return;
        }
        StringBuilder from = new StringBuilder();
        for (int i = 0; i < 16; i++)
            from.append(' ').append(Reg.gpr(64, i)).append('=').append(Long.toHexString(start.gpr[i]));
        failures.add(p.text() + "\n   " + HexFormat.of().formatHex(p.code()) + "\n   " + difference + "\n    from"
                + from + " flags=" + Long.toHexString(start.rflags));
    }
}
