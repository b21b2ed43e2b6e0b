package org.nestorvm.memory.sys;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;

class PrimitiveTest {
    /** The kernel's own version says what must be there; a distribution may have more, by backport, never less. */
    @Test
    void probesAgreeWithTheKernelsVersion() throws Exception {
        assumeTrue(System.getProperty("nestor.without", "").isEmpty(), "nestor.without switches primitives off");
        String[] release =
                Files.readString(Path.of("/proc/sys/kernel/osrelease")).split("[.\\-+]");
        int version = Integer.parseInt(release[0]) * 1000 + Integer.parseInt(release[1].trim());
        if (version >= 6010) assertThat(Primitive.MSEAL.present()).as("mseal").isTrue();
        if (version >= 6003)
            assertThat(Primitive.NOEXEC_SEAL.present()).as("noexec-seal").isTrue();
        if (version >= 5014)
            assertThat(Primitive.POPULATE_WRITE.present()).as("populate-write").isTrue();
        assertThat(Primitive.DONTDUMP.present()).isTrue();
        assertThat(Primitive.DONTFORK.present()).isTrue();
        assertThat(Primitive.OFD_LOCKS.present()).isTrue();
    }

    @Test
    void whatTheKernelDoesNotKnowIsFoundMissing() {
        assertEquals(-Errno.EINVAL, MemoryCalls.tryMadvise(0, 0, 4711), "the way MADV_ advice is probed");
        assertThat(MemoryCalls.tryMemfdCreate("unknown-flag", 0x4000)).isEqualTo(-Errno.EINVAL);
    }

    @Test
    void reportTellsEachAndItsFallback() {
        boolean before = Primitive.MSEAL.present();
        try (Primitive.Absence _ = Primitive.MSEAL.assumeAbsent()) {
            assertFalse(Primitive.MSEAL.present());
            assertThat(Primitive.report())
                    .contains("mseal            no ")
                    .contains("instead: " + Primitive.MSEAL.fallback());
        }
        assertEquals(before, Primitive.MSEAL.present());
        assertThat(Primitive.report().lines())
                .hasSize(Primitive.values().length)
                .allMatch(line -> line.matches("[a-z-]+ +(yes|no ) .*Linux.*|hugepage-advice .*"));
    }

    @Test
    void commandLineSwitchesOneOff() throws Exception {
        Process java = new ProcessBuilder(
                        Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                        "--enable-native-access=ALL-UNNAMED",
                        "-XX:+UseSerialGC",
                        "-Dnestor.without=mseal,populate-write",
                        "-cp",
                        System.getProperty("java.class.path"),
                        Report.class.getName())
                .redirectErrorStream(true)
                .start();
        assertThat(java.inputReader().lines())
                .anyMatch(line -> line.startsWith("mseal            no "))
                .anyMatch(line -> line.startsWith("populate-write   no "))
                .anyMatch(line -> line.startsWith("dontdump         yes"));
        assertEquals(0, java.waitFor());
    }

    /** Main class of that process. */
    static final class Report {
        private Report() {}

        public static void main(String[] arguments) {
            System.out.println(Primitive.report());
        }
    }
}
