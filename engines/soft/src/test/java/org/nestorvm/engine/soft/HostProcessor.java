package org.nestorvm.engine.soft;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static org.nestorvm.memory.sys.HostMemory.getLong;
import static org.nestorvm.memory.sys.HostMemory.putByte;
import static org.nestorvm.memory.sys.HostMemory.putLong;

import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;
import java.util.HexFormat;
import org.nestorvm.engine.soft.isa.Reg;

/**
 * The processor that the tests run on, as an oracle: executes one instruction with given general registers, flags and
 * floating-point state, and shows what became of them. Single use by one thread at a time. The instruction must not
 * fault, must leave RSP alone, and must find its memory in {@link #DATA}.
 */
final class HostProcessor {
    /**
     * Offsets in the area that the machine code below works on: FXSAVE images, registers (RSP's place is unused),
     * flags.
     */
    private static final int IMAGE_IN = 0,
            IMAGE_OUT = 512,
            REGISTERS_IN = 1024,
            FLAGS_IN = 1152,
            REGISTERS_OUT = 1280,
            FLAGS_OUT = 1408;

    private static final int CODE = 4096, DATA_OFFSET = 8192 + 1024, SIZE = 16384;
    static final int DATA_SIZE = 1024;

    // Saves the callee's registers and MXCSR, loads the state from [rdi], the general registers last.
    private static final byte[] PROLOGUE = HexFormat.of()
            .parseHex("535541544155415641570fae9f88050000480fae0f57ffb7800400009d488b8700040000488b8f08040000488b9"
                    + "710040000"
                    + "488b9f18040000488baf28040000488bb7300400004c8b87400400004c8b8f480400004c8b9750040"
                    + "0004c8b9f580400004c8ba7600400004c8baf680400004c8bb7700400004c8bbf78040000488bbf38040000");
    // Stores flags, registers and state; fninit, the old MXCSR, the callee's registers, ret.
    private static final byte[] EPILOGUE = HexFormat.of()
            .parseHex("9c57488b7c24104889870005000048898f080500004889971005000048899f180500004889af280500004889b73"
                    + "00500004c898740"
                    + "0500004c898f480500004c8997500500004c899f580500004c89a7600500004c89af680500004c89b"
                    + "7700500004c89bf780500008f87380500008f8780050000480fae8700020000dbe30fae9788050000"
                    + "fc58415f415e415d415c5d5bc3");

    private final long base;
    private final MethodHandle call;
    /** Where instructions may have memory operands: {@link #DATA_SIZE} bytes, aligned to 1024, inside one page. */
    final long data;
    /** The address of the instruction when it runs. */
    final long code;

    HostProcessor() {
        Linker linker = Linker.nativeLinker();
        MethodHandle mmap = linker.downcallHandle(
                linker.defaultLookup().findOrThrow("mmap"),
                FunctionDescriptor.of(JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_INT, JAVA_INT, JAVA_INT, JAVA_LONG));
        try {
            base = (long)
                    mmap.invokeExact(0L, (long) SIZE, 7, 0x22, -1, 0L); // read, write, execute; private, anonymous
        } catch (Throwable t) {
            throw new AssertionError("mmap", t);
        }
        if (base == -1) throw new AssertionError("no memory that is writable and executable");
        data = base + DATA_OFFSET;
        code = base + CODE + PROLOGUE.length;
        for (int i = 0; i < PROLOGUE.length; i++) putByte(base + CODE + i, PROLOGUE[i]);
        call = linker.downcallHandle(MemorySegment.ofAddress(base + CODE), FunctionDescriptor.ofVoid(JAVA_LONG));
    }

    /**
     * Executes one instruction.
     *
     * @param image an FXSAVE image with 64-bit pointers; replaced by the one afterwards
     * @param r the sixteen general registers, RSP ignored; replaced
     * @return the flags afterwards
     */
    long run(byte[] instruction, byte[] image, long[] r, long flags) {
        long at = code;
        for (byte b : instruction) putByte(at++, b);
        for (byte b : EPILOGUE) putByte(at++, b);
        for (int i = 0; i < 512; i++) putByte(base + IMAGE_IN + i, image[i]);
        for (int i = 0; i < 16; i++) putLong(base + REGISTERS_IN + i * 8, r[i]);
        putLong(base + FLAGS_IN, flags);
        try {
            call.invokeExact(base);
        } catch (Throwable t) {
            throw new AssertionError("call of machine code", t);
        }
        MemorySegment.copy(
                MemorySegment.NULL.reinterpret(Long.MAX_VALUE), base + IMAGE_OUT, MemorySegment.ofArray(image), 0, 512);
        for (int i = 0; i < 16; i++) if (i != Reg.RSP) r[i] = getLong(base + REGISTERS_OUT + i * 8);
        return getLong(base + FLAGS_OUT);
    }
}
