package org.nestorvm.engine.tests.oracle;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;
import static org.nestorvm.asm.Reg.*;

import java.util.List;
import java.util.SplittableRandom;
import java.util.function.Consumer;
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
    void hostExecutes32BitCode() throws Exception {
        assumeTrue(HostCpu.runs32BitCode(), "this kernel runs no 32-bit code");
        try (HostCpu host = new HostCpu(32)) {
            CaseState s = new CaseState();
            s.gpr[0] = 0x19;
            s.gpr[4] = host.windowAddress() + CaseState.STACK;
            host.putCode(3, new Asm(0).bits(32).db(0x40).daa().push(EAX).assemble()); // 40h is INC EAX here
            host.run(3, s);
            assertEquals(0x20, s.gpr[0]);
            assertEquals(0x20, s.window.getInt(CaseState.STACK - 4));
        }
    }

    @Test
    void comparisonSeesOneWrongBitAnywhere() throws Exception {
        Values values = new Values(new SplittableRandom(1));
        Generator generator = new Generator(values, 64, 0x10000, false);
        Variant shift = generator
                .variants(
                        Spec.read().stream()
                                .filter(s -> s.name().equals("shl"))
                                .findAny()
                                .orElseThrow(),
                        _ -> 0x1000)
                .getFirst();
        CaseState right = new CaseState();
        assertEquals("", Comparison.differences(shift, right, right, right.copy(), 0));
        List<Consumer<CaseState>> wrongs = List.of(
                s -> s.gpr[9] ^= 1L << 40,
                s -> s.rflags ^= Spec.ZF,
                s -> s.rflags ^= Spec.DF,
                s -> s.fx.put(CaseState.FX_XMM + 77, (byte) 1),
                s -> s.fx.put(CaseState.FX_ST + 9, (byte) 1),
                s -> s.fx.putInt(CaseState.FX_MXCSR, 0x1f81),
                s -> s.fx.put(CaseState.FX_FTW, (byte) 1),
                s -> s.window.put(4711, (byte) 1));
        for (Consumer<CaseState> wrong : wrongs) {
            CaseState other = right.copy();
            wrong.accept(other);
            assertFalse(Comparison.differences(shift, right, right, other, 0).isEmpty());
        }
    }

    @Test
    void everyGeneratedInstructionRunsOnTheHost() throws Exception {
        int count = 0;
        try (HostCpu host = new HostCpu()) {
            Values values = new Values(new SplittableRandom(1));
            Generator generator = new Generator(values, 64, host.windowAddress(), host.below2GiB());
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
