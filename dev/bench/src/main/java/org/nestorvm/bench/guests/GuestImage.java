package org.nestorvm.bench.guests;

import static org.nestorvm.asm.Mem.abs;
import static org.nestorvm.asm.Mem.ptr;
import static org.nestorvm.asm.Reg.*;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import org.nestorvm.asm.Asm;
import org.nestorvm.asm.Label;

/**
 * A kernel of one page or two: it starts as multiboot 1 says, in 32-bit mode, goes to long mode and runs a body, whose
 * result in RAX it writes to the debug console, port E9h, as 16 hexadecimal digits; then it asks isa-debug-exit, port
 * F4h, to end the machine. Runs on every monitor that loads multiboot kernels.
 */
public final class GuestImage {
    public static final int DEBUG_CONSOLE = 0xe9, DEBUG_EXIT = 0xf4;
    public static final long LOAD = 0x100000;

    /** Where bodies find things: the first gigabyte is mapped by pages of 2 MiB, open to privilege level 3. */
    public static final long PML4 = 0x200000,
            IDT = 0x203000,
            TSS = 0x204000,
            SPARE_TABLES = 0x208000,
            STACK = 0x220000,
            STACK0 = 0x230000,
            DATA = 0x400000;

    public static final int KERNEL_CS = 0x08,
            KERNEL_DS = 0x10,
            USER_CS32 = 0x1b,
            USER_DS = 0x23,
            USER_CS = 0x2b,
            TSS_SELECTOR = 0x30;
    private static final int HEADER_MAGIC = 0x1badb002, ELF_HEADER_BYTES = 52, PROGRAM_HEADER_BYTES = 32;

    /** What a kernel does when it is in long mode, interrupts off, stack set up. The result belongs into RAX. */
    public interface Body {
        void emit(Asm a);
    }

    private final byte[] flat;
    private final long entry;

    public GuestImage(Body body) {
        Asm a = new Asm(LOAD).bits(32);
        a.dd(HEADER_MAGIC, 0, -HEADER_MAGIC);
        Label start = a.here(), wide = a.label(), gdt = a.label(), gdtPointer = a.label();
        entry = LOAD + 12;
        tables(a);
        a.lgdt(ptr(gdtPointer)).ljmpd(KERNEL_CS, wide);
        a.align(8)
                .bind(gdt)
                .dq(
                        0,
                        0x00af9b000000ffffL,
                        0x00cf93000000ffffL,
                        0x00cffb000000ffffL,
                        0x00cff3000000ffffL,
                        0x00affb000000ffffL);
        a.dq(0x67 | (TSS & 0xffffff) << 16 | 0x89L << 40, 0)
                .bind(gdtPointer)
                .dw(8 * 8 - 1)
                .dd(gdt);
        a.bits(64)
                .bind(wide)
                .mov(EAX, KERNEL_DS)
                .mov(DS, EAX)
                .mov(ES, EAX)
                .mov(SS, EAX)
                .mov(ESP, STACK)
                .mov(EAX, TSS_SELECTOR)
                .ltr(AX);
        body.emit(a);
        finish(a);
        flat = a.assemble();
        if (start.address() != entry) throw new IllegalStateException("entry=" + entry);
    }

    /** Identity map of 1 GiB, PAE, SSE, long mode; a TSS with a stack for privilege level 0. */
    private static void tables(Asm a) {
        a.cld()
                .mov(ESP, STACK)
                .mov(EDI, PML4)
                .mov(ECX, 0x8000 / 4)
                .xor(EAX, EAX)
                .rep()
                .stosd();
        a.mov(abs(PML4).m32(), PML4 + 0x1000 | 7)
                .mov(abs(PML4 + 0x1000).m32(), PML4 + 0x2000 | 7)
                .mov(EDI, PML4 + 0x2000)
                .mov(EAX, 0x87)
                .mov(ECX, 512);
        Label entries = a.here();
        a.mov(ptr(EDI), EAX).add(EDI, 8).add(EAX, 0x200000).dec(ECX).jnz(entries);
        a.mov(abs(TSS + 4).m32(), STACK0).mov(abs(TSS + 102).m16(), 0x68);
        a.mov(EAX, 0x620)
                .mov(CR4, EAX)
                .mov(EAX, PML4)
                .mov(CR3, EAX)
                .mov(ECX, 0xc0000080L)
                .mov(EAX, 0x901)
                .xor(EDX, EDX)
                .wrmsr()
                .mov(EAX, 0x80010033L)
                .mov(CR0, EAX);
    }

    private static void finish(Asm a) {
        a.mov(RBX, RAX).mov(ECX, 16);
        Label digit = a.here();
        a.rol(RBX, 4).mov(EAX, EBX).and(EAX, 15).add(AL, '0').cmp(AL, '9' + 1);
        Label decimal = a.label();
        a.jb(decimal)
                .add(AL, 'a' - '9' - 1)
                .bind(decimal)
                .out(DEBUG_CONSOLE, AL)
                .dec(ECX)
                .jnz(digit);
        a.mov(AL, '\n').out(DEBUG_CONSOLE, AL).xor(EAX, EAX).out(DEBUG_EXIT, AL);
        Label stop = a.here();
        a.cli().hlt().jmp(stop);
    }

    /** The bytes at {@link #LOAD}. */
    public byte[] flat() {
        return flat.clone();
    }

    public long entry() {
        return entry;
    }

    /** An ELF32 executable with one segment, the multiboot header in front of it. */
    public byte[] elf() {
        int offset = 0x1000;
        ByteBuffer b = ByteBuffer.allocate(offset + flat.length).order(ByteOrder.LITTLE_ENDIAN);
        b.putInt(0x464c457f).put((byte) 1).put((byte) 1).put((byte) 1).position(16);
        b.putShort((short) 2)
                .putShort((short) 3)
                .putInt(1)
                .putInt((int) entry)
                .putInt(ELF_HEADER_BYTES)
                .putInt(0)
                .putInt(0);
        b.putShort((short) ELF_HEADER_BYTES)
                .putShort((short) PROGRAM_HEADER_BYTES)
                .putShort((short) 1)
                .putShort((short) 40)
                .putShort((short) 0)
                .putShort((short) 0);
        b.putInt(1)
                .putInt(offset)
                .putInt((int) LOAD)
                .putInt((int) LOAD)
                .putInt(flat.length)
                .putInt(flat.length)
                .putInt(7)
                .putInt(0x1000);
        b.position(offset);
        b.put(flat);
        return b.array();
    }
}
