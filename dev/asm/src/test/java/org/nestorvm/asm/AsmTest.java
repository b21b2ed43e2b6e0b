package org.nestorvm.asm;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.nestorvm.asm.Mem.abs;
import static org.nestorvm.asm.Mem.ptr;
import static org.nestorvm.asm.Reg.*;

import java.util.HexFormat;
import org.junit.jupiter.api.Test;

class AsmTest {
    private static void assertBytes(String hex, Asm a) {
        assertEquals(hex, HexFormat.ofDelimiter(" ").withUpperCase().formatHex(a.assemble()));
    }

    @Test
    void backwardJumpIsShort() {
        Asm a = new Asm(0x7c00);
        Label loop = a.here();
        assertBytes("49 75 FD F4", a.dec(CX).jnz(loop).hlt());
    }

    @Test
    void forwardJumpIsShortWhereItReaches() {
        Asm a = new Asm(0x1000).bits(32);
        Label out = a.label();
        assertBytes("EB 7F", new Asm(0x1000).bits(32).jmp(0x1081));
        a.jmp(out).fill(127, 0x90).bind(out).ret();
        byte[] code = a.assemble();
        assertEquals((byte) 0xeb, code[0]);
        assertEquals(0x1081, out.address());
    }

    @Test
    void forwardJumpGrowsAndMovesLabelsBehindIt() {
        Asm a = new Asm(0x1000).bits(64);
        Label out = a.label();
        a.je(out);
        Label middle = a.here();
        a.fill(128, 0x90).bind(out).ret();
        byte[] code = a.assemble();
        assertArrayEquals(new byte[] {0x0f, (byte) 0x84, (byte) 0x80, 0, 0, 0}, java.util.Arrays.copyOf(code, 6));
        assertEquals(0x1006, middle.address());
        assertEquals(0x1086, out.address());
    }

    @Test
    void loopThatDoesNotReachIsRefused() {
        Asm a = new Asm(0);
        Label start = a.here();
        a.fill(200, 0x90).loop(start);
        assertThrows(IllegalArgumentException.class, a::assemble);
    }

    @Test
    void labelInLongModeIsRelativeToTheEndOfTheInstruction() {
        Asm a = new Asm(0x1000).bits(64);
        Label data = a.label();
        a.mov(ptr(data).m32(), 5).bind(data).dd(0);
        assertBytes("C7 05 00 00 00 00 05 00 00 00 00 00 00 00", a);
    }

    @Test
    void labelElsewhereIsAbsolute() {
        Asm a = new Asm(0x1000).bits(32);
        Label data = a.label();
        a.mov(EBX, data).mov(ECX, ptr(data.plus(4))).bind(data).dd(data);
        assertBytes("BB 0B 10 00 00 8B 0D 0F 10 00 00 0B 10 00 00", a);
    }

    @Test
    void modeChangesInsideAProgram() {
        Asm a = new Asm(0x1000);
        Label wide = a.label();
        a.ljmpd(8, wide).bits(32).bind(wide).mov(AX, 1).bits(64).mov(RAX, RBX);
        assertBytes("66 EA 08 10 00 00 08 00 66 B8 01 00 48 89 D8", a);
    }

    @Test
    void directives() {
        assertBytes(
                "01 00 00 00 34 12 00 00 78 56 34 12 68 69 00 FF FF",
                new Asm(0x10)
                        .db(1)
                        .align(4)
                        .dw(0x1234)
                        .org(0x18)
                        .dd(0x12345678)
                        .asciz("hi")
                        .fill(2, 0xff));
        assertThrows(
                IllegalArgumentException.class,
                () -> new Asm(0x10).fill(4, 0).org(0x12).assemble());
    }

    @Test
    void prefixesStandBeforeTheInstruction() {
        assertBytes(
                "F0 48 0F C1 03 F3 48 A5",
                new Asm(0).bits(64).lock().xadd(ptr(RBX), RAX).rep().movsq());
    }

    @Test
    void absoluteAddressesHaveTheModesSize() {
        assertBytes(
                "A1 34 12 67 8B 1D 00 00 10 00", new Asm(0).mov(AX, abs(0x1234)).mov(BX, abs(0x100000)));
        assertBytes("8B 04 25 34 12 00 00", new Asm(0).bits(64).mov(EAX, abs(0x1234)));
    }

    @Test
    void memoryOfUnknownSizeIsRefused() {
        assertThrows(IllegalArgumentException.class, () -> new Asm(0).bits(64).inc(ptr(RBX)));
        assertThrows(IllegalArgumentException.class, () -> new Asm(0).bits(64).movzx(EAX, ptr(RBX)));
        assertBytes("FE 03", new Asm(0).bits(64).inc(ptr(RBX).m8()));
    }

    @Test
    void whatCannotBeEncodedIsRefused() {
        assertThrows(
                IllegalArgumentException.class,
                () -> new Asm(0).bits(64).mov(AH, SPL).assemble());
        assertThrows(
                IllegalArgumentException.class,
                () -> new Asm(0).bits(32).mov(EAX, R8D).assemble());
        assertThrows(IllegalArgumentException.class, () -> new Asm(0).bits(64).aaa());
        assertThrows(IllegalArgumentException.class, () -> new Asm(0).bits(64).add(RAX, 1L << 40));
        assertThrows(IllegalStateException.class, () -> {
            Asm a = new Asm(0);
            a.jmp(a.label()).assemble();
        });
    }
}
