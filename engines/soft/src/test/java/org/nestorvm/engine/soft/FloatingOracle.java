package org.nestorvm.engine.soft;

import static org.nestorvm.memory.sys.HostMemory.getByte;
import static org.nestorvm.memory.sys.HostMemory.putByte;

import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.function.BiPredicate;
import org.nestorvm.engine.soft.isa.Decoder;
import org.nestorvm.engine.soft.isa.Reg;
import org.nestorvm.engine.soft.number.SoftFloat;
import org.nestorvm.engine.soft.ops.Op;
import org.nestorvm.engine.soft.run.Ops;
import org.nestorvm.engine.soft.state.Cpu;
import org.nestorvm.engine.soft.state.Flags;
import org.nestorvm.engine.soft.state.FpuState;
import org.nestorvm.engine.soft.state.GuestFault;
import org.nestorvm.memory.sys.HostMemory;

/** Runs instructions on the host's processor and in the engine from the same state, and lists the differences. */
final class FloatingOracle {
    static final int AREA = 128;

    private final HostProcessor host = new HostProcessor();
    private final Cpu c = new Cpu();
    private final Decoder decoder = new Decoder();
    final Operands random;
    private final byte[] before = new byte[512], expected = new byte[512], actual = new byte[512];
    private final byte[] memoryBefore = new byte[AREA], memoryExpected = new byte[AREA];
    private final long[] r = new long[16];
    /** What of the x87 part need not agree, by byte of the image. */
    BiPredicate<byte[], byte[]> x87Tolerance = (a, b) -> false;
    /** A lane that is a NaN of another payload is right as well. */
    boolean nansAlike;

    FloatingOracle(long seed) {
        random = new Operands(seed);
        c.cr0 = Cpu.CR0_PE | Cpu.CR0_NE | Cpu.CR0_PG;
        c.cr4 = Cpu.CR4_OSFXSR | Cpu.CR4_OSXMMEXCPT;
        c.efer = Cpu.EFER_LMA | Cpu.EFER_LME;
        c.updateFpuAccess();
        // One page is reachable, at the host's own address.
        int slot = (int) (host.data >>> 12) & Cpu.TLB_SIZE - 1;
        c.readTag[slot] = c.writeTag[slot] = host.data & Cpu.PAGE_MASK;
        c.addend[slot] = 0;
    }

    /** The state before the next case. */
    void randomState() {
        MemorySegment m = MemorySegment.ofArray(before);
        Arrays.fill(before, (byte) 0);
        // Exceptions need not be masked: they would only trap at the next instruction that waits, and none follows. But
        // none may be pending before.
        int masks = random.below(3) == 0 ? random.below(0x40) : 0x3f;
        int control = random.below(3) != 0 ? random.below(4) << 10 | new int[] {0, 2, 3}[random.below(3)] << 8 : 0x300;
        m.set(HostMemory.SHORT, 0, (short) (control | masks | 0x40));
        m.set(HostMemory.SHORT, 2, (short) (random.below(0x10000) & (0x7f40 | masks)));
        before[4] = (byte) (random.below(4) == 0 ? random.below(256) : 0xff);
        m.set(HostMemory.INT, 24, mxcsr());
        for (int i = 0; i < 8; i++) {
            int exponent = random.exponent80();
            m.set(HostMemory.LONG, 32 + i * 16L, random.mantissa80(exponent));
            m.set(HostMemory.SHORT, 40 + i * 16L, (short) exponent);
        }
        long[] vector = new long[2];
        int kind = random.below(5);
        for (int i = 0; i < 16; i++) {
            random.vector(vector, 0, random.below(8) == 0 ? random.below(5) : kind);
            m.set(HostMemory.LONG, 160 + i * 16L, vector[0]);
            m.set(HostMemory.LONG, 168 + i * 16L, vector[1]);
        }
        long[] area = new long[AREA / 8];
        for (int i = 0; i < area.length; i += 2) random.vector(area, i, random.below(8) == 0 ? random.below(5) : kind);
        MemorySegment.copy(MemorySegment.ofArray(area), 0, MemorySegment.ofArray(memoryBefore), 0, AREA);
        for (int i = 0; i < 16; i++) r[i] = random.integer();
    }

    private int mxcsr() {
        int flags = random.below(3) == 0 ? random.below(0x40) : random.below(2) * 0x20;
        int controls =
                random.below(2) == 0 ? 0 : random.below(4) << 13 | random.below(2) * 0x40 | random.below(2) * 0x8000;
        return 0x1f80 | flags | controls;
    }

    /**
     * A tolerance: registers may differ by one unit in the last place, and then in PE, UE and C1, which say how the
     * result was rounded.
     */
    static boolean withinOneUnit(byte[] expected, byte[] actual) {
        MemorySegment e = MemorySegment.ofArray(expected), a = MemorySegment.ofArray(actual);
        for (int at = 32; at < 160; at += 16) {
            int signs = (expected[at + 9] ^ actual[at + 9]) & 0x80,
                    order = (e.get(HostMemory.SHORT, at + 8L) & 0x7fff) - (a.get(HostMemory.SHORT, at + 8L) & 0x7fff);
            long x = e.get(HostMemory.LONG, at), y = a.get(HostMemory.LONG, at);
            boolean near = order == 0
                    ? Math.abs(x - y) <= 1
                    : order == 1 ? x == Long.MIN_VALUE && y == -1 : order == -1 && y == Long.MIN_VALUE && x == -1;
            if (signs != 0 || !near) return false;
        }
        int status = e.get(HostMemory.SHORT, 2) ^ a.get(HostMemory.SHORT, 2);
        return e.get(HostMemory.SHORT, 0) == a.get(HostMemory.SHORT, 0)
                && (status & ~(FpuState.C1 | SoftFloat.PE | SoftFloat.UE)) == 0
                && expected[4] == actual[4];
    }

    private void setMemory() {
        for (int i = 0; i < AREA; i++) putByte(host.data + i, memoryBefore[i]);
    }

    /** Runs one instruction on both; null if they agree, else a description. */
    String difference(byte[] code) {
        long[] registersExpected = r.clone();
        registersExpected[Reg.RBX] = registersExpected[Reg.RDI] = host.data;
        System.arraycopy(registersExpected, 0, c.r, 0, 16);
        long flags = random.below(0x1000) & Cpu.STATUS | 0x202;
        System.arraycopy(before, 0, expected, 0, 512);
        setMemory();
        long flagsExpected = host.run(code, expected, registersExpected, flags);
        for (int i = 0; i < AREA; i++) memoryExpected[i] = getByte(host.data + i);

        setMemory();
        FpuState.restore(c, before, true, 16, 3);
        c.rflags = flags;
        c.ccKind = Flags.EXPLICIT;
        Op op = make(code);
        c.r[Reg.RIP] = host.code;
        try {
            op.exec(c);
        } catch (GuestFault f) {
            return describe(code) + ": fault " + f.vector + " that the host does not raise";
        }
        FpuState.save(c, actual, true, 16, 3);
        List<String> differences = new ArrayList<>();
        for (int i = 0; i < 16; i++) {
            if (i != Reg.RSP && c.r[i] != registersExpected[i])
                differences.add("r" + i + " " + hex(c.r[i]) + " host " + hex(registersExpected[i]));
        }
        if (Flags.rflags(c) != flagsExpected) differences.add("flags " + hex(c.rflags) + " host " + hex(flagsExpected));
        for (int i = 0; i < AREA; i++) {
            if (getByte(host.data + i) != memoryExpected[i]) {
                differences.add("memory+" + i + " " + memoryHex() + " host "
                        + HexFormat.of().formatHex(memoryExpected));
                break;
            }
        }
        compareImages(differences);
        return differences.isEmpty()
                ? null
                : describe(code) + "\n  before " + state(before) + "\n  memory "
                        + HexFormat.of().formatHex(memoryBefore, 0, 48) + "\n  " + String.join("\n  ", differences);
    }

    private String memoryHex() {
        byte[] b = new byte[AREA];
        for (int i = 0; i < AREA; i++) b[i] = getByte(host.data + i);
        return HexFormat.of().formatHex(b);
    }

    private Op make(byte[] code) {
        for (int i = 0; i < 16; i++)
            putByte(host.data + HostProcessor.DATA_SIZE - 16 + i, i < code.length ? code[i] : 0);
        int result = decoder.decode(host.data + HostProcessor.DATA_SIZE - 16, 16, 0, 8, 8);
        if (result != Decoder.OK)
            throw new AssertionError(
                    "decoder says " + result + " of " + HexFormat.of().formatHex(code));
        if (decoder.insn.end != code.length)
            throw new AssertionError(
                    "length " + decoder.insn.end + " of " + HexFormat.of().formatHex(code));
        Op op = Ops.make(decoder.insn);
        if (op == null)
            throw new AssertionError("no operation for " + HexFormat.of().formatHex(code));
        return op;
    }

    private String describe(byte[] code) {
        return decoder.insn.row + " " + HexFormat.of().formatHex(code);
    }

    private void compareImages(List<String> differences) {
        MemorySegment e = MemorySegment.ofArray(expected), a = MemorySegment.ofArray(actual);
        // Control, status, tags; not opcode and data pointer, which new processors leave alone when nothing is to be
        // reported.
        if (!x87Tolerance.test(expected, actual)) {
            long wordsExpected = e.get(HostMemory.LONG, 0) & 0xffffffffffL,
                    words = a.get(HostMemory.LONG, 0) & 0xffffffffffL;
            if (words != wordsExpected)
                differences.add("tags/status/control " + hex(words) + " host " + hex(wordsExpected));
            for (int i = 0; i < 8; i++) {
                int at = 32 + i * 16;
                if (Arrays.mismatch(expected, at, at + 10, actual, at, at + 10) >= 0)
                    differences.add("st" + i + " " + hex80(actual, at) + " host " + hex80(expected, at));
            }
        }
        if (e.get(HostMemory.INT, 24) != a.get(HostMemory.INT, 24))
            differences.add("mxcsr " + hex(a.get(HostMemory.INT, 24)) + " host " + hex(e.get(HostMemory.INT, 24)));
        for (int i = 0; i < 16; i++) {
            int at = 160 + i * 16;
            if (Arrays.mismatch(expected, at, at + 16, actual, at, at + 16) >= 0
                    && !(nansAlike && differOnlyInNans(e, a, at)))
                differences.add("xmm" + i + " " + hex(a.get(HostMemory.LONG, at + 8)) + ":"
                        + hex(a.get(HostMemory.LONG, at)) + " host " + hex(e.get(HostMemory.LONG, at + 8)) + ":"
                        + hex(e.get(HostMemory.LONG, at)));
        }
    }

    /** Lanes of single precision, or of double. */
    private static boolean differOnlyInNans(MemorySegment expected, MemorySegment actual, int at) {
        boolean single = true, twice = true;
        for (int i = 0; i < 16; i += 4) {
            int e = expected.get(HostMemory.INT, at + i), a = actual.get(HostMemory.INT, at + i);
            single &= e == a || Float.isNaN(Float.intBitsToFloat(e)) && Float.isNaN(Float.intBitsToFloat(a));
        }
        for (int i = 0; i < 16; i += 8) {
            long e = expected.get(HostMemory.LONG, at + i), a = actual.get(HostMemory.LONG, at + i);
            twice &= e == a || Double.isNaN(Double.longBitsToDouble(e)) && Double.isNaN(Double.longBitsToDouble(a));
        }
        return single || twice;
    }

    private static String hex(long v) {
        return HexFormat.of().toHexDigits(v);
    }

    private static String hex80(byte[] image, int at) {
        MemorySegment m = MemorySegment.ofArray(image);
        return HexFormat.of().toHexDigits(m.get(HostMemory.SHORT, at + 8L)) + ":" + hex(m.get(HostMemory.LONG, at));
    }

    private static String state(byte[] image) {
        MemorySegment m = MemorySegment.ofArray(image);
        var s = new StringBuilder("tags/status/control " + hex(m.get(HostMemory.LONG, 0) & 0xffffffffffL) + " mxcsr "
                + hex(m.get(HostMemory.INT, 24)));
        for (int i = 0; i < 8; i++) s.append(" st").append(i).append(' ').append(hex80(image, 32 + i * 16));
        for (int i = 0; i < 16; i++)
            s.append("\n    xmm")
                    .append(i)
                    .append(' ')
                    .append(hex(m.get(HostMemory.LONG, 168 + i * 16L)))
                    .append(':')
                    .append(hex(m.get(HostMemory.LONG, 160 + i * 16L)));
        return s.toString();
    }
}
