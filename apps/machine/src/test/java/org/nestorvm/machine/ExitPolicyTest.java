package org.nestorvm.machine;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;

import org.junit.jupiter.api.Test;
import org.nestorvm.vmm.Exit;

/** Every exit has one defined result, also those that no machine produces on request. */
class ExitPolicyTest {
    private static Outcome end(Exit exit) {
        return assertInstanceOf(ExitPolicy.Step.End.class, ExitPolicy.step(1, exit))
                .outcome();
    }

    @Test
    void p26_goingOn() {
        assertInstanceOf(ExitPolicy.Step.Continue.class, ExitPolicy.step(0, new Exit.Interrupted()));
        assertInstanceOf(ExitPolicy.Step.Park.class, ExitPolicy.step(0, new Exit.HaltForever()));
    }

    @Test
    void p26_ends() {
        assertEquals(Outcome.Kind.RESET, end(new Exit.Shutdown()).kind());
        for (Exit exit : new Exit[] {
            new Exit.Halt(),
            new Exit.Debug(0x1234),
            new Exit.FailEntry(7),
            new Exit.InternalError(1, "what"),
            new Exit.Unknown(48)
        }) {
            Outcome outcome = end(exit);
            assertEquals(Outcome.Kind.FAILED, outcome.kind());
            assertThat(outcome.detail()).startsWith("virtual CPU 1: ").doesNotContain("\n");
        }
        assertThat(end(new Exit.Debug(0x1234)).detail()).contains("0x1234");
    }

    @Test
    void census() {
        assertThat(new HaltCensus(1).observe(0, true)).isTrue();
        HaltCensus two = new HaltCensus(2);
        assertThat(two.isOpen()).isFalse();
        for (int i = 0; i < 5; i++) assertThat(two.observe(0, true)).isFalse();
        assertThat(two.isOpen()).isTrue();
        two.observe(1, true);
        two.observe(1, false);
        assertThat(two.observe(1, true)).isFalse();
        assertThat(two.observe(1, true)).isFalse();
        assertThat(two.observe(1, true)).isTrue();
    }
}
