package org.nestorvm.engine.tests.oracle;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.ServiceLoader;
import java.util.SplittableRandom;
import java.util.TreeMap;
import org.junit.jupiter.api.Test;
import org.nestorvm.asm.Reg;
import org.nestorvm.paging.EntryFormat;
import org.nestorvm.vmm.Engine;

/**
 * The software processor does what the host's own processor does: every form of every instruction of
 * {@code instructions.txt}, with operands at the edges and in between.
 *
 * <p>{@code -Dnestor.oracle.cases=N} runs about N cases (a sample otherwise), {@code -Dnestor.oracle.seed=S} others,
 * {@code -Dnestor.oracle.only=REGEX} only those instructions, {@code -Dnestor.oracle.engine=kvm} compares another
 * engine.
 */
class HostOracleTest {
    private static final int STATES_PER_INSTRUCTION = 4, SHOWN = 60;

    private final long cases = Long.getLong("nestor.oracle.cases", 20_000);
    private final String only = System.getProperty("nestor.oracle.only", ".*");
    private final SplittableRandom random = new SplittableRandom(Long.getLong("nestor.oracle.seed", 20260101));
    private final Values values = new Values(random);
    private final Map<String, long[]> coverage = new TreeMap<>();
    private final Map<String, String> failures = new TreeMap<>();
    private long done, failed;

    @Test
    void instructionsDoWhatTheyDoOnTheHost() throws Exception {
        compareAll(64);
    }

    @Test
    void instructionsOf32BitCodeDoWhatTheyDoOnTheHost() throws Exception {
        assumeTrue(HostCpu.runs32BitCode(), "this kernel runs no 32-bit code");
        compareAll(32);
    }

    private void compareAll(int mode) throws Exception {
        String name = System.getProperty("nestor.oracle.engine", "soft");
        Engine engine = ServiceLoader.load(Engine.class).stream()
                .map(ServiceLoader.Provider::get)
                .filter(e -> e.name().equals(name))
                .findAny()
                .orElse(null);
        assumeTrue(engine != null && engine.unavailableBecause() == null, "no engine " + name);
        List<Spec> specs =
                Spec.read().stream().filter(s -> s.name().matches(only)).toList();
        try (HostCpu host = new HostCpu(mode);
                EngineCpu guest =
                        new EngineCpu(engine, EntryFormat.EPT, mode, host.windowAddress(), host.codeAddress(0))) {
            do round(specs, mode, host, guest);
            while (done < cases && !specs.isEmpty());
        }
        coverage.forEach((group, n) -> System.out.printf(
                "oracle: " + mode + "-bit %-12s %5d forms %8d cases %6d differ%n", group, n[0], n[1], n[2]));
        failures.values().stream().limit(SHOWN).forEach(System.out::println);
        assertEquals(0, failed, failures.size() + " forms of " + done + " cases differ: " + failures.keySet());
        assertTrue(done > 0);
    }

    /** Every form once, each with several states. */
    private void round(List<Spec> specs, int mode, HostCpu host, EngineCpu guest) {
        Generator generator = new Generator(values, mode, host.windowAddress(), host.below2GiB());
        List<Variant> variants = new ArrayList<>();
        for (Spec spec : specs) {
            // the slot's address is known only now: instructions relative to RIP are encoded for it
            int slot = variants.size();
            for (Variant v : generator.variants(spec, n -> host.codeAddress(slot + n))) {
                host.putCode(variants.size(), v.code());
                guest.putCode(variants.size(), v.code());
                variants.add(v);
            }
        }
        boolean first = done == 0;
        for (int slot = 0; slot < variants.size(); slot++) {
            Variant v = variants.get(slot);
            long[] counts = coverage.computeIfAbsent(v.spec().group(), _ -> new long[3]);
            if (first) counts[0]++;
            for (int i = 0; i < STATES_PER_INSTRUCTION; i++) {
                CaseState start = v.start(values, host.windowAddress());
                if (start == null) continue;
                // 32-bit code leaves the upper halves undefined
                if (mode == 32) for (int r = 0; r < 16; r++) start.gpr[r] &= 0xffffffffL;
                counts[1]++;
                done++;
                String difference = compare(v, slot, start, host, guest);
                if (difference == null) continue;
                counts[2]++;
                failed++;
                failures.putIfAbsent(v.form(), difference);
            }
        }
    }

    /**
     * Null, or the difference. A signal to this process that hits the host's run writes below its stack pointer: so
     * once more, to be sure.
     */
    private static String compare(Variant v, int slot, CaseState start, HostCpu host, EngineCpu guest) {
        String difference = "";
        for (int attempt = 0; attempt < 2; attempt++) {
            CaseState expected = start.copy(), actual = start.copy();
            host.run(slot, expected);
            String trouble = guest.run(slot, v.code().length, actual);
            difference = trouble != null
                    ? " " + trouble
                    : Comparison.differences(v, start, expected, actual, host.windowAddress());
            if (difference.isEmpty()) return null;
        }
        StringBuilder inputs = new StringBuilder();
        for (int i = 0; i < 16; i++)
            inputs.append(' ').append(Reg.gpr(64, i)).append('=').append(Long.toHexString(start.gpr[i]));
        inputs.append(" flags=")
                .append(Long.toHexString(start.rflags))
                .append(" mxcsr=")
                .append(Integer.toHexString(start.fx.getInt(CaseState.FX_MXCSR)));
        return v.text() + " {" + HexFormat.of().formatHex(v.code()) + "}:" + difference + "\n      from" + inputs
                + operands(v, start);
    }

    /** Vector and memory operands. */
    private static String operands(Variant v, CaseState start) {
        StringBuilder s = new StringBuilder();
        for (var o : v.operands()) {
            if (!(o instanceof Reg r) || r.kind != Reg.Kind.XMM) continue;
            int at = CaseState.FX_XMM + 16 * r.number;
            s.append(' ')
                    .append(r)
                    .append('=')
                    .append(String.format("%016x_%016x", start.fx.getLong(at + 8), start.fx.getLong(at)));
        }
        if (v.target() >= 0)
            s.append(" mem=")
                    .append(String.format(
                            "%016x_%016x", start.window.getLong(v.target() + 8), start.window.getLong(v.target())));
        if (v.spec().has("x87") || v.spec().has("mmx")) {
            s.append(" fcw=")
                    .append(Integer.toHexString(start.fx.getShort(0) & 0xffff))
                    .append(" fsw=")
                    .append(Integer.toHexString(start.fx.getShort(2) & 0xffff))
                    .append(" ftw=")
                    .append(Integer.toHexString(start.fx.get(4) & 0xff));
            for (int i = 0; i < 8; i++)
                s.append(" st")
                        .append(i)
                        .append('=')
                        .append(String.format(
                                "%04x.%016x",
                                start.fx.getShort(CaseState.FX_ST + 16 * i + 8) & 0xffff,
                                start.fx.getLong(CaseState.FX_ST + 16 * i)));
        }
        return s.toString();
    }
}
