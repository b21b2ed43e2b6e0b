package org.nestorvm.bench.guests;

import static org.nestorvm.asm.Mem.abs;
import static org.nestorvm.asm.Mem.ptr;
import static org.nestorvm.asm.Reg.*;
import static org.nestorvm.bench.guests.GuestImage.*;

import java.util.LinkedHashMap;
import java.util.Map;
import org.nestorvm.asm.Asm;
import org.nestorvm.asm.Label;

/** What processors are measured with. Each leaves a checksum, so that a wrong answer is not taken for a fast one. */
public final class GuestPrograms {
    private static final long ARRAY = DATA, COPY = DATA + (8 << 20);

    private GuestPrograms() {}

    /** By name, in the order of reports. @param scale 1 for some seconds on an interpreter; smaller for a test */
    public static Map<String, GuestImage> all(double scale) {
        Map<String, GuestImage> all = new LinkedHashMap<>();
        all.put("nothing", new GuestImage(a -> a.xor(EAX, EAX)));
        all.put("empty-loop", new GuestImage(a -> emptyLoop(a, times(scale, 200_000_000))));
        all.put("alu-mix", new GuestImage(a -> aluMix(a, times(scale, 25_000_000))));
        all.put("sieve", new GuestImage(a -> sieve(a, times(scale, 5))));
        all.put("crc32", new GuestImage(a -> crc32(a, times(scale, 64))));
        all.put("fib", new GuestImage(a -> fib(a, 34 + (int) Math.round(Math.log(scale) / Math.log(1.618)))));
        all.put("memcpy-rep", new GuestImage(a -> memcpyRep(a, times(scale, 4_000))));
        all.put("memcpy-sse", new GuestImage(a -> memcpySse(a, times(scale, 400))));
        all.put("floating-point", new GuestImage(a -> floatingPoint(a, times(scale, 10_000_000))));
        all.put("syscall", new GuestImage(a -> syscalls(a, times(scale, 5_000_000))));
        all.put("page-fault", new GuestImage(a -> pageFaults(a, times(scale, 1_000_000))));
        all.put("context-switch", new GuestImage(a -> contextSwitches(a, times(scale, 1_000_000))));
        return all;
    }

    private static int times(double scale, int full) {
        return (int) Math.max(1, full * scale);
    }

    private static void emptyLoop(Asm a, int times) {
        a.mov(ECX, times);
        Label loop = a.here();
        a.dec(ECX).jnz(loop).mov(EAX, ECX);
    }

    private static void aluMix(Asm a, int times) {
        a.mov(ECX, times).mov(EAX, 1).mov(EBX, 0x12345678).xor(EDX, EDX);
        Label loop = a.here();
        a.add(RAX, RBX)
                .xor(RBX, RAX)
                .rol(RAX, 7)
                .lea(RDX, ptr(RDX, RAX, 2, 3))
                .shr(RBX, 1)
                .adc(RDX, 5)
                .mov(RSI, RDX)
                .and(ESI, 0xff)
                .imul(RSI, RAX)
                .sub(RBX, RSI)
                .movzx(EDI, BL)
                .or(RAX, RDI);
        a.dec(ECX).jnz(loop).add(RAX, RDX);
    }

    /** Eratosthenes, two million bytes. */
    private static void sieve(Asm a, int rounds) {
        int size = 2_000_000;
        a.mov(R8D, rounds);
        Label round = a.here();
        a.mov(EDI, ARRAY)
                .mov(ECX, size / 8)
                .mov(RAX, 0x0101010101010101L)
                .rep()
                .stosq()
                .mov(ESI, 2);
        Label next = a.here(), composite = a.label(), enough = a.label();
        a.mov(EDX, ESI)
                .imul(EDX, EDX)
                .cmp(EDX, size)
                .jae(enough)
                .cmp(ptr(RSI, ARRAY).m8(), 0)
                .je(composite);
        Label strike = a.here();
        a.mov(ptr(RDX, ARRAY).m8(), 0).add(EDX, ESI).cmp(EDX, size).jb(strike);
        a.bind(composite).inc(ESI).jmp(next).bind(enough).dec(R8D).jnz(round);
        a.mov(ESI, 2).xor(EAX, EAX);
        Label count = a.here();
        a.movzx(EDX, ptr(RSI, ARRAY).m8()).add(EAX, EDX).inc(ESI).cmp(ESI, size).jb(count);
    }

    /** The usual table, one MiB each round. */
    private static void crc32(Asm a, int rounds) {
        a.xor(ESI, ESI);
        Label entry = a.here();
        a.mov(EAX, ESI).mov(ECX, 8);
        Label bit = a.here(), even = a.label();
        a.shr(EAX, 1)
                .jnc(even)
                .xor(EAX, 0xedb88320L)
                .bind(even)
                .dec(ECX)
                .jnz(bit)
                .mov(ptr(null, RSI, 4, ARRAY), EAX)
                .inc(ESI)
                .cmp(ESI, 256)
                .jb(entry);
        a.mov(EDI, COPY).mov(ECX, 1 << 20);
        Label fill = a.here();
        a.imul(EAX, EAX, 1103515245)
                .add(EAX, 12345)
                .mov(EDX, EAX)
                .shr(EDX, 16)
                .mov(ptr(RDI), DL)
                .inc(RDI)
                .dec(ECX)
                .jnz(fill);
        a.mov(R8D, rounds).mov(EAX, -1);
        Label round = a.here();
        a.mov(EDI, COPY).mov(ECX, 1 << 20);
        Label loop = a.here();
        a.movzx(EDX, ptr(RDI).m8())
                .movzx(EBX, AL)
                .xor(EBX, EDX)
                .shr(EAX, 8)
                .xor(EAX, ptr(null, RBX, 4, ARRAY))
                .inc(RDI)
                .dec(ECX)
                .jnz(loop)
                .dec(R8D)
                .jnz(round)
                .not(EAX);
    }

    private static void fib(Asm a, int n) {
        Label fib = a.label(), over = a.label(), small = a.label();
        a.mov(EDI, n)
                .call(fib)
                .jmp(over)
                .bind(fib)
                .cmp(EDI, 2)
                .jb(small)
                .push(RBX)
                .push(RDI)
                .dec(EDI)
                .call(fib)
                .mov(RBX, RAX)
                .pop(RDI)
                .sub(EDI, 2)
                .call(fib)
                .add(RAX, RBX)
                .pop(RBX)
                .ret();
        a.bind(small).mov(EAX, EDI).ret().bind(over);
    }

    private static void fillArray(Asm a) {
        a.mov(EDI, ARRAY).mov(ECX, (1 << 20) / 4).mov(EAX, 1);
        Label fill = a.here();
        a.imul(EAX, EAX, 1664525)
                .add(EAX, 1013904223)
                .mov(ptr(RDI), EAX)
                .add(RDI, 4)
                .dec(ECX)
                .jnz(fill);
    }

    private static void sumCopy(Asm a) {
        a.mov(ESI, COPY).mov(ECX, (1 << 20) / 8).xor(EAX, EAX);
        Label sum = a.here();
        a.add(RAX, ptr(RSI)).rol(RAX, 1).add(RSI, 8).dec(ECX).jnz(sum);
    }

    private static void memcpyRep(Asm a, int rounds) {
        fillArray(a);
        a.mov(R8D, rounds);
        Label round = a.here();
        a.mov(ESI, ARRAY)
                .mov(EDI, COPY)
                .mov(ECX, (1 << 20) / 8)
                .rep()
                .movsq()
                .dec(R8D)
                .jnz(round);
        sumCopy(a);
    }

    private static void memcpySse(Asm a, int rounds) {
        fillArray(a);
        a.mov(R8D, rounds);
        Label round = a.here();
        a.mov(ESI, ARRAY).mov(EDI, COPY).mov(ECX, (1 << 20) / 64);
        Label loop = a.here();
        for (int i = 0; i < 4; i++) a.movdqu(org.nestorvm.asm.Reg.xmm(i), ptr(RSI, 16 * i));
        for (int i = 0; i < 4; i++) a.movdqa(ptr(RDI, 16 * i), org.nestorvm.asm.Reg.xmm(i));
        a.add(RSI, 64).add(RDI, 64).dec(ECX).jnz(loop).dec(R8D).jnz(round);
        sumCopy(a);
    }

    /** x = sqrt(x * a + b) / c + x / 2, in doubles: all four operations and a root. */
    private static void floatingPoint(Asm a, int times) {
        a.mov(ECX, times);
        int[] constants = {3, 7, 2};
        for (int i = 0; i < 3; i++) a.mov(EAX, constants[i]).cvtsi2sd(org.nestorvm.asm.Reg.xmm(i + 1), EAX);
        a.cvtsi2sd(XMM0, ECX);
        Label loop = a.here();
        a.movapd(XMM4, XMM0)
                .mulsd(XMM0, XMM1)
                .addsd(XMM0, XMM2)
                .sqrtsd(XMM0, XMM0)
                .divsd(XMM0, XMM3)
                .divsd(XMM4, XMM3)
                .addsd(XMM0, XMM4)
                .subsd(XMM4, XMM0)
                .addsd(XMM5, XMM4)
                .dec(ECX)
                .jnz(loop);
        a.movq(RAX, XMM0).movq(RDX, XMM5).add(RAX, RDX);
    }

    /** From privilege level 3 and back. */
    private static void syscalls(Asm a, int times) {
        Label kernel = a.label(), user = a.label(), over = a.label();
        a.mov(ECX, 0xc0000081L)
                .xor(EAX, EAX)
                .mov(EDX, (USER_CS32 & ~3) << 16 | KERNEL_CS)
                .wrmsr();
        a.mov(ECX, 0xc0000082L)
                .mov(EAX, kernel)
                .xor(EDX, EDX)
                .wrmsr()
                .mov(ECX, 0xc0000084L)
                .mov(EAX, 0x200)
                .wrmsr();
        a.xor(EBX, EBX).mov(ESI, times).mov(ECX, user).mov(R11, 2).sysretq();
        a.bind(kernel).inc(RBX).test(EDI, EDI).jnz(over).sysretq();
        Label loop = a.bind(user).here();
        a.xor(EDI, EDI).syscall().dec(ESI).jnz(loop).mov(EDI, 1).syscall();
        a.bind(over).mov(RAX, RBX);
    }

    /**
     * A handler enters the page, the loop takes it away again. The gate's 16 bytes are put together here since the
     * handler's address is not known before.
     */
    private static void pageFaults(Asm a, int times) {
        Label handler = a.label(), over = a.label();
        long page = 0x3fe00000L, pd = PML4 + 0x2000 + 8 * (page >>> 21), table = SPARE_TABLES;
        a.mov(EAX, handler)
                .mov(EDX, EAX)
                .and(EAX, 0xffff)
                .or(EAX, KERNEL_CS << 16)
                .and(EDX, 0xffff0000L)
                .or(EDX, 0x8e00)
                .shl(RDX, 32)
                .or(RAX, RDX)
                .mov(abs(IDT + 16 * 14), RAX);
        a.mov(abs(IDT + 16 * 14 + 8).m64(), 0);
        Label pointer = a.label();
        a.lidt(ptr(pointer))
                .mov(EDI, table)
                .mov(ECX, 512)
                .xor(EAX, EAX)
                .rep()
                .stosq()
                .mov(abs(pd).m64(), table | 7)
                .mov(RAX, CR3)
                .mov(CR3, RAX);
        a.xor(EBX, EBX).mov(ESI, times).mov(EDI, page).xor(R9D, R9D);
        Label loop = a.here();
        a.inc(ptr(RDI).m32())
                .mov(abs(table).m64(), 0)
                .invlpg(ptr(RDI))
                .dec(ESI)
                .jnz(loop)
                .mov(RAX, R9)
                .shl(RAX, 32)
                .or(RAX, RBX)
                .jmp(over);
        a.align(8).bind(pointer).dw(0xfff).dq(IDT);
        a.bind(handler)
                .inc(RBX)
                .push(RAX)
                .mov(RAX, CR2)
                .shr(RAX, 20)
                .add(R9, RAX)
                .mov(RAX, DATA | 7)
                .mov(abs(table), RAX)
                .pop(RAX)
                .add(RSP, 8)
                .iretq();
        a.bind(over);
    }

    /** Two address spaces that differ in one page table of four pages; each turn reads and writes the pages. */
    private static void contextSwitches(Asm a, int times) {
        long page = 0x3fe00000L, other = SPARE_TABLES;
        // the second space: its own PML4, PDPT and PD, copies of the first ones
        a.mov(ESI, PML4)
                .mov(EDI, other)
                .mov(ECX, 3 * 512)
                .rep()
                .movsq()
                .mov(abs(other).m64(), other + 0x1000 | 7)
                .mov(abs(other + 0x1000).m64(), other + 0x2000 | 7);
        for (int space = 0; space < 2; space++) {
            long pd = (space == 0 ? PML4 : other) + 0x2000, table = other + 0x3000 + 0x1000L * space;
            a.mov(abs(pd + 8 * (page >>> 21)).m64(), table | 7);
            for (int i = 0; i < 4; i++) a.mov(abs(table + 8 * i).m64(), DATA + 0x1000L * (4 * space + i) | 7);
        }
        a.mov(EDI, DATA)
                .mov(ECX, 8 * 512)
                .xor(EAX, EAX)
                .rep()
                .stosq()
                .mov(ESI, times)
                .mov(EDI, page)
                .mov(R8D, PML4)
                .mov(R9D, other);
        Label loop = a.here();
        for (int space = 0; space < 2; space++) {
            a.mov(CR3, space == 0 ? R8 : R9);
            for (int i = 0; i < 4; i++)
                a.add(RAX, ptr(RDI, 0x1000L * i)).add(ptr(RDI, 0x1000L * i).m32(), space + i + 1);
        }
        a.dec(ESI).jnz(loop);
    }
}
