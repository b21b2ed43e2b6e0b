package org.nestorvm.engine.tests;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.nestorvm.asm.Mem.abs;
import static org.nestorvm.asm.Mem.ptr;
import static org.nestorvm.asm.Reg.*;

import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import org.nestorvm.asm.Asm;
import org.nestorvm.asm.Label;
import org.nestorvm.asm.Mem;
import org.nestorvm.vmm.Exit;

/**
 * Time on two processors: under a lock each compares what it reads with the last time that either has read. kvm-clock
 * is read as Linux's vdso reads it: from the first processor's structure, with the TSC of the processor that asks, as
 * long as that structure says that the TSCs are the same; else from a processor's own. KVM promises less: without a
 * stable TSC its clocks of several processors differ a little.
 */
class ClocksTest {
    private static final int ROUNDS = 3000, TSC = 0x10, TSC_ADJUST = 0x3b, KVM_SYSTEM_TIME = 0x4b564d01;
    private static final Mem LOCK = abs(Layout.DATA),
            LAST = abs(Layout.DATA + 8),
            BACKWARDS = abs(Layout.DATA + 16),
            UNSTABLE = abs(Layout.DATA + 24);
    private static final long FIRST_PAGE = Layout.DATA + 0x100, SECOND_PAGE = Layout.DATA + 0x140;
    private static final int VERSION = 0,
            TSC_TIMESTAMP = 8,
            SYSTEM_TIME = 16,
            TO_SYSTEM_MUL = 24,
            TSC_SHIFT = 28,
            FLAGS = 29,
            TSC_STABLE = 1;

    /** RAX: the TSC. */
    private static void readTsc(Asm a) {
        a.lfence().rdtsc().shl(RDX, 32).or(RAX, RDX);
    }

    /** RAX: the clock's nanoseconds. R14 is the processor's own structure. */
    private static void readClock(Asm a) {
        Label again = a.here(), left = a.label(), scaled = a.label();
        a.mov(RDI, FIRST_PAGE).test(ptr(RDI, FLAGS).m8(), TSC_STABLE);
        Label stable = a.label();
        a.jnz(stable).inc(UNSTABLE.m64()).mov(RDI, R14).bind(stable);
        a.mov(R8D, ptr(RDI, VERSION)).test(R8D, 1).jnz(again);
        readTsc(a);
        a.sub(RAX, ptr(RDI, TSC_TIMESTAMP))
                .mov(CL, ptr(RDI, TSC_SHIFT))
                .test(CL, CL)
                .jns(left);
        a.neg(CL).shr(RAX, CL).jmp(scaled).bind(left).shl(RAX, CL).bind(scaled);
        a.mov(EDX, ptr(RDI, TO_SYSTEM_MUL))
                .mul(RDX)
                .shrd(RAX, RDX, 32)
                .add(RAX, ptr(RDI, SYSTEM_TIME))
                .cmp(R8D, ptr(RDI, VERSION))
                .jne(again);
    }

    private static void compare(Asm a) {
        Label later = a.label();
        a.cmp(RAX, LAST).jae(later).inc(BACKWARDS.m64()).bind(later).mov(LAST, RAX);
    }

    /** The clock's structure of this processor is where R14 says. */
    private static void enableClock(Asm a) {
        a.mov(ECX, KVM_SYSTEM_TIME).mov(EAX, R14D).or(EAX, 1).xor(EDX, EDX).wrmsr();
    }

    /** Both processors take turns, as the lock has it: {@code read} leaves a time in RAX; R13 is 0 and 1. */
    private static void both(TestMachine vm, Consumer<Asm> read, Consumer<Asm> disturb) throws Exception {
        vm.longMode();
        Asm a = vm.program();
        enableClock(a);
        a.mov(R15D, ROUNDS);
        Label loop = a.here(), take = a.here(), taken = a.label();
        a.mov(EAX, 1)
                .xchg(LOCK.m32(), EAX)
                .test(EAX, EAX)
                .jz(taken)
                .pause()
                .jmp(take)
                .bind(taken);
        read.accept(a);
        compare(a);
        disturb.accept(a);
        a.mov(LOCK.m32(), 0).dec(R15D).jnz(loop).hlt();
        vm.set(R14, FIRST_PAGE).set(R13, 0).start(a);
        CompletableFuture<Exit> other =
                new SecondProcessor(vm).set(R14, SECOND_PAGE).set(R13, 1).run();
        Expect.halt(vm);
        assertEquals(new Exit.HaltForever(), other.get(20, TimeUnit.SECONDS));
        assertEquals(0, vm.memory.getLong(Layout.DATA + 16), "times that went backwards");
    }

    /** Each eighth time. */
    private static void onTheSecondProcessor(Asm a, Consumer<Asm> what) {
        Label skip = a.label();
        a.test(R13D, R13D).jz(skip).test(R15D, 7).jnz(skip);
        what.accept(a);
        a.bind(skip);
    }

    @EngineTest(only = "soft", vcpus = 2)
    void timeStampCountersOfTwoProcessorsAreOne(TestMachine vm) throws Exception {
        both(vm, ClocksTest::readTsc, a -> {});
    }

    @EngineTest(only = "soft", vcpus = 2)
    void kvmClockIsMonotonicAcrossProcessors(TestMachine vm) throws Exception {
        both(vm, ClocksTest::readClock, a -> {});
    }

    /** The second processor moves its TSC 2^32 ahead, and each time a little more. */
    @EngineTest(only = "soft", vcpus = 2)
    void kvmClockIsMonotonicWhenOneProcessorWritesItsTimeStampCounter(TestMachine vm) throws Exception {
        both(
                vm,
                ClocksTest::readClock,
                a -> onTheSecondProcessor(
                        a, b -> b.rdtsc().inc(EDX).mov(ECX, TSC).wrmsr()));
        assertTrue(vm.memory.getLong(Layout.DATA + 24) > 0, "the TSCs differ, and the clock says so");
    }

    @EngineTest(only = "soft", vcpus = 2)
    void kvmClockIsMonotonicWhenOneProcessorAdjustsItsTimeStampCounter(TestMachine vm) throws Exception {
        both(
                vm,
                ClocksTest::readClock,
                a -> onTheSecondProcessor(
                        a,
                        b -> b.mov(ECX, TSC_ADJUST)
                                .rdmsr()
                                .sub(EAX, 0x10000000L)
                                .sbb(EDX, 0)
                                .wrmsr()));
        assertTrue(vm.memory.getLong(Layout.DATA + 24) > 0, "the TSCs differ, and the clock says so");
    }

    /** Each processor overwrites its structure with ones and asks for it again. */
    @EngineTest(only = "soft", vcpus = 2)
    void kvmClockIsMonotonicWhenTheGuestOverwritesItsStructures(TestMachine vm) throws Exception {
        both(vm, ClocksTest::readClock, a -> {
            a.mov(RDI, R14).mov(EAX, -1).mov(ECX, 8).rep().stosd();
            enableClock(a);
            onTheSecondProcessor(a, b -> b.rdtsc().inc(EDX).mov(ECX, TSC).wrmsr());
        });
    }

    /**
     * What one processor has changed in the TSC shows in both structures before its next instruction; and when the TSCs
     * are the same again, in both again.
     */
    @EngineTest(only = "soft", vcpus = 2)
    void structuresSayWhetherTheTimeStampCountersAreTheSame(TestMachine vm) throws Exception {
        vm.longMode();
        Asm a = vm.program();
        enableClock(a);
        vm.set(R14, FIRST_PAGE).start(a.hlt());
        new SecondProcessor(vm).set(R14, SECOND_PAGE).run().get(20, TimeUnit.SECONDS);
        a = vm.program();
        enableClock(a);
        a.mov(R9B, abs(FIRST_PAGE + FLAGS))
                .and(R9B, abs(SECOND_PAGE + FLAGS))
                .mov(ECX, TSC_ADJUST)
                .mov(EAX, -5)
                .mov(EDX, EAX)
                .wrmsr();
        a.mov(R10B, abs(FIRST_PAGE + FLAGS))
                .or(R10B, abs(SECOND_PAGE + FLAGS))
                .xor(EAX, EAX)
                .xor(EDX, EDX)
                .wrmsr();
        vm.start(a.mov(AL, abs(FIRST_PAGE + FLAGS))
                .and(AL, abs(SECOND_PAGE + FLAGS))
                .hlt());
        Expect.halt(vm);
        Expect.reg(vm, R9B, TSC_STABLE);
        Expect.reg(vm, R10B, 0);
        Expect.reg(vm, AL, TSC_STABLE);
    }
}
