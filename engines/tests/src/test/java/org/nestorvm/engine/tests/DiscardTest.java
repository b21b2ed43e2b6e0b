package org.nestorvm.engine.tests;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.nestorvm.asm.Reg.EAX;
import static org.nestorvm.asm.Reg.EBX;

import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.nestorvm.asm.Asm;
import org.nestorvm.asm.Label;
import org.nestorvm.asm.Mem;
import org.nestorvm.vmm.Exit;
import org.nestorvm.vmm.GuestBus;

/** Memory that a balloon takes away while a processor uses it. */
class DiscardTest {
    private static final long TAKEN = Layout.DATA + 0x2000, COPY = Layout.DATA, PAGE = 4096;
    private static final int NEVER = 0x5a5a5a5a;

    /**
     * The guest copies a number from the page to another, for ever. Once the page is taken, nothing but zero arrives,
     * and the pages beside it are as they were.
     */
    @EngineTest
    void p8_aProcessorThatRunsSeesNoPageThatWasTaken(TestMachine vm) throws Exception {
        vm.protectedMode();
        Asm a = vm.program();
        Label again = a.here();
        vm.start(a.mov(EAX, Mem.abs(TAKEN))
                .mov(Mem.abs(COPY), EAX)
                .mov(EBX, Mem.abs(TAKEN + PAGE))
                .jmp(again));
        vm.vcpu(0).writeState(vm.cpu);
        CompletableFuture<Exit> run = CompletableFuture.supplyAsync(
                () -> vm.vcpu(0).run(GuestBus.EMPTY),
                command -> Thread.ofPlatform().daemon().start(command));
        for (int round = 1; round <= 25; round++) {
            vm.memory.putInt(TAKEN - 4, round);
            vm.memory.putInt(TAKEN + PAGE, round);
            vm.memory.putInt(TAKEN, round);
            while (vm.memory.getInt(COPY) != round) {
                assertTrue(!run.isDone());
                Thread.yield();
            }
            vm.vm().discard(TAKEN, PAGE);
            assertEquals(0, nextCopy(vm, true), "round " + round);
            assertEquals(round, vm.memory.getInt(TAKEN - 4));
            assertEquals(round, vm.memory.getInt(TAKEN + PAGE));
        }
        vm.vcpu(0).kick();
        assertEquals(new Exit.Interrupted(), run.get(20, TimeUnit.SECONDS));
    }

    /** What was loaded before the page was taken may still be stored: so the second copy counts. */
    private static int nextCopy(TestMachine vm, boolean second) {
        vm.memory.putInt(COPY, NEVER);
        long patience = System.nanoTime() + TimeUnit.SECONDS.toNanos(20);
        int copy;
        while ((copy = vm.memory.getInt(COPY)) == NEVER) {
            assertTrue(System.nanoTime() < patience);
            Thread.yield();
        }
        return second ? nextCopy(vm, false) : copy;
    }
}
