package org.nestorvm.engine.soft;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Set;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.TestFactory;
import org.nestorvm.engine.soft.isa.Row;
import org.nestorvm.engine.soft.isa.Table;
import org.nestorvm.engine.soft.ops.sse.SseApproximateTest;

/**
 * Every SSE, MMX and x87 instruction of the table, with operands at the edges and at random, in all rounding modes and
 * precisions, against the host's processor: registers, flags, status words and memory bit for bit, x87's transcendental
 * functions to one unit in the last place. {@code -Dnestor.oracle.cases=N} runs N cases a row instead of a sample. x87
 * exceptions are masked or not; those of SSE are masked, since the host must not trap.
 */
class FloatingOracleTest {
    private static final int CASES = Integer.getInteger("nestor.oracle.cases", 150);

    /** Tested by themselves: they move the whole state, or fault at most operands. */
    private static final Set<String> ELSEWHERE =
            Set.of("FXSAVE", "FXRSTOR", "XSAVE", "XSAVEOPT", "XRSTOR", "XGETBV", "XSETBV", "LDMXCSR");
    /** Makers of processors differ in these, and ours are Intel's: see {@link SseApproximateTest}. */
    private static final Set<String> APPROXIMATE = Set.of("RCPSS", "RCPPS", "RSQRTSS", "RSQRTPS");
    /** Which of several NaNs a sum of products gives is nowhere said, and makers differ. */
    private static final Set<String> DOT_PRODUCTS = Set.of("DPPS", "DPPD");

    private static final Set<String> TRANSCENDENTAL =
            Set.of("F2XM1", "FYL2X", "FYL2XP1", "FPTAN", "FPATAN", "FSIN", "FCOS", "FSINCOS");

    private static boolean hostIsIntel;

    @BeforeAll
    static void hostHasTheInstructions() throws IOException {
        assumeTrue(System.getProperty("os.arch").equals("amd64"), "the host is no x86-64 processor");
        String flags = Files.readString(Path.of("/proc/cpuinfo"));
        hostIsIntel = flags.contains("GenuineIntel");
        for (String needed : new String[] {" sse4_2", " aes", " pclmulqdq", " ssse3"})
            assumeTrue(flags.contains(needed), "the host lacks" + needed);
    }

    @TestFactory
    Stream<DynamicTest> instructionsAgreeWithTheHost() {
        return Table.all().stream()
                .filter(row -> Set.of("sse", "mmx", "x87").contains(row.family))
                .filter(row ->
                        !ELSEWHERE.contains(row.mnemonic) && (hostIsIntel || !APPROXIMATE.contains(row.mnemonic)))
                .map(row -> DynamicTest.dynamicTest(
                        row.toString() + (row.mod == 0 ? " memory" : row.mod == 3 ? " registers" : ""),
                        () -> agrees(row)));
    }

    private static void agrees(Row row) {
        var oracle = new FloatingOracle(row.toString().hashCode());
        if (TRANSCENDENTAL.contains(row.mnemonic)) oracle.x87Tolerance = FloatingOracle::withinOneUnit;
        oracle.nansAlike = !hostIsIntel && DOT_PRODUCTS.contains(row.mnemonic);
        boolean registersOnly = Stream.of(row.operands).anyMatch(o -> o.charAt(0) == 'U' || o.charAt(0) == 'N');
        for (int n = 0; n < CASES; n++) {
            boolean memory =
                    row.mod == 0 || row.mod < 0 && row.hasModrm && row.modrmByte < 0 && !registersOnly && n % 2 == 0;
            byte[] code = Encoding.of(row, oracle.random, memory, 16 * (n % 4));
            oracle.randomState();
            assertEquals(null, oracle.difference(code));
        }
    }
}
