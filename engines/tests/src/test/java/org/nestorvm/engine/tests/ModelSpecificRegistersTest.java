package org.nestorvm.engine.tests;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.nestorvm.asm.Mem.ptr;
import static org.nestorvm.asm.Reg.*;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Scanner;
import org.nestorvm.asm.Asm;
import org.nestorvm.asm.Label;

/**
 * The architectural model-specific registers of SDM vol. 4, table 2-2: each is there, or the CPUID bit that tells of it
 * is not. The list is {@code msrs.txt}; it has what the manual has, and not what this processor has.
 */
class ModelSpecificRegistersTest {
    private static final int RDMSR_BYTES = 2;

    /** One line of the list. */
    private record Row(int first, int last, String access, String condition, String name) {
        static Row parse(String line) {
            String[] words = line.trim().split("\\s+", 4);
            String[] range = words[0].split("-");
            return new Row(
                    Integer.parseUnsignedInt(range[0], 16),
                    Integer.parseUnsignedInt(range[range.length - 1], 16),
                    words[1],
                    words[2],
                    words[3]);
        }
    }

    private static List<Row> rows() {
        List<Row> rows = new ArrayList<>();
        try (Scanner lines = new Scanner(ModelSpecificRegistersTest.class.getResourceAsStream("msrs.txt"))) {
            while (lines.hasNextLine()) {
                String line = lines.nextLine();
                if (!line.isBlank() && !line.startsWith("#")) rows.add(Row.parse(line));
            }
        }
        return rows;
    }

    private static long[] cpuid(TestMachine vm, long leaf, long subleaf) {
        vm.start(vm.program().mov(EAX, leaf).mov(ECX, subleaf).cpuid().hlt());
        Expect.halt(vm);
        return new long[] {vm.get(EAX), vm.get(EBX), vm.get(ECX), vm.get(EDX)};
    }

    /** RDMSR; null when it faults. */
    private static Long read(TestMachine vm, int msr) {
        vm.cpu.gpr[4] = Layout.STACK;
        Asm a = vm.program().mov(ECX, msr & 0xffffffffL);
        Label at = a.here();
        vm.start(a.rdmsr().hlt());
        return result(vm, at) ? vm.get(EDX) << 32 | vm.get(EAX) : null;
    }

    private static boolean write(TestMachine vm, int msr, long value) {
        vm.cpu.gpr[4] = Layout.STACK;
        Asm a = vm.program()
                .mov(ECX, msr & 0xffffffffL)
                .mov(EAX, value & 0xffffffffL)
                .mov(EDX, value >>> 32);
        Label at = a.here();
        vm.start(a.wrmsr().hlt());
        return result(vm, at);
    }

    /** Whether the guest came to its HLT, behind the instruction at {@code at}; else the instruction was #GP(0). */
    private static boolean result(TestMachine vm, Label at) {
        Event e = vm.run();
        if (e instanceof Event.Halt h) {
            assertEquals(at.address() + RDMSR_BYTES + 1, h.rip());
            return true;
        }
        assertTrue(
                e instanceof Event.Fault f && f.vector() == Expect.GP && f.errorCode() == 0 && f.rip() == at.address(),
                e.toString());
        return false;
    }

    // ---- conditions ----

    private static final List<String> REGISTERS = List.of("EAX", "EBX", "ECX", "EDX");

    /** What CPUID said, by leaf and subleaf. */
    private final Map<String, long[]> leaves = new HashMap<>();

    /** {@code always}, {@code never}, or terms joined by {@code |} and, closer, by {@code &}. */
    private boolean holds(TestMachine vm, String condition, int n) {
        for (String either : condition.split("\\|")) {
            boolean all = true;
            for (String term : either.split("&")) all &= term(vm, term, n);
            if (all) return true;
        }
        return false;
    }

    /**
     * {@code leaf.subleaf.REG[bit]}, {@code leaf.subleaf.REG[high:low]>n} with the register's place in its row as n,
     * and {@code msr:number[bit]} or {@code msr:number[high:low]>n}.
     */
    private boolean term(TestMachine vm, String term, int n) {
        if (!term.contains("[")) return term.equals("always");
        String field = term.substring(term.indexOf('[') + 1, term.indexOf(']'));
        String source = term.substring(0, term.indexOf('['));
        String[] bits = field.split(":");
        int high = Integer.parseInt(bits[0]), low = Integer.parseInt(bits[bits.length - 1]);
        long value = value(vm, source) >>> low & (1L << high - low + 1) - 1;
        return term.endsWith(">n") ? value > n : value != 0;
    }

    private long value(TestMachine vm, String source) {
        if (source.startsWith("msr:")) {
            Long value = read(vm, Integer.parseInt(source.substring(4), 16));
            return value == null ? 0 : value;
        }
        String[] words = source.split("\\.");
        long leaf = Long.parseLong(words[0], 16), subleaf = Long.parseLong(words[1], 16);
        long[] registers = leaves.computeIfAbsent(words[0] + "." + subleaf, _ -> leaf(vm, leaf, subleaf));
        return registers[REGISTERS.indexOf(words[2])];
    }

    /** Zeroes for a leaf that is beyond the last one: it would show another's contents. */
    private static long[] leaf(TestMachine vm, long leaf, long subleaf) {
        return Long.compareUnsigned(cpuid(vm, leaf & 0x80000000L, 0)[0], leaf) < 0
                ? new long[4]
                : cpuid(vm, leaf, subleaf);
    }

    @EngineTest(only = "soft", apic = true)
    void eachArchitecturalRegisterIsThereOrItsCpuidBitIsNot(TestMachine vm) {
        vm.longMode();
        assertEquals(6, cpuid(vm, 1, 0)[0] >>> 8 & 15, "the list is that of family 6");
        walk(vm);
    }

    @EngineTest(only = "soft", apic = true)
    void soItIsInX2ApicMode(TestMachine vm) {
        vm.longMode();
        assertTrue(write(vm, 0x1b, read(vm, 0x1b) | 0x400));
        walk(vm);
    }

    private void walk(TestMachine vm) {
        List<String> wrong = new ArrayList<>();
        int there = 0;
        for (Row row : rows()) {
            for (int msr = row.first; msr <= row.last; msr++) {
                boolean expected = holds(vm, row.condition, msr - row.first);
                if (expected) there++;
                check(vm, row, msr, expected, wrong);
            }
        }
        assertEquals(List.of(), wrong);
        assertTrue(there > 60, "the list tells of " + there + " registers");
    }

    /**
     * {@code rw} can be read and takes back what was read; {@code r} can be read only; {@code w} written only, with 0.
     */
    private static void check(TestMachine vm, Row row, int msr, boolean expected, List<String> wrong) {
        String name = Integer.toHexString(msr) + "h " + row.name + ", " + row.condition + ": ";
        Long value = read(vm, msr);
        if ((value != null) != (expected && row.access.contains("r")))
            wrong.add(name + (value == null ? "cannot be read" : "can be read"));
        boolean writable = write(vm, msr, value == null ? 0 : value);
        if (!row.access.contains("l") && writable != (expected && row.access.contains("w")))
            wrong.add(name + (writable ? "can be written" : "cannot be written"));
    }

    @EngineTest(only = "soft", apic = true)
    void reservedBitsFault(TestMachine vm) {
        vm.longMode();
        assertTrue(write(vm, 0x1b, read(vm, 0x1b) | 0x400), "to x2APIC mode");
        long[][] cases = {
            {0x48, 1 << 2},
            {0x49, 2},
            {0x17a, 8},
            {0x199, 1 << 16},
            {0x1d9, 4},
            {0x200, 2},
            {0x200, 1L << 46},
            {0x201, 1 << 10},
            {0x250, 2},
            {0x2ff, 1 << 8},
            {0x277, 2},
            {0x808, 0x100},
            {0x80b, 1},
            {0x80f, 0x400},
            {0x82f, 0x800},
            {0x830, 1 << 13},
            {0x832, 1 << 8},
            {0x833, 1 << 13},
            {0x835, 1 << 17},
            {0x838, 1L << 32},
            {0x83e, 4},
            {0x83f, 0x141},
            {0xc0000103L, 1L << 32},
        };
        for (long[] each : cases)
            assertEquals(
                    false,
                    write(vm, (int) each[0], each[1]),
                    Long.toHexString(each[0]) + "h takes " + Long.toHexString(each[1]));
    }

    /** Seven entries are reported, so that the one of CMCI is among them. */
    @EngineTest(only = "soft", apic = true)
    void theEntryOfCmciIsThere(TestMachine vm) {
        vm.longMode();
        assertTrue(write(vm, 0x1b, read(vm, 0x1b) | 0x400) && write(vm, 0x80f, 0x1ff));
        assertEquals(6, read(vm, 0x803) >>> 16 & 0xff);
        assertEquals(0x10000, read(vm, 0x82f));
        assertTrue(write(vm, 0x82f, 0xf9));
        assertEquals(0xf9, read(vm, 0x82f));
    }

    /** What a hypervisor asks an Intel processor for: the revision of its microcode, its platform, its speed. */
    @EngineTest(only = "soft")
    void identityOfTheModel(TestMachine vm) {
        vm.longMode();
        assertTrue(write(vm, 0x8b, 0));
        assertEquals(1L << 32, read(vm, 0x8b));
        assertEquals(0, read(vm, 0x17));
        long megahertz = cpuid(vm, 0x16, 0)[0];
        assertEquals(megahertz / 100, read(vm, 0xce) >>> 8 & 0xff);
        assertEquals(megahertz / 100, read(vm, 0x198) >>> 8 & 0xff);
    }

    /** IA32_DEBUGCTL.BTF: single steps are on branches, once. */
    @EngineTest(only = "soft")
    void singleStepsMayBeOnBranchesOnly(TestMachine vm) {
        vm.longMode();
        assertTrue(write(vm, 0x1d9, 3));
        assertEquals(2, read(vm, 0x1d9), "last branches are not recorded");
        vm.cpu.gpr[4] = Layout.STACK;
        Asm a = vm.program().mov(ECX, 2).pushfq().or(ptr(RSP).m32(), 0x100).popfq();
        Label loop = a.here();
        a.nop().dec(ECX).nop().jnz(loop);
        vm.start(a.hlt());
        Expect.fault(vm, Expect.DB, Expect.NONE, loop);
        Expect.reg(vm, ECX, 1);
        assertEquals(0, read(vm, 0x1d9), "#DB clears it");
    }
}
