package org.nestorvm.engine.tests;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.nestorvm.asm.Reg.AL;
import static org.nestorvm.asm.Reg.AX;
import static org.nestorvm.asm.Reg.BX;
import static org.nestorvm.asm.Reg.CX;
import static org.nestorvm.asm.Reg.DI;
import static org.nestorvm.asm.Reg.DX;
import static org.nestorvm.asm.Reg.EAX;
import static org.nestorvm.asm.Reg.EBX;
import static org.nestorvm.asm.Reg.ECX;
import static org.nestorvm.asm.Reg.EDI;
import static org.nestorvm.asm.Reg.EDX;
import static org.nestorvm.asm.Reg.ESI;
import static org.nestorvm.asm.Reg.RAX;
import static org.nestorvm.asm.Reg.RBX;
import static org.nestorvm.asm.Reg.RCX;
import static org.nestorvm.asm.Reg.RDI;
import static org.nestorvm.asm.Reg.RDX;
import static org.nestorvm.asm.Reg.RSI;
import static org.nestorvm.asm.Reg.SI;

import java.util.List;
import java.util.function.Consumer;
import java.util.function.UnaryOperator;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Test;
import org.nestorvm.asm.Asm;
import org.nestorvm.asm.Mem;
import org.nestorvm.paging.EntryFormat;
import org.nestorvm.vmm.CpuState;

/**
 * One program on both engines, and the whole state compared after each of its instructions: each engine is the other's
 * oracle.
 */
class EnginesAgreeTest {
    /** CF PF ZF SF TF IF DF OF, IOPL, NT, RF, VM, AC, ID. Not AF: TEST leaves it undefined, and makers differ. */
    private static final long FLAGS = 0x277fc7;
    /**
     * In the access rights: what the descriptor says, without what the processor adds for a segment that cannot be
     * used.
     */
    private static final int RIGHTS = 0xf0ff, UNUSABLE = 1 << 16;

    private static final List<UnaryOperator<Asm>> LONG_MODE = List.of(
            a -> a.mov(RAX, 0x123456789abcdef0L),
            a -> a.mov(RBX, -7),
            a -> a.add(RAX, RBX),
            a -> a.adc(RBX, 5),
            a -> a.mov(RCX, 3),
            a -> a.sub(RCX, 3),
            a -> a.xor(EDX, EDX),
            a -> a.mov(ECX, 1000),
            a -> a.div(RCX).test(RAX, RAX),
            a -> a.bswap(RAX),
            a -> a.push(RAX),
            a -> a.pop(RSI),
            a -> a.imul(RBX, RSI).test(RBX, RBX),
            a -> a.mov(RDI, Layout.DATA),
            a -> a.mov(Mem.ptr(RDI), RBX),
            a -> a.xchg(Mem.ptr(RDI), RAX),
            a -> a.cmpxchg(Mem.ptr(RDI), RCX),
            a -> a.lea(RSI, Mem.ptr(RDI, 0x40)),
            a -> a.mov(ECX, 8),
            a -> a.rep().stosb(),
            a -> a.cmp(AL, 0x12),
            a -> a.neg(RAX),
            a -> a.shl(RAX, 1),
            a -> a.sar(RAX, 1),
            a -> a.not(RBX),
            a -> a.mov(EAX, 0x80000000L),
            a -> a.cdqe(),
            a -> a.cqo(),
            a -> a.std(),
            a -> a.cld(),
            a -> a.mov(ECX, 0xc0000102L),
            a -> a.rdmsr(),
            a -> a.mov(EAX, 0x4000),
            a -> a.wrmsr(),
            a -> a.swapgs(),
            a -> a.mov(RDX, 0),
            a -> a.setz(AL),
            a -> a.movzx(EBX, AL),
            a -> a.bsr(RBX, RDI).test(RBX, RBX));

    private static final List<UnaryOperator<Asm>> REAL_MODE = List.of(
            a -> a.mov(AX, 0x1234),
            a -> a.mov(BX, 0xff00),
            a -> a.add(AX, BX),
            a -> a.adc(BX, 1),
            a -> a.push(AX),
            a -> a.pop(CX),
            a -> a.mov(DX, 7),
            a -> a.mul(DX).test(AX, AX),
            a -> a.mov(DI, 0x3000),
            a -> a.mov(SI, 0x1000),
            a -> a.mov(CX, 5),
            a -> a.rep().movsb(),
            a -> a.sub(AX, 0x7fff),
            a -> a.sbb(BX, 3),
            a -> a.xor(DX, DX),
            a -> a.inc(DX),
            a -> a.shr(BX, 1),
            a -> a.mov(EAX, 0x89abcdefL),
            a -> a.bswap(EAX),
            a -> a.cwde(),
            a -> a.std(),
            a -> a.cld());

    private static final List<UnaryOperator<Asm>> PROTECTED_MODE = List.of(
            a -> a.mov(EAX, 0x7fffffff),
            a -> a.mov(EBX, 2),
            a -> a.add(EAX, EBX),
            a -> a.sbb(EBX, 0x10),
            a -> a.mul(EBX).test(EAX, EAX),
            a -> a.push(EAX),
            a -> a.pop(ECX),
            a -> a.mov(EDI, Layout.DATA),
            a -> a.mov(Mem.ptr(EDI), ECX),
            a -> a.add(Mem.ptr(EDI).m32(), 9),
            a -> a.mov(ESI, Mem.ptr(EDI)),
            a -> a.mov(ECX, 4),
            a -> a.rep().stosd(),
            a -> a.shl(ESI, 1),
            a -> a.imul(EDX, ESI).test(EDX, EDX),
            a -> a.dec(ECX),
            a -> a.neg(EDX),
            a -> a.xchg(EAX, EDX),
            a -> a.bsf(ECX, EAX).test(ECX, ECX));

    @Test
    void longMode() {
        everyPrefix(TestMachine::longMode, LONG_MODE);
    }

    @Test
    void protectedMode() {
        everyPrefix(TestMachine::protectedMode, PROTECTED_MODE);
    }

    @Test
    void realMode() {
        everyPrefix(TestMachine::realMode, REAL_MODE);
    }

    /**
     * The first n instructions and a HLT, for every n, in new machines. An instruction that leaves flags undefined has
     * a TEST with it.
     */
    private static void everyPrefix(Consumer<TestMachine> mode, List<UnaryOperator<Asm>> instructions) {
        for (String name : new String[] {"kvm", "soft"}) {
            String reason = EngineTestExtension.engine(name) == null
                    ? "no engine " + name
                    : EngineTestExtension.engine(name).unavailableBecause();
            if (reason != null) System.out.println("skipped: " + reason);
            Assumptions.assumeTrue(reason == null, reason);
        }
        for (int n = 1; n <= instructions.size(); n++) {
            try (TestMachine kvm = machine("kvm");
                    TestMachine soft = machine("soft")) {
                run(kvm, mode, instructions.subList(0, n));
                run(soft, mode, instructions.subList(0, n));
                compare("after " + n + " instructions: ", kvm, soft);
            }
        }
    }

    private static TestMachine machine(String engine) {
        return new TestMachine(EngineTestExtension.engine(engine), EntryFormat.EPT, 1, false, false);
    }

    private static void run(TestMachine vm, Consumer<TestMachine> mode, List<UnaryOperator<Asm>> instructions) {
        mode.accept(vm);
        for (int i = 0; i < 16; i++) if (i != CpuState.RSP) vm.cpu.gpr[i] = 0x0101010101010101L * i;
        Asm a = vm.program();
        for (UnaryOperator<Asm> instruction : instructions) a = instruction.apply(a);
        vm.start(a.hlt());
        Expect.halt(vm);
    }

    private static void compare(String when, TestMachine kvm, TestMachine soft) {
        CpuState a = kvm.cpu, b = soft.cpu;
        for (int i = 0; i < 16; i++)
            assertEquals(Long.toHexString(a.gpr[i]), Long.toHexString(b.gpr[i]), when + "register " + i);
        assertEquals(Long.toHexString(a.rip), Long.toHexString(b.rip), when + "RIP");
        assertEquals(Long.toHexString(a.rflags & FLAGS), Long.toHexString(b.rflags & FLAGS), when + "flags");
        for (int s = 0; s < 8; s++) compareSegment(when + "segment " + s + ' ', a, b, s);
        assertArrayEquals(
                new long[] {
                    a.cr0,
                    a.cr2,
                    a.cr3,
                    a.cr4,
                    a.efer,
                    a.kernelGsBase,
                    a.gdtrBase,
                    a.gdtrLimit,
                    a.idtrBase,
                    a.idtrLimit,
                    a.pat
                },
                new long[] {
                    b.cr0,
                    b.cr2,
                    b.cr3,
                    b.cr4,
                    b.efer,
                    b.kernelGsBase,
                    b.gdtrBase,
                    b.gdtrLimit,
                    b.idtrBase,
                    b.idtrLimit,
                    b.pat
                },
                when + "system registers");
        byte[] x = new byte[0x2000], y = new byte[0x2000];
        kvm.memory.read(Layout.DATA, x, 0, x.length);
        soft.memory.read(Layout.DATA, y, 0, y.length);
        assertArrayEquals(x, y, when + "data");
    }

    private static void compareSegment(String what, CpuState a, CpuState b, int s) {
        assertEquals(a.selector[s], b.selector[s], what + "selector");
        assertEquals(Long.toHexString(a.base[s]), Long.toHexString(b.base[s]), what + "base");
        assertEquals(a.access[s] & UNUSABLE, b.access[s] & UNUSABLE, what + "usable");
        if ((a.access[s] & UNUSABLE) != 0) return;
        assertEquals(Integer.toHexString(a.limit[s]), Integer.toHexString(b.limit[s]), what + "limit");
        assertEquals(
                Integer.toHexString(a.access[s] & RIGHTS), Integer.toHexString(b.access[s] & RIGHTS), what + "rights");
    }
}
