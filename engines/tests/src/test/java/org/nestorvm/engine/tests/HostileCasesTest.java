package org.nestorvm.engine.tests;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.nestorvm.asm.Reg.EAX;
import static org.nestorvm.asm.Reg.ESP;
import static org.nestorvm.asm.Reg.RBX;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.function.Supplier;
import org.nestorvm.asm.Asm;
import org.nestorvm.asm.Label;
import org.nestorvm.asm.Mem;
import org.nestorvm.vmm.CpuState;
import org.nestorvm.vmm.Exit;
import org.nestorvm.vmm.GuestBus;

/** What random guests have shown, each by itself. */
class HostileCasesTest {
    private static final long DISCARDED = Layout.DATA + 0x4000;
    private static final long AM = 1 << 18, AC = 1 << 18;

    /**
     * #AC whose handler's stack is not aligned either: on hardware the processor never gets anywhere (CVE-2015-5307).
     * The monitor does.
     */
    @EngineTest(only = "soft")
    void alignmentCheckThatMeetsItselfCanBeStopped(TestMachine vm) {
        vm.protectedMode().userMode();
        vm.descriptors.idt32(
                Expect.AC,
                Descriptors.gate(Layout.USER_CS32, Layout.USER_CODE + 0x800, Descriptors.INTERRUPT_GATE32, 0));
        vm.cpu.cr0 |= AM;
        vm.cpu.rflags |= AC;
        vm.cpu.gpr[CpuState.RSP] = Layout.USER_STACK - 1;
        vm.start(vm.program(Layout.USER_CODE).push(EAX).hlt());
        CompletableFuture.delayedExecutor(100, TimeUnit.MILLISECONDS).execute(vm.vcpu(0)::kick);
        assertEquals(new Exit.Interrupted(), vm.runUntilExit());
        assertEquals(Layout.USER_CODE, vm.cpu.rip, "the instruction has not been executed");
        assertEquals(Layout.USER_STACK - 1, vm.get(ESP));
    }

    /** Structures need the alignment of their parts, not of their size. */
    @EngineTest(notOnTcg = "no #AC")
    void alignmentCheckOfAStructure(TestMachine vm) {
        vm.protectedMode().userMode();
        vm.cpu.cr0 |= AM;
        vm.cpu.rflags |= AC;
        Asm a = vm.program(Layout.USER_CODE);
        vm.start(a.db(0x0f, 0xae, 0x05)
                .dd((int) Layout.USER_DATA + 0x30)
                .db(0xf4)); // fxsave, then hlt, which is privileged
        Expect.fault(vm, Expect.GP, 0, Layout.USER_CODE + 7);
    }

    /** A fault of the new task's stands at its first instruction, wherever the jump stood in the old one's code. */
    @EngineTest(
            notOnPvm = "its instruction emulator does not know the instruction",
            notOnTcg = "RIP has the old instruction's place in its page")
    void faultInATaskSwitchBelongsToTheNewTask(TestMachine vm) {
        vm.protectedMode();
        TaskTables.task(vm, Layout.FREE_SELECTOR, TaskTables.SECOND, 0x3000, Layout.KERNEL_DS);
        vm.memory.putInt(TaskTables.SECOND + 84, 0x7f8); // DS: a null descriptor in the table
        Asm a = vm.program();
        vm.start(a.nop().nop().nop().db(0xea).dd(0).dw(Layout.FREE_SELECTOR).hlt());
        Expect.fault(vm, Expect.TS, 0x7f8, 0x3000);
    }

    /** The segment that is loaded is the instruction's, not the one that its operand lies in. */
    @EngineTest
    void farPointerLoadsItsOwnSegment(TestMachine vm) {
        vm.protectedMode();
        vm.memory.putInt(Layout.DATA, 0x12345678);
        vm.memory.putInt(Layout.DATA + 4, Layout.KERNEL_DS16);
        vm.start(vm.program()
                .les(EAX, Mem.abs(Layout.DATA))
                .lgs(EAX, Mem.abs(Layout.DATA))
                .hlt());
        Expect.halt(vm);
        Expect.reg(vm, EAX, 0x12345678);
        assertEquals(Layout.KERNEL_DS16, vm.cpu.selector[CpuState.ES]);
        assertEquals(Layout.KERNEL_DS16, vm.cpu.selector[CpuState.GS]);
        assertEquals(Layout.KERNEL_DS, vm.cpu.selector[CpuState.DS]);
    }

    /**
     * A locked access to a device whose code takes memory away, while the other processor waits for the lock: both must
     * get on (and stop).
     */
    @EngineTest(only = "soft", vcpus = 2)
    void deviceUnderALockTakesMemoryAway(TestMachine vm) throws Exception {
        vm.longMode();
        Asm first = vm.program().mov(RBX, Layout.MMIO);
        Label again = first.here();
        vm.start(first.mov(Mem.abs(DISCARDED), EAX)
                .lock()
                .add(Mem.ptr(RBX).m32(), 1)
                .jmp(again));
        Asm second = vm.program(0x3000);
        Label over = second.here();
        second.lock().add(Mem.abs(Layout.DATA + 1).m32(), 1).jmp(over);
        vm.load(second);
        vm.vcpu(0).writeState(vm.cpu);
        vm.cpu.rip = second.origin();
        vm.vcpu(1).writeState(vm.cpu);
        Taker taker = new Taker(vm);
        List<CompletableFuture<Exit>> runs = List.of(
                started(() -> vm.vcpu(0).run(taker)), started(() -> vm.vcpu(1).run(taker)));
        taker.enough.await(10, TimeUnit.SECONDS);
        for (int i = 0; i < 2; i++) {
            vm.vcpu(i).kick();
            assertEquals(new Exit.Interrupted(), runs.get(i).get(20, TimeUnit.SECONDS));
        }
    }

    private static CompletableFuture<Exit> started(Supplier<Exit> run) {
        return CompletableFuture.supplyAsync(
                run, command -> Thread.ofPlatform().daemon().start(command));
    }

    /** Takes a page from the guest with every write. */
    private static final class Taker implements GuestBus {
        final CountDownLatch enough = new CountDownLatch(2000);
        private final TestMachine vm;

        Taker(TestMachine vm) {
            this.vm = vm;
        }

        @Override
        public int portRead(int port, int size) {
            return -1;
        }

        @Override
        public void portWrite(int port, int size, int value) {}

        @Override
        public long mmioRead(long gpa, int size) {
            return 0;
        }

        @Override
        public void mmioWrite(long gpa, int size, long value) {
            try {
                vm.vm().discard(DISCARDED, 4096);
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
            enough.countDown();
        }
    }
}
