package org.nestorvm.engine.tests;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.nestorvm.asm.Mem.ptr;
import static org.nestorvm.asm.Reg.*;

import org.nestorvm.asm.Asm;
import org.nestorvm.asm.Label;

/** Code that the guest, or the monitor, changes: what is executed is what stands in memory. */
class SelfModifyingCodeTest {
    @EngineTest
    void changeOfAnInstructionInTheSameBlock(TestMachine vm) {
        vm.longMode();
        Asm a = vm.program();
        Label target = a.label();
        a.mov(ptr(target.plus(1)).m8(), 7)
                .jmp(target)
                .align(4)
                .bind(target)
                .mov(EAX, 1)
                .hlt();
        vm.start(a);
        Expect.halt(vm);
        Expect.reg(vm, EAX, 7);
    }

    @EngineTest(notOnTcg = "a guest's block of code runs to its end after a store that changes it")
    void changeOfTheVeryNextInstruction(TestMachine vm) {
        vm.longMode();
        Asm a = vm.program();
        Label next = a.label();
        a.mov(ptr(next.plus(1)).m8(), 7).bind(next).mov(EAX, 1).hlt();
        vm.start(a);
        Expect.halt(vm);
        Expect.reg(vm, EAX, 7);
    }

    @EngineTest
    void loopThatCountsInItsOwnImmediate(TestMachine vm) {
        vm.longMode();
        Asm a = vm.program().xor(EAX, EAX).mov(ECX, 2000);
        Label loop = a.here(), add = a.here();
        a.add(EAX, 0x01010101).inc(ptr(add.plus(1)).m8()).dec(ECX).jnz(loop).hlt();
        vm.start(a);
        Expect.halt(vm);
        long sum = 0;
        for (int i = 0; i < 2000; i++) sum += 0x01010100 + (1 + i & 0xff);
        Expect.reg(vm, EAX, sum & 0xffffffffL);
    }

    @EngineTest
    void functionInAnotherPageIsReplaced(TestMachine vm) {
        vm.longMode();
        vm.load(new Asm(0x3000).bits(64).mov(EAX, 1).ret());
        Asm a = vm.program()
                .mov(EBX, 0x3000)
                .call(RBX)
                .mov(ECX, EAX)
                .mov(ptr(RBX, 1).m32(), 0x1234)
                .call(RBX)
                .mov(EDX, EAX)
                .mov(ptr(RBX).m8(), 0xf4)
                .call(RBX);
        vm.start(a);
        Expect.halt(vm);
        Expect.reg(vm, ECX, 1);
        Expect.reg(vm, EDX, 0x1234);
    }

    @EngineTest
    void changeThroughAnAlias(TestMachine vm) {
        PageTables t = vm.longMode();
        long alias = 0x1000_0000_0000L;
        t.map(alias, 0x3000, PageTables.P | PageTables.W);
        vm.load(new Asm(0x3000).bits(64).mov(EAX, 1).ret());
        vm.start(vm.program()
                .mov(EBX, 0x3000)
                .call(RBX)
                .mov(ECX, EAX)
                .mov(RSI, alias)
                .mov(ptr(RSI, 1).m8(), 9)
                .call(RBX)
                .hlt());
        Expect.halt(vm);
        Expect.reg(vm, ECX, 1);
        Expect.reg(vm, EAX, 9);
    }

    @EngineTest
    void changeByStringInstruction(TestMachine vm) {
        vm.longMode();
        vm.load(new Asm(0x3000).bits(64).mov(EAX, 1).ret());
        vm.load(new Asm(0x18000).bits(64).mov(EAX, 2).ret());
        vm.start(vm.program()
                .mov(EBX, 0x3000)
                .call(RBX)
                .mov(EDX, EAX)
                .mov(ESI, 0x18000)
                .mov(EDI, 0x3000)
                .mov(ECX, 6)
                .rep()
                .movsb()
                .call(RBX)
                .hlt());
        Expect.halt(vm);
        Expect.reg(vm, EDX, 1);
        Expect.reg(vm, EAX, 2);
    }

    @EngineTest
    void dataInAPageWithCodeStaysWritable(TestMachine vm) {
        vm.longMode();
        Asm a = vm.program().mov(ECX, 10000).xor(EAX, EAX);
        Label data = a.label(), loop = a.here();
        a.inc(ptr(data).m64())
                .add(RAX, ptr(data))
                .dec(ECX)
                .jnz(loop)
                .hlt()
                .align(8)
                .bind(data)
                .dq(0);
        vm.start(a);
        Expect.halt(vm);
        Expect.reg(vm, RAX, 10000L * 10001 / 2);
    }

    @EngineTest
    void remappedCodePageIsRunFromItsNewPlace(TestMachine vm) {
        PageTables t = vm.longMode();
        long va = 0x1000_0000_0000L;
        t.map(va, 0x3000, PageTables.P | PageTables.W);
        vm.load(new Asm(0x3000).bits(64).mov(EAX, 1).ret());
        vm.load(new Asm(0x4000).bits(64).mov(EAX, 2).ret());
        Asm a = vm.program()
                .mov(RBX, va)
                .call(RBX)
                .mov(ECX, EAX)
                .mov(RDX, 0x4000 | 3)
                .mov(org.nestorvm.asm.Mem.abs(t.entryAddress(va, 1)), RDX)
                .invlpg(ptr(RBX))
                .call(RBX);
        vm.start(a.hlt());
        Expect.halt(vm);
        Expect.reg(vm, ECX, 1);
        Expect.reg(vm, EAX, 2);
    }

    @EngineTest
    void sameCallReachesTheNewPlaceOfARemappedPage(TestMachine vm) {
        PageTables t = vm.longMode();
        long va = 0x1000_0000_0000L;
        t.map(va, 0x3000, PageTables.P | PageTables.W);
        vm.load(new Asm(0x3000).bits(64).mov(EAX, 1).ret());
        vm.load(new Asm(0x4000).bits(64).mov(EAX, 2).ret());
        callThreeTimesAndRemapThePageBetween(vm, t, va, va, 0x4000);
        Expect.reg(vm, ESI, 1 + 2 + 2);
    }

    @EngineTest
    void remappedPageWithTheRestOfAnInstruction(TestMachine vm) {
        PageTables t = vm.longMode();
        long va = 0x1000_0000_0000L;
        t.map(va, 0x3000, PageTables.P | PageTables.W);
        t.map(va + 0x1000, 0x4000, PageTables.P | PageTables.W);
        vm.load(new Asm(0x3ffe).bits(64).mov(EAX, 0x01000000).ret());
        vm.load(new Asm(0x4ffe)
                .bits(64)
                .mov(EAX, 0x02000000)
                .ret()); // its rest, at 5000h, takes the place of the other's
        callThreeTimesAndRemapThePageBetween(vm, t, va + 0xffe, va + 0x1000, 0x5000);
        Expect.reg(vm, ESI, 0x05000000);
    }

    private static void callThreeTimesAndRemapThePageBetween(
            TestMachine vm, PageTables t, long function, long page, long newPlace) {
        Asm a = vm.program().mov(RBX, function).mov(RDI, page).xor(ESI, ESI).mov(ECX, 3);
        Label loop = a.here();
        a.call(RBX)
                .add(ESI, EAX)
                .mov(RDX, newPlace | 3)
                .mov(org.nestorvm.asm.Mem.abs(t.entryAddress(page, 1)), RDX)
                .invlpg(ptr(RDI))
                .dec(ECX)
                .jnz(loop);
        vm.start(a.hlt());
        Expect.halt(vm);
    }

    @EngineTest
    void codeThatTheMonitorReplacesWhileTheGuestIsStopped(TestMachine vm) {
        vm.longMode();
        vm.start(vm.program().mov(EAX, 1).hlt());
        Expect.halt(vm);
        vm.start(vm.program().mov(EAX, 2).hlt());
        Expect.halt(vm);
        Expect.reg(vm, EAX, 2);
    }

    @EngineTest
    void codeThatADeviceWritesBetweenTwoCalls(TestMachine vm) {
        vm.longMode();
        vm.load(new Asm(0x3000).bits(64).mov(EAX, 1).ret());
        vm.start(vm.program()
                .mov(EBX, 0x3000)
                .call(RBX)
                .mov(ECX, EAX)
                .hlt()
                .call(RBX)
                .hlt());
        Expect.halt(vm);
        vm.memory.putByte(0x3001, (byte) 5);
        vm.vm().engine().memoryWritten(0x3001, 1);
        Expect.halt(vm);
        Expect.reg(vm, ECX, 1);
        Expect.reg(vm, EAX, 5);
    }

    @EngineTest
    void sameBytesRunInTwoModes(TestMachine vm) {
        vm.longMode();
        Asm a = vm.program();
        Label pointer = a.label(), narrow = a.label();
        vm.load(new Asm(0x3000).db(0x48, 0xff, 0xc0, 0xc3)); // inc rax; ret — or dec eax; inc eax; ret
        a.mov(EBX, 0x3000)
                .mov(RAX, 0xffffffffL)
                .call(RBX)
                .mov(RSI, RAX)
                .ljmpd(ptr(pointer))
                .bind(pointer)
                .dd(narrow)
                .dw(Layout.KERNEL_CS32);
        a.bits(32).bind(narrow).mov(EAX, 5).call(EBX).mov(EDI, EAX).hlt();
        vm.start(a);
        Expect.halt(vm);
        Expect.reg(vm, RSI, 0x100000000L);
        Expect.reg(vm, EDI, 5);
    }

    private static long counter(TestMachine vm, String name) {
        String counters = vm.vcpu(0).engine().counters();
        return Long.parseLong(counters.replaceFirst(".*" + name + " (\\d+).*", "$1"));
    }

    /** Small kernels keep their data, even their clock and their stack, in the page and in the line of their code. */
    @EngineTest(only = "soft")
    void dataInTheLineOfCodeCostsNeitherBlocksNorWalks(TestMachine vm) {
        vm.longMode();
        Asm a = vm.program();
        Label start = a.label(), data = a.label();
        a.jmp(start).align(64).bind(data).dq(0, 0).bind(start).mov(ECX, 1000).lea(RSI, ptr(data));
        Label loop = a.here();
        a.inc(ptr(RSI).m32()).lock().inc(ptr(RSI, 8).m32()).dec(ECX).jnz(loop);
        vm.start(a.hlt());
        long decoded = counter(vm, "blocks decoded"), misses = counter(vm, "TLB misses");
        Expect.halt(vm);
        assertEquals(1000, vm.memory.getInt(data.address()));
        assertEquals(1000, vm.memory.getInt(data.address() + 8));
        assertTrue(
                counter(vm, "blocks decoded") - decoded < 20,
                vm.vcpu(0).engine().counters());
        assertTrue(counter(vm, "TLB misses") - misses < 20, vm.vcpu(0).engine().counters());
    }
}
