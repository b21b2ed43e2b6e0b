package org.nestorvm.engine.soft.ops.sse;

import static org.junit.jupiter.api.Assertions.assertEquals;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.nestorvm.engine.soft.SoloCpu;
import org.nestorvm.engine.soft.isa.Reg;
import org.nestorvm.engine.soft.number.SoftFloat;
import org.nestorvm.engine.soft.state.Cpu;
import org.nestorvm.engine.soft.state.FpuState;
import org.nestorvm.engine.soft.state.GuestFault;
import org.nestorvm.memory.sys.HostMemory;

/** What SSE instructions fault with, and that they have changed nothing then. */
class SseFaultTest {
    private static final int[] ADDSD = {0xf2, 0x0f, 0x58, 0xc1},
            DIVSD = {0xf2, 0x0f, 0x5e, 0xc1},
            MULSD = {0xf2, 0x0f, 0x59, 0xc1},
            ADDPD = {0x66, 0x0f, 0x58, 0xc1};
    private static final long PE_PG = Cpu.CR0_PE | Cpu.CR0_PG;
    private final SoloCpu cpu = new SoloCpu();

    @Test
    void controlRegistersForbidSse() {
        cpu.controls(PE_PG | Cpu.CR0_TS, Cpu.CR4_OSFXSR);
        assertEquals(GuestFault.NM, cpu.run(ADDSD));
        cpu.controls(PE_PG | Cpu.CR0_EM | Cpu.CR0_TS, Cpu.CR4_OSFXSR);
        assertEquals(GuestFault.UD, cpu.run(ADDSD));
        cpu.controls(PE_PG | Cpu.CR0_TS, 0);
        assertEquals(GuestFault.UD, cpu.run(ADDSD));
        cpu.controls(PE_PG, Cpu.CR4_OSFXSR);
        assertEquals(-1, cpu.run(ADDSD));
    }

    /** movaps xmm0,[rbx+disp]; movups; addps; movaps store; pcmpistri, which needs no alignment. */
    @ParameterizedTest
    @CsvSource({"28, 13", "10, -1", "58, 13", "29, 13", "11, -1"})
    void sixteenByteOperandsAreAligned(String opcode, int vector) {
        int op = Integer.parseInt(opcode, 16);
        assertEquals(vector, cpu.run(0x0f, op, 0x43, 8));
        assertEquals(-1, cpu.run(0x0f, op, 0x43, 16));
    }

    @Test
    void stringComparisonsNeedNoAlignment() {
        assertEquals(-1, cpu.run(0x66, 0x0f, 0x3a, 0x63, 0x43, 3, 0));
    }

    @Test
    void unmaskedExceptionKeepsTheResultAway() {
        cpu.c.mxcsr = 0x1f80 & ~(SoftFloat.ZE << 7);
        cpu.setDouble(0, 1);
        cpu.setDouble(1, 0);
        assertEquals(GuestFault.XM, cpu.run(DIVSD));
        assertEquals(1.0, cpu.getDouble(0));
        assertEquals(SoftFloat.ZE, cpu.c.mxcsr & 0x3f);
        cpu.controls(PE_PG, Cpu.CR4_OSFXSR);
        assertEquals(GuestFault.UD, cpu.run(DIVSD));
    }

    @Test
    void exceptionOnOperandsHidesThoseOfTheOtherLane() {
        cpu.c.mxcsr = 0x1f80 & ~(SoftFloat.IE << 7);
        cpu.c.xmm[0] = Double.doubleToRawLongBits(Double.POSITIVE_INFINITY);
        cpu.c.xmm[2] = Double.doubleToRawLongBits(Double.NEGATIVE_INFINITY);
        cpu.c.xmm[1] = Double.doubleToRawLongBits(1);
        cpu.c.xmm[3] = Double.doubleToRawLongBits(1e-30);
        assertEquals(GuestFault.XM, cpu.run(ADDPD));
        assertEquals(SoftFloat.IE, cpu.c.mxcsr & 0x3f);
        assertEquals(1.0, Double.longBitsToDouble(cpu.c.xmm[1]));
    }

    @Test
    void unmaskedUnderflowIsReportedEvenIfExact() {
        cpu.setDouble(0, Double.MIN_NORMAL);
        cpu.setDouble(1, 0.5);
        assertEquals(-1, cpu.run(MULSD));
        assertEquals(0, cpu.c.mxcsr & 0x3f);
        cpu.setDouble(0, Double.MIN_NORMAL);
        cpu.c.mxcsr = 0x1f80 & ~(SoftFloat.UE << 7);
        assertEquals(GuestFault.XM, cpu.run(MULSD));
        assertEquals(SoftFloat.UE, cpu.c.mxcsr & 0x3f);
        assertEquals(Double.MIN_NORMAL, cpu.getDouble(0));
    }

    @Test
    void inexactSumsSetPrecisionAndExactOnesDoNot() {
        cpu.setDouble(0, 3);
        cpu.setDouble(1, 4);
        assertEquals(-1, cpu.run(ADDSD));
        assertEquals(0x1f80, cpu.c.mxcsr);
        cpu.setDouble(1, 0.1);
        assertEquals(-1, cpu.run(ADDSD));
        assertEquals(7.1, cpu.getDouble(0));
        assertEquals(0x1fa0, cpu.c.mxcsr);
    }

    @Test
    void mxcsrHasReservedBits() {
        HostMemory.putInt(cpu.data, 0x10000);
        assertEquals(GuestFault.GP, cpu.run(0x0f, 0xae, 0x53, 0));
        assertEquals(0x1f80, cpu.c.mxcsr);
        HostMemory.putInt(cpu.data, 0xffff);
        assertEquals(-1, cpu.run(0x0f, 0xae, 0x53, 0));
        assertEquals(0xffff, cpu.c.mxcsr);
        assertEquals(-1, cpu.run(0x0f, 0xae, 0x5b, 8));
        assertEquals(0xffff, HostMemory.getInt(cpu.data + 8));
    }

    @Test
    void mmxAndX87ObeyTaskSwitchedAndPendingExceptions() {
        int[] paddb = {0x0f, 0xfc, 0xc1}, fld1 = {0xd9, 0xe8}, fnstsw = {0xdf, 0xe0}, fwait = {0x9b};
        cpu.controls(PE_PG | Cpu.CR0_TS, 0);
        assertEquals(GuestFault.NM, cpu.run(paddb));
        assertEquals(GuestFault.NM, cpu.run(fld1));
        assertEquals(GuestFault.NM, cpu.run(fnstsw));
        assertEquals(-1, cpu.run(fwait));
        cpu.controls(PE_PG | Cpu.CR0_TS | Cpu.CR0_MP, 0);
        assertEquals(GuestFault.NM, cpu.run(fwait));
        cpu.controls(PE_PG | Cpu.CR0_EM, 0);
        assertEquals(GuestFault.UD, cpu.run(paddb));
        assertEquals(GuestFault.NM, cpu.run(fld1));
        cpu.controls(PE_PG | Cpu.CR0_NE, 0);
        FpuState.setControl(cpu.c, 0x37f & ~SoftFloat.ZE);
        FpuState.setStatus(cpu.c, SoftFloat.ZE);
        assertEquals(GuestFault.MF, cpu.run(fld1));
        assertEquals(GuestFault.MF, cpu.run(paddb));
        assertEquals(GuestFault.MF, cpu.run(fwait));
        assertEquals(-1, cpu.run(fnstsw));
        assertEquals(0x8084, cpu.c.r[Reg.RAX] & 0xffff);
        assertEquals(-1, cpu.run(0xdb, 0xe2));
        assertEquals(-1, cpu.run(fld1));
    }
}
