package org.nestorvm.engine.soft.state;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.nestorvm.engine.soft.SoloCpu;
import org.nestorvm.engine.soft.isa.Reg;
import org.nestorvm.memory.sys.HostMemory;

/** FXSAVE, FXRSTOR, XSAVE, XRSTOR, XGETBV, XSETBV, and the environment in its four layouts. */
class FpuStateTest {
    private static final int[] FXSAVE = {0x0f, 0xae, 0x03},
            FXSAVE64 = {0x48, 0x0f, 0xae, 0x03},
            FXRSTOR = {0x0f, 0xae, 0x0b},
            FXRSTOR64 = {0x48, 0x0f, 0xae, 0x0b};
    private static final int[] XSAVE64 = {0x48, 0x0f, 0xae, 0x23},
            XSAVEOPT64 = {0x48, 0x0f, 0xae, 0x33},
            XRSTOR64 = {0x48, 0x0f, 0xae, 0x2b};
    private static final int[] XGETBV = {0x0f, 0x01, 0xd0}, XSETBV = {0x0f, 0x01, 0xd1};
    private static final int[] FNSTENV = {0xd9, 0x33}, FLDENV = {0xd9, 0x23};
    private final SoloCpu cpu = new SoloCpu();
    private final Cpu c = cpu.c;

    private void fill(long seed) {
        var random = new SplittableRandom(seed);
        for (int i = 0; i < 32; i++) c.xmm[i] = random.nextLong();
        for (int i = 0; i < 8; i++) {
            c.fpMantissa[i] = random.nextLong();
            c.fpExponent[i] = random.nextInt(0x10000);
        }
        c.fpTop = random.nextInt(8);
        c.fpUsed = random.nextInt(256);
        FpuState.setControl(c, 0x37f);
        FpuState.setStatus(c, random.nextInt(0x10000));
        c.mxcsr = 0x1f80 | random.nextInt(0x40);
        c.fpIp = 0x1234_5678_9abcL;
        c.fpDp = 0x7654_3210_fedcL;
        c.fpOpcode = 0x123;
    }

    private String state() {
        byte[] image = new byte[FpuState.SIZE];
        FpuState.save(c, image, true, 16, 3);
        return java.util.HexFormat.of().formatHex(image);
    }

    @Test
    void wideImageBringsEverythingBack() {
        fill(1);
        String before = state();
        HostMemory.putLong(cpu.data + 464, 0x5a5a5a5a5a5a5a5aL);
        assertEquals(-1, cpu.run(FXSAVE64));
        assertEquals(0x5a5a5a5a5a5a5a5aL, HostMemory.getLong(cpu.data + 464));
        assertEquals(0xffff, HostMemory.getInt(cpu.data + 28));
        fill(2);
        assertEquals(-1, cpu.run(FXRSTOR64));
        assertEquals(before, state());
    }

    @Test
    void narrowImageHasSelectorsAndHalfThePointers() {
        fill(3);
        c.fpIpSelector = 0x33;
        c.fpDpSelector = 0x2b;
        assertEquals(-1, cpu.run(FXSAVE));
        assertEquals(0x00000033_56789abcL, HostMemory.getLong(cpu.data + 8));
        assertEquals(0x0000002b_3210fedcL, HostMemory.getLong(cpu.data + 16));
        assertEquals(-1, cpu.run(FXRSTOR));
        assertEquals(0x56789abcL, c.fpIp);
        assertEquals(0x33, c.fpIpSelector);
        assertEquals(0x2b, c.fpDpSelector);
    }

    @Test
    void thirtyTwoBitCodeLeavesTheUpperRegistersAlone() {
        fill(4);
        c.segAccess[Reg.CS] = 0;
        cpu.lowSegment();
        HostMemory.putLong(cpu.data + 160 + 8 * 16, 77);
        assertEquals(-1, cpu.runIn(4, FXSAVE));
        assertEquals(c.xmm[14], HostMemory.getLong(cpu.data + 160 + 7 * 16));
        assertEquals(77, HostMemory.getLong(cpu.data + 160 + 8 * 16));
        long upper = c.xmm[16];
        HostMemory.putLong(cpu.data + 160, 5);
        assertEquals(-1, cpu.runIn(4, FXRSTOR));
        assertEquals(5, c.xmm[0]);
        assertEquals(upper, c.xmm[16]);
    }

    @Test
    void badImagesFaultAndChangeNothing() {
        fill(5);
        assertEquals(-1, cpu.run(FXSAVE64));
        HostMemory.putInt(cpu.data + 24, 0x10000);
        fill(6);
        String before = state();
        assertEquals(GuestFault.GP, cpu.run(FXRSTOR64));
        assertEquals(before, state());
        c.r[Reg.RBX] = cpu.data + 8;
        assertEquals(GuestFault.GP, cpu.run(FXSAVE64));
        assertEquals(GuestFault.GP, cpu.run(FXRSTOR64));
        cpu.controls(c.cr0 | Cpu.CR0_TS, c.cr4);
        assertEquals(GuestFault.NM, cpu.run(FXSAVE64));
    }

    @Test
    void xsaveWritesWhatIsAskedFor() {
        fill(7);
        String before = state();
        c.r[Reg.RAX] = -1;
        c.r[Reg.RDX] = -1;
        assertEquals(-1, cpu.run(XSAVE64));
        assertEquals(3, HostMemory.getLong(cpu.data + 512));
        fill(8);
        assertEquals(-1, cpu.run(XRSTOR64));
        assertEquals(before, state());

        c.r[Reg.RAX] = 2;
        long x87 = HostMemory.getLong(cpu.data + 32);
        fill(9);
        assertEquals(-1, cpu.run(XSAVEOPT64));
        assertEquals(x87, HostMemory.getLong(cpu.data + 32));
        assertEquals(c.xmm[0], HostMemory.getLong(cpu.data + 160));
        assertEquals(3, HostMemory.getLong(cpu.data + 512));
    }

    @Test
    void xrstorInitialisesWhatTheImageLacks() {
        fill(10);
        c.r[Reg.RAX] = 3;
        c.r[Reg.RDX] = 0;
        assertEquals(-1, cpu.run(XSAVE64));
        HostMemory.putLong(cpu.data + 512, 0);
        assertEquals(-1, cpu.run(XRSTOR64));
        assertEquals(0x37f, c.fpControl);
        assertEquals(0, c.fpUsed | c.fpStatus | c.fpTop);
        assertThat(c.xmm).containsOnly(0);
        assertThat(c.fpMantissa).containsOnly(0);
    }

    @Test
    void xrstorRefusesHeadersOfTheFuture() {
        fill(11);
        c.r[Reg.RAX] = 3;
        c.r[Reg.RDX] = 0;
        assertEquals(-1, cpu.run(XSAVE64));
        String before = state();
        HostMemory.putLong(cpu.data + 512, 4);
        assertEquals(GuestFault.GP, cpu.run(XRSTOR64));
        HostMemory.putLong(cpu.data + 512, 3);
        HostMemory.putLong(cpu.data + 520, Long.MIN_VALUE);
        assertEquals(GuestFault.GP, cpu.run(XRSTOR64));
        HostMemory.putLong(cpu.data + 520, 0);
        c.r[Reg.RBX] = cpu.data + 32;
        assertEquals(GuestFault.GP, cpu.run(XSAVE64));
        assertEquals(before, state());
        cpu.controls(c.cr0, c.cr4 & ~Cpu.CR4_OSXSAVE);
        assertEquals(GuestFault.UD, cpu.run(XSAVE64));
        assertEquals(GuestFault.UD, cpu.run(XGETBV));
        assertEquals(GuestFault.UD, cpu.run(XSETBV));
    }

    @Test
    void extendedControlRegister() {
        c.r[Reg.RCX] = 0;
        c.r[Reg.RAX] = 1;
        c.r[Reg.RDX] = 0;
        assertEquals(-1, cpu.run(XSETBV));
        assertEquals(1, c.xcr0);
        c.r[Reg.RAX] = 2;
        assertEquals(GuestFault.GP, cpu.run(XSETBV));
        c.r[Reg.RAX] = 7;
        assertEquals(GuestFault.GP, cpu.run(XSETBV));
        c.r[Reg.RAX] = 3;
        c.cpl = 3;
        assertEquals(GuestFault.GP, cpu.run(XSETBV));
        assertEquals(-1, cpu.run(XGETBV));
        assertEquals(1, c.r[Reg.RAX]);
        c.r[Reg.RCX] = 1;
        assertEquals(GuestFault.GP, cpu.run(XGETBV));
    }

    @Test
    void environmentOfRealModeHoldsLinearAddresses() {
        fill(12);
        c.fpIp = 0x4321;
        c.fpIpSelector = 0xa000;
        c.fpDp = 0xff0;
        c.fpDpSelector = 0x1234;
        c.cr0 = Cpu.CR0_NE;
        c.efer = 0;
        cpu.lowSegment();
        // mod 0, rm 7 is [bx] with 16-bit addresses
        assertEquals(-1, cpu.runIn(2, 0xd9, 0x37));
        assertEquals(0x4321, HostMemory.getShort(cpu.data + 6));
        assertEquals((short) 0xa123, HostMemory.getShort(cpu.data + 8));
        assertEquals(0x3330, HostMemory.getShort(cpu.data + 10));
        assertEquals(0x1000, HostMemory.getShort(cpu.data + 12));
        assertEquals(-1, cpu.runIn(2, 0xd9, 0x27));
        assertEquals(0xa4321, c.fpIp);
        assertEquals(0x13330, c.fpDp);
        assertEquals(0x123, c.fpOpcode);
        assertEquals(-1, cpu.runIn(2, 0x66, 0xd9, 0x37));
        assertEquals(0xa123, HostMemory.getInt(cpu.data + 16));
        assertEquals(0xffff4321, HostMemory.getInt(cpu.data + 12));
    }

    @Test
    void environmentOfProtectedModeHoldsSelectors() {
        fill(13);
        c.fpIpSelector = 0x33;
        c.fpDpSelector = 0x2b;
        c.fpControl = 0x340;
        c.fpStatus = 0;
        assertEquals(-1, cpu.run(FNSTENV));
        assertEquals(0x37f, c.fpControl);
        assertEquals(0xffff0340, HostMemory.getInt(cpu.data));
        assertEquals(0x56789abc, HostMemory.getInt(cpu.data + 12));
        assertEquals(0x01230033, HostMemory.getInt(cpu.data + 16));
        assertEquals(0x3210fedc, HostMemory.getInt(cpu.data + 20));
        assertEquals(0xffff002b, HostMemory.getInt(cpu.data + 24));
        int used = c.fpUsed, top = c.fpTop;
        assertEquals(-1, cpu.run(0xdb, 0xe3));
        assertEquals(-1, cpu.run(FLDENV));
        assertEquals(used, c.fpUsed);
        assertEquals(top, c.fpTop);
        assertEquals(0x340, c.fpControl);
        assertEquals(0x33, c.fpIpSelector);
    }
}
