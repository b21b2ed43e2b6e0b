package org.nestorvm.engine.tests;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assumptions.assumeTrue;
import static org.nestorvm.asm.Mem.abs;
import static org.nestorvm.asm.Mem.ptr;
import static org.nestorvm.asm.Reg.*;
import static org.nestorvm.engine.tests.PageTables.*;

import org.nestorvm.asm.Asm;
import org.nestorvm.asm.Label;

/**
 * The rules of guest paging: rights, reserved bits, accessed and dirty bits, page sizes, and what has to be forgotten
 * when (SDM vol. 3A, chapter 4).
 */
class PagingTest {
    private static final int PRESENT = 1, WRITE = 2, USER = 4, RESERVED = 8, FETCH = 16;
    private static final long CR4_PGE = 0x80,
            CR4_PCIDE = 1 << 17,
            CR4_SMEP = 1 << 20,
            CR4_SMAP = 1 << 21,
            CR0_WP = 1 << 16;
    private static final int CPUID_PCID = 1 << 17, CPUID_INVPCID = 1 << 10;
    /** A linear address that nothing maps at first, with an entry of its own at every level. */
    private static final long VA = 0x1000_0000_0000L;

    private static final long PAGE_A = 0x700000, PAGE_B = 0x701000;
    /** AMD's manual, vol. 2, 15.25.10. */
    private static final String PAE = "under nested paging a walk reads the four entries in memory, a load of CR3 none";

    /** mov eax, [VA]; hlt: and the label of the load. */
    private static Label load(TestMachine vm, Asm a, long gva) {
        a.mov(RBX, gva);
        Label load = a.here();
        vm.start(a.mov(EAX, ptr(RBX)).hlt());
        return load;
    }

    private static Label store(TestMachine vm, Asm a, long gva) {
        a.mov(RBX, gva);
        Label store = a.here();
        vm.start(a.mov(ptr(RBX), EAX).hlt());
        return store;
    }

    @EngineTest
    void pageThatIsNotPresent(TestMachine vm) {
        vm.longMode();
        Expect.pageFault(vm, 0, VA, load(vm, vm.program(), VA));
        Expect.pageFault(vm, WRITE, VA + 8, store(vm, vm.program(), VA + 8));
    }

    @EngineTest
    void p32_eachLevelMayBeMissing(TestMachine vm) {
        PageTables t = vm.longMode();
        t.map(VA, PAGE_A, P | W);
        for (int level = 4; level >= 1; level--) {
            long entry = t.entryAddress(VA, level), old = t.get(entry);
            t.put(entry, old & ~P);
            vm.cpu.cr3 = t.root();
            Expect.pageFault(vm, 0, VA, load(vm, vm.program(), VA));
            t.put(entry, old);
        }
        vm.memory.putInt(PAGE_A, 4711);
        load(vm, vm.program(), VA);
        Expect.halt(vm);
        Expect.reg(vm, EAX, 4711);
    }

    @EngineTest(notOnPvm = "its instruction emulator writes the first page before it finds the second one missing")
    void faultInTheSecondPageOfAnAccessNamesThatPage(TestMachine vm) {
        PageTables t = vm.longMode();
        t.map(VA, PAGE_A, P | W);
        Expect.pageFault(vm, 0, VA + 0x1000, load(vm, vm.program(), VA + 0xffe));
        vm.memory.putInt(PAGE_A + 0xffc, 0x11111111);
        Expect.pageFault(vm, WRITE, VA + 0x1000, store(vm, vm.program().mov(EAX, 0x22222222), VA + 0xffe));
        assertEquals(0x11111111, vm.memory.getInt(PAGE_A + 0xffc), "no byte is written before the fault");
    }

    @EngineTest
    void accessAcrossPagesThatLieApart(TestMachine vm) {
        PageTables t = vm.longMode();
        t.map(VA, PAGE_B, P | W).map(VA + 0x1000, PAGE_A, P | W);
        vm.memory.putInt(PAGE_B + 0xffc, 0x44332211);
        vm.memory.putInt(PAGE_A, 0x88776655);
        Asm a = vm.program()
                .mov(RBX, VA + 0xffd)
                .mov(RAX, ptr(RBX))
                .mov(ECX, 0xaabbccddL)
                .mov(ptr(RBX, -1), ECX)
                .lock()
                .add(ptr(RBX).m32(), 0x01010101);
        vm.start(a.hlt());
        Expect.halt(vm);
        assertEquals(0x88776655443322L, vm.get(RAX) & 0xffffffffffffffL);
        assertEquals(0xabbccddd, vm.memory.getInt(PAGE_B + 0xffc));
        assertEquals(0x88776656, vm.memory.getInt(PAGE_A));
    }

    @EngineTest
    void readOnlyPage(TestMachine vm) {
        PageTables t = vm.longMode();
        t.map(VA, PAGE_A, P);
        Expect.pageFault(vm, PRESENT | WRITE, VA, store(vm, vm.program(), VA));
        vm.cpu.cr0 &= ~CR0_WP;
        store(vm, vm.program().mov(EAX, 99), VA);
        Expect.halt(vm);
        assertEquals(99, vm.memory.getInt(PAGE_A), "without WP the system may write");
    }

    @EngineTest
    void rightsAreThoseThatAllLevelsAllow(TestMachine vm) {
        PageTables t = vm.longMode();
        t.map(VA, PAGE_A, P | W | U);
        for (int level = 4; level >= 1; level--) {
            long entry = t.entryAddress(VA, level), old = t.get(entry);
            t.put(entry, old & ~W);
            Expect.pageFault(vm, PRESENT | WRITE, VA, store(vm, vm.program(), VA));
            t.put(entry, old | NX);
            Asm a = vm.program().mov(RAX, VA).jmp(RAX);
            vm.start(a);
            vm.memory.putInt(PAGE_A, 0xf4f4f4f4);
            Label there = Label.of(VA);
            Expect.pageFault(vm, PRESENT | FETCH, VA, there);
            t.put(entry, old);
        }
    }

    @EngineTest
    void usersMayNotReachTheSystemsPages(TestMachine vm) {
        vm.longMode();
        vm.userMode();
        Expect.pageFault(vm, PRESENT | USER, Layout.DATA, load(vm, vm.program(Layout.USER_CODE), Layout.DATA));
        vm.userMode();
        Expect.pageFault(vm, PRESENT | USER | WRITE, Layout.DATA, store(vm, vm.program(Layout.USER_CODE), Layout.DATA));
        vm.userMode();
        vm.start(vm.program(Layout.USER_CODE).mov(EAX, Layout.DATA).jmp(RAX));
        Expect.pageFault(vm, PRESENT | USER | FETCH, Layout.DATA, Label.of(Layout.DATA));
        vm.cpu.efer &= ~0x800L; // without NX fetches are not told apart
        vm.userMode();
        vm.start(vm.program(Layout.USER_CODE).mov(EAX, Layout.DATA).jmp(RAX));
        Expect.pageFault(vm, PRESENT | USER, Layout.DATA, Label.of(Layout.DATA));
    }

    @EngineTest
    void usersFetchTellsThatItIsOneWhenNxIsOn(TestMachine vm) {
        PageTables t = vm.longMode();
        t.map(VA, PAGE_A, P | W | U | NX);
        vm.userMode();
        vm.start(vm.program(Layout.USER_CODE).mov(RAX, VA).jmp(RAX));
        Expect.pageFault(vm, PRESENT | USER | FETCH, VA, Label.of(VA));
    }

    @EngineTest
    void smepForbidsToExecuteUserPages(TestMachine vm) {
        vm.longMode();
        vm.cpu.cr4 |= CR4_SMEP;
        vm.memory.putInt(Layout.USER_DATA, 0xf4f4f4f4);
        vm.start(vm.program().mov(EAX, Layout.USER_DATA).jmp(RAX));
        Expect.pageFault(vm, PRESENT | FETCH, Layout.USER_DATA, Label.of(Layout.USER_DATA));
        vm.cpu.cr4 &= ~CR4_SMEP;
        vm.start(vm.program().mov(EAX, Layout.USER_DATA).jmp(RAX));
        Expect.halt(vm);
    }

    @EngineTest(notOnPvm = "its instruction emulator does not know the instruction")
    void smapForbidsToReachUserPagesUnlessAcIsSet(TestMachine vm) {
        vm.longMode();
        vm.cpu.cr4 |= CR4_SMAP;
        Expect.pageFault(vm, PRESENT, Layout.USER_DATA, load(vm, vm.program(), Layout.USER_DATA));
        vm.cpu.rflags &= ~(1L << 18);
        Expect.pageFault(vm, PRESENT | WRITE, Layout.USER_DATA, store(vm, vm.program(), Layout.USER_DATA));
        vm.memory.putInt(Layout.USER_DATA, 5);
        Asm a = vm.program()
                .mov(EBX, Layout.USER_DATA)
                .stac()
                .mov(EAX, ptr(RBX))
                .inc(ptr(RBX).m32())
                .clac();
        Label again = a.here();
        vm.start(a.mov(ECX, ptr(RBX)).hlt());
        Expect.pageFault(vm, PRESENT, Layout.USER_DATA, again);
        Expect.reg(vm, EAX, 5);
        assertEquals(6, vm.memory.getInt(Layout.USER_DATA));
    }

    @EngineTest
    void smapDoesNotHinderUsers(TestMachine vm) {
        vm.longMode();
        vm.cpu.cr4 |= CR4_SMAP | CR4_SMEP;
        vm.userMode();
        vm.memory.putInt(Layout.USER_DATA, 17);
        Asm a = vm.program(Layout.USER_CODE).mov(EAX, abs(Layout.USER_DATA));
        Label end = a.here();
        vm.start(a.hlt());
        Expect.fault(vm, Expect.GP, 0, end);
        Expect.reg(vm, EAX, 17);
    }

    @EngineTest(notOnTcg = "a fault of reserved bits has no P in its error code")
    void reservedBits(TestMachine vm) {
        PageTables t = vm.longMode();
        t.map(VA, PAGE_A, P | W);
        for (int level = 4; level >= 1; level--) {
            long entry = t.entryAddress(VA, level), old = t.get(entry);
            t.put(entry, old | 1L << 51); // beyond the physical addresses that CPUID tells
            Expect.pageFault(vm, PRESENT | RESERVED, VA, load(vm, vm.program(), VA));
            if (level == 4) {
                t.put(entry, old | PS);
                Expect.pageFault(vm, PRESENT | RESERVED, VA, load(vm, vm.program(), VA));
            }
            t.put(entry, old);
        }
        t.map(VA + (1L << 30), 0x600000, 1 << 21, 21, P | W | 1 << 13);
        Expect.pageFault(vm, PRESENT | RESERVED, VA + (1L << 30), load(vm, vm.program(), VA + (1L << 30)));
        vm.cpu.efer &= ~0x800L;
        t.map(VA, PAGE_A, P | W | NX);
        Expect.pageFault(vm, PRESENT | RESERVED, VA, load(vm, vm.program(), VA));
    }

    @EngineTest
    void accessedAndDirtyBitsAreSet(TestMachine vm) {
        PageTables t = vm.longMode();
        t.map(VA, PAGE_A, P | W);
        load(vm, vm.program(), VA);
        Expect.halt(vm);
        for (int level = 4; level >= 1; level--) assertEquals(A, t.get(VA, level) & (A | D), "level " + level);
        store(vm, vm.program(), VA);
        Expect.halt(vm);
        assertEquals(A | D, t.get(VA, 1) & (A | D));
        assertEquals(A, t.get(VA, 2) & (A | D), "no dirty bit in a table's entry");
    }

    @EngineTest
    void dirtyBitOfALargePage(TestMachine vm) {
        PageTables t = vm.longMode();
        t.map(VA, 0x600000, 1 << 21, 21, P | W);
        load(vm, vm.program(), VA + 0x12345);
        Expect.halt(vm);
        assertEquals(A, t.get(VA, 2) & (A | D));
        store(vm, vm.program(), VA + 0x54321);
        Expect.halt(vm);
        assertEquals(A | D, t.get(VA, 2) & (A | D));
    }

    @EngineTest
    void writeAfterReadSetsTheDirtyBitThoughTheTranslationIsCached(TestMachine vm) {
        PageTables t = vm.longMode();
        t.map(VA, PAGE_A, P | W);
        Asm a = vm.program()
                .mov(RBX, VA)
                .mov(EAX, ptr(RBX))
                .mov(EAX, ptr(RBX))
                .mov(RCX, abs(t.entryAddress(VA, 1)))
                .mov(ptr(RBX), EAX)
                .mov(RDX, abs(t.entryAddress(VA, 1)));
        vm.start(a.hlt());
        Expect.halt(vm);
        assertEquals(A, vm.get(RCX) & (A | D));
        assertEquals(A | D, vm.get(RDX) & (A | D));
    }

    @EngineTest
    void refusedAccessSetsNoDirtyBit(TestMachine vm) {
        PageTables t = vm.longMode();
        t.map(VA, PAGE_A, P);
        Expect.pageFault(vm, PRESENT | WRITE, VA, store(vm, vm.program(), VA));
        assertEquals(0, t.get(VA, 1) & D);
    }

    @EngineTest(notOnPvm = "no pages of 1 GiB")
    void p32_pagesOf2MegabytesAnd1Gigabyte(TestMachine vm) {
        PageTables t = vm.longMode();
        t.map(VA, 0x600000, 1 << 21, 21, P | W).map(VA + (1L << 30), 0, 1L << 30, 30, P | W);
        vm.memory.putInt(0x6fedcc, 0x600d);
        vm.memory.putInt(0x7abcd0, 0x1600d);
        vm.start(vm.program()
                .mov(RBX, VA + 0xfedcc)
                .mov(EAX, ptr(RBX))
                .mov(RBX, VA + (1L << 30) + 0x7abcd0)
                .mov(ECX, ptr(RBX))
                .hlt());
        Expect.halt(vm);
        Expect.reg(vm, EAX, 0x600d);
        Expect.reg(vm, ECX, 0x1600d);
    }

    @EngineTest
    void changedEntryIsSeenAfterInvlpg(TestMachine vm) {
        PageTables t = vm.longMode();
        t.map(VA, PAGE_A, P | W);
        vm.memory.putInt(PAGE_A, 1);
        vm.memory.putInt(PAGE_B, 2);
        Asm a = vm.program()
                .mov(RBX, VA)
                .mov(EAX, ptr(RBX))
                .mov(RDX, PAGE_B | P | W)
                .mov(abs(t.entryAddress(VA, 1)), RDX)
                .invlpg(ptr(RBX))
                .mov(ECX, ptr(RBX));
        vm.start(a.hlt());
        Expect.halt(vm);
        Expect.reg(vm, EAX, 1);
        Expect.reg(vm, ECX, 2);
    }

    @EngineTest
    void changedEntryIsSeenAfterLoadOfCr3(TestMachine vm) {
        PageTables t = vm.longMode();
        t.map(VA, PAGE_A, P | W);
        vm.memory.putInt(PAGE_A, 1);
        vm.memory.putInt(PAGE_B, 2);
        Asm a = vm.program()
                .mov(RBX, VA)
                .mov(EAX, ptr(RBX))
                .mov(RDX, PAGE_B | P | W)
                .mov(abs(t.entryAddress(VA, 1)), RDX)
                .mov(RDX, CR3)
                .mov(CR3, RDX)
                .mov(ECX, ptr(RBX));
        vm.start(a.hlt());
        Expect.halt(vm);
        Expect.reg(vm, ECX, 2);
    }

    @EngineTest
    void rightsGivenNeedNoInvalidation(TestMachine vm) {
        PageTables t = vm.longMode();
        t.map(VA, PAGE_A, P);
        Asm handler = new Asm(0x7000)
                .bits(64)
                .mov(RDX, PAGE_A | P | W)
                .mov(abs(t.entryAddress(VA, 1)), RDX)
                .add(RSP, 8)
                .iretq();
        vm.load(handler);
        vm.descriptors.idt64(Expect.PF, Layout.KERNEL_CS, 0x7000, Descriptors.INTERRUPT_GATE64, 0);
        vm.start(vm.program()
                .mov(RBX, VA)
                .mov(EAX, ptr(RBX))
                .mov(ptr(RBX).m32(), 77)
                .hlt());
        Expect.halt(vm);
        assertEquals(77, vm.memory.getInt(PAGE_A));
    }

    @EngineTest
    void globalPagesStayOverLoadsOfCr3ButNotOverChangesOfPge(TestMachine vm) {
        PageTables t = vm.longMode();
        t.map(VA, PAGE_A, P | W | G);
        vm.cpu.cr4 |= CR4_PGE;
        vm.memory.putInt(PAGE_A, 1);
        vm.memory.putInt(PAGE_B, 2);
        Asm a = vm.program()
                .mov(RBX, VA)
                .mov(EAX, ptr(RBX))
                .mov(RDX, PAGE_B | P | W | G)
                .mov(abs(t.entryAddress(VA, 1)), RDX);
        a.mov(RDX, CR4)
                .xor(RDX, CR4_PGE)
                .mov(CR4, RDX)
                .xor(RDX, CR4_PGE)
                .mov(CR4, RDX)
                .mov(ECX, ptr(RBX));
        vm.start(a.hlt());
        Expect.halt(vm);
        Expect.reg(vm, ECX, 2);
    }

    /** The software processor has it; another one as it likes. */
    private static void assumePcid(TestMachine vm) {
        boolean there = (IdentificationTest.cpuid(vm, 1, 0)[2] & CPUID_PCID) != 0;
        assumeTrue(there || vm.isSoft(), "skipped: no PCID here");
    }

    @EngineTest(notOnPvm = "no PCID")
    void processContextsKeepTheirTranslationsApart(TestMachine vm) {
        PageTables t = vm.longMode();
        t.map(VA, PAGE_A, P | W);
        PageTables other = new PageTables(vm.memory, PageTables.Kind.LONG, 0x60000);
        other.map(0, 0, 1 << 21, 21, P | W).map(VA, PAGE_B, P | W);
        vm.memory.putInt(PAGE_A, 1);
        vm.memory.putInt(PAGE_B, 2);
        assumePcid(vm);
        vm.cpu.cr4 |= CR4_PCIDE;
        vm.cpu.cr3 = t.root() | 1;
        Asm a = vm.program()
                .mov(RBX, VA)
                .mov(EAX, ptr(RBX))
                .mov(RDX, other.root() | 2)
                .mov(CR3, RDX)
                .mov(ECX, ptr(RBX));
        a.mov(RDX, t.root() | 1 | 1L << 63)
                .mov(CR3, RDX)
                .mov(ESI, ptr(RBX))
                .mov(RDX, other.root() | 2 | 1L << 63)
                .mov(CR3, RDX)
                .mov(EDI, ptr(RBX));
        vm.start(a.hlt());
        Expect.halt(vm);
        Expect.reg(vm, EAX, 1);
        Expect.reg(vm, ECX, 2);
        Expect.reg(vm, ESI, 1);
        Expect.reg(vm, EDI, 2);
        assertEquals(other.root() | 2, vm.cpu.cr3, "bit 63 is not stored");
    }

    @EngineTest(notOnPvm = "no PCID")
    void invpcidForgetsOneAddressOrOneContextOrAll(TestMachine vm) {
        PageTables t = vm.longMode();
        t.map(VA, PAGE_A, P | W);
        assumePcid(vm);
        assumeTrue(
                (IdentificationTest.cpuid(vm, 7, 0)[1] & CPUID_INVPCID) != 0 || vm.isSoft(),
                "skipped: no INVPCID here");
        vm.cpu.cr4 |= CR4_PCIDE;
        vm.cpu.cr3 = t.root() | 1;
        for (int type = 0; type < 4; type++) {
            t.set(VA, 1, PAGE_A | P | W);
            vm.memory.putInt(PAGE_A, 1);
            vm.memory.putInt(PAGE_B, 2);
            vm.memory.putLong(Layout.DATA, 1);
            vm.memory.putLong(Layout.DATA + 8, VA);
            Asm a = vm.program()
                    .mov(RBX, VA)
                    .mov(EAX, ptr(RBX))
                    .mov(RDX, PAGE_B | P | W)
                    .mov(abs(t.entryAddress(VA, 1)), RDX)
                    .mov(ESI, type)
                    .invpcid(RSI, abs(Layout.DATA))
                    .mov(ECX, ptr(RBX));
            vm.start(a.hlt());
            Expect.halt(vm);
            Expect.reg(vm, ECX, 2);
        }
        Asm a = vm.program().mov(ESI, 4);
        Label bad = a.here();
        vm.start(a.invpcid(RSI, abs(Layout.DATA)).hlt());
        Expect.fault(vm, Expect.GP, 0, bad);
    }

    @EngineTest(notOnPvm = "no paging outside of long mode")
    void p32_paging32HasPagesOf4KilobytesAnd4Megabytes(TestMachine vm) {
        PageTables t = vm.paging32();
        t.map(0xc0000000L, PAGE_A, P | W).map(0xd0000000L, 0x800000, 1 << 22, 22, P | W);
        vm.memory.putInt(PAGE_A + 0xabc, 21);
        vm.memory.putInt(0x812344, 22);
        vm.start(vm.program()
                .mov(EAX, abs(0xc0000abcL))
                .mov(ECX, abs(0xd0012344L))
                .mov(abs(0xd0012348L), ECX)
                .hlt());
        Expect.halt(vm);
        Expect.reg(vm, EAX, 21);
        Expect.reg(vm, ECX, 22);
        assertEquals(A | D, t.get(0xd0000000L, 2) & (A | D));
        assertEquals(A, t.get(0xc0000000L, 1) & (A | D));
    }

    @EngineTest(notOnPvm = "no paging outside of long mode")
    void p32_paging32FaultsLikeTheOthers(TestMachine vm) {
        PageTables t = vm.paging32();
        t.map(0xc0000000L, PAGE_A, P);
        Asm a = vm.program();
        Label store = a.here();
        vm.start(a.mov(abs(0xc0000004L), EAX).hlt());
        Expect.pageFault(vm, PRESENT | WRITE, 0xc0000004L, store);
        a = vm.program();
        Label load = a.here();
        vm.start(a.mov(EAX, abs(0xe0000004L)).hlt());
        Expect.pageFault(vm, 0, 0xe0000004L, load);
        vm.userMode();
        a = vm.program(Layout.USER_CODE);
        Label user = a.here();
        vm.start(a.mov(AL, abs(Layout.DATA)).hlt());
        Expect.pageFault(vm, PRESENT | USER, Layout.DATA, user);
    }

    @EngineTest(notOnPvm = "no paging outside of long mode")
    void p32_paePagesHaveNx(TestMachine vm) {
        PageTables t = vm.pagingPae();
        t.map(0xc0000000L, PAGE_A, P | W | NX).map(0xd0000000L, 0x800000, 1 << 21, 21, P | W);
        vm.memory.putInt(PAGE_A, 0xf4f4f4f4);
        vm.memory.putInt(0x812344, 22);
        vm.start(vm.program().mov(EAX, abs(0xd0012344L)).mov(ECX, 0xc0000000L).jmp(ECX));
        Expect.pageFault(vm, PRESENT | FETCH, 0xc0000000L, Label.of(0xc0000000L));
        Expect.reg(vm, EAX, 22);
    }

    @EngineTest(notOnPvm = "no paging outside of long mode", notOnAmd = PAE)
    void paeReadsItsFourPointersWithCr3Only(TestMachine vm) {
        PageTables t = vm.pagingPae();
        t.map(0xc0000000L, PAGE_A, P | W);
        vm.memory.putInt(PAGE_A, 3);
        // the entry in memory is cleared: the processor goes on with what it read, until CR3 is loaded
        Asm a = vm.program()
                .mov(abs(t.entryAddress(0xc0000000L, 3)).m32(), 0)
                .mov(ECX, abs(0xc0000000L))
                .mov(EAX, CR3)
                .mov(CR3, EAX);
        Label load = a.here();
        vm.start(a.mov(EAX, abs(0xc0000000L)).hlt());
        Expect.pageFault(vm, 0, 0xc0000000L, load);
        Expect.reg(vm, ECX, 3);
    }

    @EngineTest(notOnPvm = "no paging outside of long mode", notOnAmd = PAE)
    void paePointerWithReservedBitsFaultsWhenCr3IsLoaded(TestMachine vm) {
        PageTables t = vm.pagingPae();
        vm.memory.putLong(Layout.DATA, 0x20000 | P | W);
        Asm a = vm.program().mov(EAX, Layout.DATA);
        Label load = a.here();
        vm.start(a.mov(CR3, EAX).hlt());
        Expect.fault(vm, Expect.GP, 0, load);
        assertEquals(t.root(), vm.cpu.cr3);
    }

    @EngineTest
    void upperHalfOfTheAddressSpace(TestMachine vm) {
        PageTables t = vm.longMode();
        long top = 0xffff_ffff_ffff_f000L;
        t.map(top, PAGE_A, P | W);
        vm.memory.putInt(PAGE_A + 0xffc, 0x7e57);
        vm.start(vm.program().mov(EAX, abs(-4)).hlt());
        Expect.halt(vm);
        Expect.reg(vm, EAX, 0x7e57);
    }

    @EngineTest
    void pageFaultInTheMiddleOfAPushLeavesTheStackPointer(TestMachine vm) {
        PageTables t = vm.longMode();
        t.map(VA, PAGE_A, P | W);
        vm.descriptors.idt64(Expect.PF, Layout.KERNEL_CS, Layout.HANDLERS + Expect.PF, Descriptors.INTERRUPT_GATE64, 1);
        vm.set(RSP, VA);
        vm.start(vm.program().push(RAX).hlt());
        Frame frame = Expect.fault(vm, Expect.PF, WRITE, Layout.CODE);
        assertEquals(VA, frame.rsp);
        assertEquals(VA - 8, vm.cpu.cr2);
    }

    @EngineTest
    void instructionAcrossTwoPages(TestMachine vm) {
        PageTables t = vm.longMode();
        t.map(VA, PAGE_A, P | W);
        Asm a = new Asm(VA + 0xffd).bits(64).mov(EAX, 0x12345678);
        byte[] code = a.hlt().assemble();
        vm.memory.write(PAGE_A + 0xffd, code, 0, 3);
        vm.cpu.rip = VA + 0xffd;
        vm.apply();
        Expect.pageFault(vm, FETCH, VA + 0x1000, Label.of(VA + 0xffd));
        t.map(VA + 0x1000, 0x705000, P | W);
        vm.memory.write(0x705000, code, 3, code.length - 3);
        vm.cpu.rip = VA + 0xffd;
        vm.apply();
        Expect.halt(vm);
        Expect.reg(vm, EAX, 0x12345678);
    }
}
