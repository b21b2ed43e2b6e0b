package org.nestorvm.engine.tests.oracle;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.ServiceLoader;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.TreeMap;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.nestorvm.engine.tests.HostProcessor;
import org.nestorvm.paging.EntryFormat;
import org.nestorvm.vmm.Engine;

/**
 * The software processor and KVM go from the same states to the same states: registers, memory and what surrounds them,
 * instruction by instruction, in 16, 32 and 64-bit code. Where no hardware is behind KVM (kvm_pvm) an emulator stands
 * for it, which does not know all instructions: those are left out.
 */
class EnginesAgreeTest {
    private static final String GROUPS =
            "alu|logic|not|incdec|multiply|divide|shift|rotate|bit|move|flag|condition|decimal|stack|string";
    /**
     * Of these KVM's emulator does not have the first, and gives the others flags that no processor gives:
     * {@link HostOracleTest} has them right.
     */
    private static final String NOT_COMPARED = "movbe|aam|aad";
    /**
     * What QEMU 7.2 decodes wrongly: in 16-bit code CRC32 takes the prefix 66 for 16 bits; and an address relative to
     * RIP does not count the immediate byte of SHLD and SHRD.
     */
    private static final Map<Integer, String> NOT_ON_QEMU = Map.of(16, "crc32 r32,rm(16|32)", 64, "sh[lr]d rm.*,imm8");

    private static final int STATES = Integer.getInteger("nestor.oracle.states", 1), SHOWN = 30;

    private final Values values = new Values(new SplittableRandom(Long.getLong("nestor.oracle.seed", 20260103)));
    private final Set<String> unknownToKvm = new HashSet<>();
    private final Map<String, String> failures = new TreeMap<>();
    private EngineCpu kvm;
    private int done;

    private static Engine engine(String name) {
        Map<String, Engine> engines = new HashMap<>();
        ServiceLoader.load(Engine.class).forEach(e -> engines.put(e.name(), e));
        Engine engine = engines.get(name);
        assumeTrue(engine != null, "no engine " + name);
        assumeTrue(engine.unavailableBecause() == null, () -> name + ": " + engine.unavailableBecause());
        return engine;
    }

    @ParameterizedTest
    @ValueSource(ints = {16, 32, 64})
    void sameStatesFollow(int mode) throws Exception {
        long window = mode == 16 ? EngineCpu.REAL_WINDOW : 0x5a00_0000L, code = mode == 16 ? 0 : 0x5a10_0000L;
        List<Spec> specs = Spec.read().stream()
                .filter(s -> s.group().matches(GROUPS) && !s.name().matches(NOT_COMPARED))
                .toList();
        Generator generator = new Generator(values, mode, window, true);
        kvm = new EngineCpu(engine("kvm"), EntryFormat.EPT, mode, window, code);
        try (EngineCpu soft = new EngineCpu(engine("soft"), EntryFormat.NPT, mode, window, code)) {
            int slot = 0;
            for (Spec spec : specs) {
                int first = slot;
                for (Variant v : generator.variants(
                        spec, n -> code + (long) (first + n) % EngineCpu.REAL_SLOTS * HostCpu.SLOT_BYTES)) {
                    compare(v, mode, slot++ % EngineCpu.REAL_SLOTS, window, code, soft);
                }
            }
        } finally {
            kvm.close();
        }
        System.out.println("engines: " + done + " cases of " + mode + "-bit code alike, " + failures.size()
                + " forms differ, left out " + unknownToKvm);
        failures.values().stream().limit(SHOWN).forEach(System.out::println);
        assertEquals(Set.of(), failures.keySet());
        assertTrue(done > 300, "compared " + done);
    }

    private void compare(Variant v, int mode, int slot, long window, long code, EngineCpu soft) throws IOException {
        if (HostProcessor.QEMU && v.form().matches(NOT_ON_QEMU.getOrDefault(mode, ""))) return;
        soft.putCode(slot, v.code());
        kvm.putCode(slot, v.code());
        for (int i = 0; i < STATES && !unknownToKvm.contains(v.form()); i++) {
            CaseState start = v.start(values, window);
            if (start == null) continue;
            if (mode != 64) for (int r = 0; r < 16; r++) start.gpr[r] &= r < 8 ? 0xffffffffL : 0;
            CaseState expected = start.copy(), actual = start.copy();
            String theirs = kvm.run(slot, v.code().length, expected);
            if (theirs != null && theirs.contains("InternalError")) {
                unknownToKvm.add(v.form());
                kvm.close(); // its processor cannot go on
                kvm = new EngineCpu(engine("kvm"), EntryFormat.EPT, mode, window, code);
                return;
            }
            String ours = soft.run(slot, v.code().length, actual);
            String difference = theirs != null || ours != null
                    ? "soft " + ours + ", kvm " + theirs
                    : Comparison.differences(v, start, expected, actual, window);
            if (difference.isEmpty() && !soft.systemState().equals(kvm.systemState()))
                difference = "\n  soft " + soft.systemState() + "\n  kvm  " + kvm.systemState();
            if (difference.isEmpty()) done++;
            else
                failures.putIfAbsent(
                        v.form(),
                        v.text() + " {" + java.util.HexFormat.of().formatHex(v.code()) + "}: " + difference + " flags="
                                + Long.toHexString(start.rflags) + " rcx=" + Long.toHexString(start.gpr[1]));
        }
    }
}
