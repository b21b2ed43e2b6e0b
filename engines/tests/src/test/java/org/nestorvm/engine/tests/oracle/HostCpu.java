package org.nestorvm.engine.tests.oracle;

import static org.nestorvm.asm.Mem.ptr;
import static org.nestorvm.asm.Reg.*;
import static org.nestorvm.memory.sys.HostMemory.copyIn;
import static org.nestorvm.memory.sys.HostMemory.copyOut;
import static org.nestorvm.memory.sys.HostMemory.getLong;
import static org.nestorvm.memory.sys.HostMemory.putLong;

import java.io.IOException;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;
import org.nestorvm.asm.Asm;
import org.nestorvm.asm.Label;
import org.nestorvm.asm.Mem;
import org.nestorvm.asm.Reg;
import org.nestorvm.memory.sys.MemoryCalls;

/**
 * Executes instructions on the host's own processor, in this process. The caller sees to it that they cannot fault and
 * end at their last byte. One region of memory holds a trampoline, the state that it loads and stores, the window that
 * instructions may work on, and the instructions, in slots.
 */
final class HostCpu implements AutoCloseable {
    static final int SLOT_BYTES = 64, SLOTS = 16384;
    private static final int STATE = 0x1000, WINDOW = 0x14000, CODE = 0x40000, REGION_BYTES = CODE + SLOT_BYTES * SLOTS;
    private static final int FLAGS = 0x80, HOST_RSP = 0x88, TARGET = 0x90, FX = 0x100;
    /** Places to ask for: below 2 GiB 32-bit addresses reach the window as well. */
    private static final long FIRST_WISH = 0x1000_0000L, LAST_WISH = 0x7800_0000L, NEXT_WISH = 0x0800_0000L;

    /** Linux's flat segments for programs: 32-bit code, 64-bit code, data. */
    private static final int USER_CS32 = 0x23, USER_CS = 0x33, USER_DS = 0x2b;

    private final long region;
    private final int mode;
    private final Label back;
    private final MethodHandle enter;

    HostCpu() throws IOException {
        this(64);
    }

    /** @param mode 64, or 32: instructions run in compatibility mode; see {@link #runs32BitCode} */
    HostCpu(int mode) throws IOException {
        this.mode = mode;
        region = map();
        if (mode == 32 && !below2GiB()) throw new IOException("the kernel gave no memory below 2 GiB");
        Asm a = new Asm(region).bits(64);
        back = trampoline(a);
        byte[] code = a.assemble();
        copyIn(code, 0, region, code.length);
        enter = Linker.nativeLinker().downcallHandle(MemorySegment.ofAddress(region), FunctionDescriptor.ofVoid());
    }

    /** The state's fields; no flags change on the way. */
    private Mem state(int offset) {
        return ptr(Label.of(region + STATE + offset));
    }

    private Label trampoline(Asm a) {
        Reg[] saved = {RBX, RBP, R12, R13, R14, R15};
        for (Reg r : saved) a.push(r);
        a.pushfq()
                .mov(state(HOST_RSP), RSP)
                .fxrstor(state(FX))
                .push(state(FLAGS).m64())
                .popfq();
        if (mode == 32) a.mov(EAX, USER_DS).mov(DS, EAX).mov(ES, EAX);
        for (int i = 0; i < 16; i++) a.mov(Reg.gpr(64, i), state(8 * i));
        if (mode == 32) a.ljmpd(state(TARGET));
        else a.jmp(state(TARGET).m64());
        Label end = a.here();
        for (int i = 0; i < 16; i++) a.mov(state(8 * i), Reg.gpr(64, i));
        if (mode == 32) a.mov(EAX, 0).mov(DS, EAX).mov(ES, EAX);
        a.mov(RSP, state(HOST_RSP))
                .pushfq()
                .pop(state(FLAGS).m64())
                .fxsave(state(FX))
                .fninit()
                .mov(ptr(RSP, -8).m32(), 0x1f80)
                .ldmxcsr(ptr(RSP, -8))
                .popfq();
        for (int i = saved.length - 1; i >= 0; i--) a.pop(saved[i]);
        a.ret();
        return end;
    }

    private static long map() throws IOException {
        int protection = MemoryCalls.PROT_READ | MemoryCalls.PROT_WRITE | MemoryCalls.PROT_EXEC;
        for (long wish = FIRST_WISH; ; wish += NEXT_WISH) {
            long at = MemoryCalls.tryMmap(
                    wish, REGION_BYTES, protection, MemoryCalls.MAP_PRIVATE | MemoryCalls.MAP_ANONYMOUS, -1, 0);
            if (at < 0) throw new IOException("no executable memory here: errno " + -at);
            if (at == wish || wish == LAST_WISH) return at;
            MemoryCalls.munmap("oracle region", at, REGION_BYTES);
        }
    }

    /**
     * Does this kernel let programs run 32-bit code? LAR tells: a code segment of privilege level 3, present, of 32
     * bits.
     */
    static boolean runs32BitCode() throws IOException {
        try (HostCpu host = new HostCpu()) {
            CaseState s = new CaseState();
            s.gpr[RSP.number] = host.windowAddress() + CaseState.STACK;
            host.putCode(
                    0,
                    new Asm(0)
                            .bits(64)
                            .mov(ECX, USER_CS32)
                            .xor(EAX, EAX)
                            .lar(EAX, ECX)
                            .assemble());
            host.run(0, s);
            boolean found = (s.rflags & Spec.ZF) != 0,
                    code = (s.gpr[0] & 0xf800) == 0xf800,
                    wide = (s.gpr[0] & 0x600000) == 0x400000;
            return found && code && wide && host.below2GiB();
        }
    }

    long windowAddress() {
        return region + WINDOW;
    }

    boolean below2GiB() {
        return region + REGION_BYTES <= Integer.MAX_VALUE;
    }

    long codeAddress(int slot) {
        return region + CODE + (long) slot * SLOT_BYTES;
    }

    /**
     * Puts instructions into a slot, and the following ones if they are longer; the processor falls out of them into a
     * jump back.
     */
    void putCode(int slot, byte[] code) {
        long at = codeAddress(slot);
        copyIn(code, 0, at, code.length);
        byte[] jump = (mode == 32
                        ? new Asm(at + code.length).bits(32).ljmpd(USER_CS, back)
                        : new Asm(at + code.length).bits(64).jmp(back))
                .assemble();
        copyIn(jump, 0, at + code.length, jump.length);
    }

    void run(int slot, CaseState s) {
        long state = region + STATE;
        for (int i = 0; i < 16; i++) putLong(state + 8 * i, s.gpr[i]);
        putLong(state + FLAGS, s.rflags);
        putLong(state + TARGET, mode == 32 ? (long) USER_CS32 << 32 | codeAddress(slot) : codeAddress(slot));
        copyIn(s.fx.array(), 0, state + FX, CaseState.FX_BYTES);
        copyIn(s.window.array(), 0, windowAddress(), CaseState.WINDOW_BYTES);
        try {
            enter.invokeExact();
        } catch (Throwable t) {
            throw new AssertionError(t);
        }
        for (int i = 0; i < 16; i++) s.gpr[i] = getLong(state + 8 * i);
        s.rflags = getLong(state + FLAGS);
        copyOut(state + FX, s.fx.array(), 0, CaseState.FX_BYTES);
        copyOut(windowAddress(), s.window.array(), 0, CaseState.WINDOW_BYTES);
    }

    @Override
    public void close() throws IOException {
        MemoryCalls.munmap("oracle region", region, REGION_BYTES);
    }
}
