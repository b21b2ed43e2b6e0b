package org.nestorvm.engine.tests;

import static org.assertj.core.api.Assertions.assertThat;
import static org.nestorvm.asm.Reg.EAX;
import static org.nestorvm.asm.Reg.EBX;
import static org.nestorvm.asm.Reg.ECX;
import static org.nestorvm.asm.Reg.RDX;

import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Test;
import org.nestorvm.asm.Asm;
import org.nestorvm.asm.Label;
import org.nestorvm.asm.Mem;
import org.nestorvm.engine.soft.SoftEngine;
import org.nestorvm.memory.sys.Errno;
import org.nestorvm.memory.sys.FaultPoints;
import org.nestorvm.paging.EntryFormat;

/**
 * A guest decides how many of its blocks are hot; what they take of the host is bounded, and the guest does not notice.
 */
class HotBlocksTest {
    private static final int BLOCKS = 40, ROUNDS = 100_100, ROOM_BYTES = 60_000;

    private static TestMachine machine() {
        return new TestMachine(new SoftEngine(1 << 20, ROOM_BYTES), EntryFormat.EPT, 1, false, false);
    }

    /** A loop through many blocks, each of which counts; at the end of a round code in another page is changed. */
    private static void runBlocks(TestMachine vm) {
        Assumptions.assumeTrue(
                Integer.getInteger("nestor.soft.hot") == null,
                "with every block hot at once this one would only compile");
        vm.longMode();
        vm.load(new Asm(0x3000).bits(64).mov(EAX, 1).ret());
        Asm a = vm.program().mov(RDX, 0x3000).mov(ECX, ROUNDS).xor(EBX, EBX);
        Label round = a.here();
        for (int i = 0; i < BLOCKS; i++) {
            Label next = a.label();
            a.inc(EBX).jmp(next).bind(next);
        }
        Label same = a.label();
        vm.start(a.test(ECX, 0xfff)
                .jnz(same)
                .inc(Mem.ptr(RDX, 1).m8())
                .call(RDX)
                .bind(same)
                .dec(ECX)
                .jnz(round)
                .hlt());
        Expect.halt(vm);
        Expect.reg(vm, EBX, BLOCKS * ROUNDS);
        Expect.reg(vm, ECX, 0);
    }

    private static long counter(TestMachine vm, String name) {
        String all = vm.vcpu(0).engine().counters();
        Matcher m = Pattern.compile(name + " (\\d+)").matcher(all);
        assertThat(m.find()).as(all).isTrue();
        return Long.parseLong(m.group(1));
    }

    @Test
    void roomForTheirClassesIsBounded() {
        try (TestMachine vm = machine()) {
            runBlocks(vm);
            assertThat(counter(vm, "compiled")).isGreaterThanOrEqualTo(BLOCKS);
            assertThat(counter(vm, "compiled KB of the machine")).isBetween(1L, (long) ROOM_BYTES >> 10);
            assertThat(counter(vm, "given up")).isGreaterThanOrEqualTo(BLOCKS * 5_800 / ROOM_BYTES);
        }
    }

    @Test
    void blockWithoutAClassIsInterpreted() {
        try (TestMachine vm = machine();
                FaultPoints.Plan plan = FaultPoints.failAll("class of a hot block", Errno.ENOMEM)) {
            runBlocks(vm);
            assertThat(plan.fired()).isTrue();
            assertThat(counter(vm, "compiled KB of the machine")).isZero();
        }
    }
}
