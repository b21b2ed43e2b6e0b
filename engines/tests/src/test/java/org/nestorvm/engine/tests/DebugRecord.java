package org.nestorvm.engine.tests;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.nestorvm.asm.Mem.ptr;
import static org.nestorvm.asm.Reg.*;

import java.util.ArrayList;
import java.util.List;
import org.nestorvm.asm.Asm;
import org.nestorvm.asm.Label;

/** A handler of #DB in 64-bit code that writes down each of its calls. It uses R14 and R15. */
final class DebugRecord {
    static final long BT = 1 << 15, BS = 1 << 14, BD = 1 << 13, TF = 0x100, RF = 0x10000;
    private static final long HANDLER = 0x7000, RECORDS = Layout.DATA + 0x400;
    private static final int RECORD_BYTES = 24, MOST = 32;
    private static final long DR6_CLEAR = 0xffff0ff0L;

    private final TestMachine vm;

    /** @param resume the handler sets RF in its frame, as it has to after an instruction breakpoint */
    private DebugRecord(TestMachine vm, boolean resume) {
        this.vm = vm;
        Asm a = new Asm(HANDLER)
                .bits(64)
                .mov(R14, ptr(RSP))
                .mov(ptr(R15), R14)
                .mov(R14, DR6)
                .mov(ptr(R15, 8), R14);
        a.mov(R14, ptr(RSP, 16))
                .mov(ptr(R15, 16), R14)
                .add(R15, RECORD_BYTES)
                .mov(R14D, (int) DR6_CLEAR)
                .mov(DR6, R14);
        if (resume) a.or(ptr(RSP, 16).m32(), RF);
        a.cmp(R15D, RECORDS + MOST * RECORD_BYTES);
        Label end = a.label();
        a.jae(end).iretq();
        vm.load(a.bind(end).hlt());
        vm.descriptors.idt64(Expect.DB, Layout.KERNEL_CS, HANDLER, Descriptors.INTERRUPT_GATE64, 0);
        vm.cpu.dr[6] = DR6_CLEAR;
        vm.set(R15, RECORDS);
    }

    static DebugRecord of(TestMachine vm) {
        return new DebugRecord(vm, false);
    }

    static DebugRecord resuming(TestMachine vm) {
        return new DebugRecord(vm, true);
    }

    /** PUSHF, POPF: steps from after the next instruction on. */
    static Asm stepping(Asm a) {
        return a.pushfq().or(ptr(RSP).m32(), TF).popfq();
    }

    /** Three instructions, each of which is stepped once more. */
    static Asm steppingEnds(Asm a) {
        return a.pushfq().and(ptr(RSP).m32(), ~TF).popfq();
    }

    /** A call as {@link #assertCalls} wants it. @param conditions of DR6, as "BS B1"; and RF, if the frame has it */
    static String at(Label rip, String conditions) {
        return Long.toHexString(rip.address()) + ": " + conditions;
    }

    private static String conditions(long dr6, long flags) {
        List<String> names = new ArrayList<>();
        if ((dr6 & BT) != 0) names.add("BT");
        if ((dr6 & BS) != 0) names.add("BS");
        if ((dr6 & BD) != 0) names.add("BD");
        for (int n = 0; n < 4; n++) if ((dr6 & 1 << n) != 0) names.add("B" + n);
        if ((flags & RF) != 0) names.add("RF");
        return String.join(" ", names);
    }

    private List<String> calls() {
        List<String> calls = new ArrayList<>();
        for (long at = RECORDS; at < vm.get(R15); at += RECORD_BYTES) {
            String conditions = conditions(vm.memory.getLong(at + 8), vm.memory.getLong(at + 16));
            calls.add(Long.toHexString(vm.memory.getLong(at)) + ": " + conditions);
        }
        return calls;
    }

    String call(int index) {
        return calls().get(index);
    }

    /** The same, and then the steps of {@link #steppingEnds}. @param end the address after those instructions */
    void assertCallsAndSteps(Label end, String... expected) {
        List<String> all = new ArrayList<>(List.of(expected));
        for (int before : new int[] {8, 1, 0}) all.add(at(Label.of(end.address() - before), "BS"));
        assertEquals(all, calls());
    }

    /** The handler's calls so far, with the addresses in their frames. */
    void assertCalls(String... expected) {
        assertEquals(List.of(expected), calls());
    }
}
