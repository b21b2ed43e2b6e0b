package org.nestorvm.engine.tests;

import static org.junit.jupiter.api.Assertions.assertEquals;
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

/** LOCK means what it says when two processors work on one word. */
class AtomicsTest {
    private static final int ROUNDS = 20_000;

    /** Runs the body ROUNDS times on both processors at once. */
    private static void both(TestMachine vm, Consumer<Asm> body) throws Exception {
        vm.longMode();
        Asm a = vm.program().mov(ECX, ROUNDS);
        Label loop = a.here();
        body.accept(a);
        vm.start(a.dec(ECX).jnz(loop).hlt());
        CompletableFuture<Exit> other = new SecondProcessor(vm).run();
        Expect.halt(vm);
        assertEquals(new Exit.HaltForever(), other.get(20, TimeUnit.SECONDS));
    }

    private static final Mem COUNTER = abs(Layout.DATA);

    @EngineTest(vcpus = 2)
    void lockedAdd(TestMachine vm) throws Exception {
        both(vm, a -> a.lock().add(COUNTER.m64(), 3));
        assertEquals(2L * 3 * ROUNDS, vm.memory.getLong(Layout.DATA));
    }

    @EngineTest(vcpus = 2)
    void lockedIncrementOfAByteAndOfAWord(TestMachine vm) throws Exception {
        both(vm, a -> a.lock().inc(COUNTER.m8()).lock().inc(abs(Layout.DATA + 2).m16()));
        assertEquals(2 * ROUNDS & 0xff | (2 * ROUNDS & 0xffff) << 16, vm.memory.getInt(Layout.DATA));
    }

    @EngineTest(vcpus = 2)
    void exchangeAndAdd(TestMachine vm) throws Exception {
        both(vm, a -> a.mov(EAX, 1).lock().xadd(COUNTER, EAX));
        assertEquals(2 * ROUNDS, vm.memory.getInt(Layout.DATA));
    }

    @EngineTest(vcpus = 2)
    void spinLockByExchange(TestMachine vm) throws Exception {
        both(vm, a -> {
            Label take = a.here();
            a.mov(EAX, 1)
                    .xchg(COUNTER, EAX)
                    .test(EAX, EAX)
                    .jnz(take)
                    .mov(RDX, abs(Layout.DATA + 64))
                    .inc(RDX)
                    .mov(abs(Layout.DATA + 64), RDX)
                    .mov(COUNTER.m32(), 0);
        });
        assertEquals(2 * ROUNDS, vm.memory.getLong(Layout.DATA + 64));
    }

    @EngineTest(vcpus = 2)
    void compareAndExchange(TestMachine vm) throws Exception {
        both(vm, a -> {
            Label again = a.here();
            a.mov(RAX, COUNTER)
                    .lea(RBX, ptr(RAX, 1))
                    .lock()
                    .cmpxchg(COUNTER, RBX)
                    .jne(again);
        });
        assertEquals(2L * ROUNDS, vm.memory.getLong(Layout.DATA));
    }

    @EngineTest(vcpus = 2, notOnPvm = "its instruction emulator does not know the instruction")
    void compareAndExchange16Bytes(TestMachine vm) throws Exception {
        both(vm, a -> {
            a.push(RCX);
            Label again = a.here();
            a.mov(RAX, COUNTER)
                    .mov(RDX, abs(Layout.DATA + 8))
                    .lea(RBX, ptr(RAX, 1))
                    .lea(RCX, ptr(RDX, 2))
                    .lock()
                    .cmpxchg16b(COUNTER)
                    .jne(again)
                    .pop(RCX);
        });
        assertEquals(2L * ROUNDS, vm.memory.getLong(Layout.DATA));
        assertEquals(4L * ROUNDS, vm.memory.getLong(Layout.DATA + 8));
    }

    @EngineTest(vcpus = 2)
    void lockedBitOperations(TestMachine vm) throws Exception {
        both(vm, a -> {
            Label take = a.here();
            a.lock()
                    .bts(COUNTER.m32(), 5)
                    .jb(take)
                    .inc(abs(Layout.DATA + 64).m32())
                    .lock()
                    .btr(COUNTER.m32(), 5);
        });
        assertEquals(2 * ROUNDS, vm.memory.getInt(Layout.DATA + 64));
    }

    @EngineTest(notOnPvm = "its instruction emulator does not know the instruction")
    void failedCompareLoadsTheAccumulator(TestMachine vm) {
        vm.longMode();
        vm.memory.putLong(Layout.DATA, 0x123456789abcdef0L);
        vm.memory.putLong(Layout.DATA + 8, 77);
        vm.start(vm.program()
                .mov(RAX, -1)
                .mov(RDX, -1)
                .lock()
                .cmpxchg16b(COUNTER)
                .setz(CL)
                .hlt());
        Expect.halt(vm);
        Expect.reg(vm, RAX, 0x123456789abcdef0L);
        Expect.reg(vm, RDX, 77);
        Expect.reg(vm, CL, 0);
    }

    @EngineTest
    void sixteenBytesMustBeAligned(TestMachine vm) {
        vm.longMode();
        Asm a = vm.program();
        Label at = a.here();
        vm.start(a.cmpxchg16b(abs(Layout.DATA + 8)).hlt());
        Expect.fault(vm, Expect.GP, 0, at);
    }

    @EngineTest(vcpus = 2)
    void codeThatOneProcessorChangesRunsOnTheOther(TestMachine vm) throws Exception {
        vm.longMode();
        vm.load(new Asm(0x3000).bits(64).mov(EAX, 1).ret());
        Asm waiting = vm.program(0x2000).mov(EBX, 0x3000);
        Label loop = waiting.here();
        vm.load(waiting.call(RBX)
                .mov(abs(Layout.DATA + 128).m32(), 1)
                .cmp(EAX, 2)
                .jne(loop)
                .hlt());
        Asm writing = vm.program();
        Label wait = writing.here();
        vm.start(writing.cmp(abs(Layout.DATA + 128).m32(), 1)
                .jne(wait)
                .mov(abs(0x3001).m8(), 2)
                .hlt());
        CompletableFuture<Exit> other = new SecondProcessor(vm).at(0x2000).run();
        Expect.halt(vm);
        assertEquals(new Exit.HaltForever(), other.get(20, TimeUnit.SECONDS));
    }
}
