package org.nestorvm.engine.tests.oracle;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.nestorvm.asm.Reg.*;

import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.nestorvm.asm.Asm;

class HostCpuTest {
    @Test
    void hostExecutesAnInstruction() throws Exception {
        try (HostCpu host = new HostCpu()) {
            CaseState s = new CaseState();
            s.gpr[0] = Long.MAX_VALUE;
            s.gpr[3] = 1;
            s.gpr[4] = host.windowAddress() + CaseState.STACK;
            host.putCode(7, new Asm(0).bits(64).add(RAX, RBX).push(RAX).assemble());
            host.run(7, s);
            assertEquals(Long.MIN_VALUE, s.gpr[0]);
            assertEquals(1, s.gpr[3]);
            assertEquals(Spec.OF | Spec.SF | Spec.AF | Spec.PF, s.rflags & Spec.STATUS);
            assertEquals(Long.MIN_VALUE, s.window.getLong(CaseState.STACK - 8));
            assertEquals(host.windowAddress() + CaseState.STACK - 8, s.gpr[4]);
        }
    }

    @Test
    void everyGeneratedInstructionRunsOnTheHost() throws Exception {
        int count = 0;
        try (HostCpu host = new HostCpu()) {
            Values values = new Values(new SplittableRandom(1));
            Generator generator = new Generator(values, host.windowAddress(), host.below2GiB());
            for (Spec spec : Spec.read()) {
                for (int round = 0; round < 3; round++) {
                    for (Variant v : generator.variants(spec, _ -> host.codeAddress(0))) {
                        CaseState s = v.start(values, host.windowAddress());
                        if (s == null) continue;
                        if (Boolean.getBoolean("nestor.oracle.verbose")) System.out.println(v.text());
                        host.putCode(0, v.code());
                        host.run(0, s);
                        count++;
                    }
                }
            }
        }
        assertTrue(count > 3000, "ran " + count);
        System.out.println("oracle: host ran " + count + " instructions");
    }
}
