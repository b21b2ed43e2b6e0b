package org.nestorvm.engine.soft.isa;

import org.nestorvm.memory.sys.HostMemory;

/** Bytes to {@link Insn} (SDM vol. 2A, chapter 2). Reads host memory directly; one per processor. */
public final class Decoder {
    /** Results of {@link #decode}. MORE: the bytes at hand do not suffice. LONG: more than 15 bytes, which is #GP. */
    public static final int OK = 0, MORE = 1, UNDEFINED = 2, LONG = 3;

    private static final int MAX_LENGTH = 15;

    private static final class OutOfBytes extends RuntimeException {
        private static final long serialVersionUID = 1L;

        OutOfBytes() {
            super(null, null, false, false);
        }
    }

    private static final OutOfBytes OUT_OF_BYTES = new OutOfBytes();

    private long at, limit;
    public final Insn insn = new Insn();

    private int next() {
        if (at >= limit) throw OUT_OF_BYTES;
        return HostMemory.getByte(at++) & 0xff;
    }

    private int peek() {
        if (at >= limit) throw OUT_OF_BYTES;
        return HostMemory.getByte(at) & 0xff;
    }

    private long signed(int size) {
        if (at + size > limit) throw OUT_OF_BYTES;
        long v = switch (size) {
            case 1 -> HostMemory.getByte(at);
            case 2 -> HostMemory.getShort(at);
            case 4 -> HostMemory.getInt(at);
            default -> HostMemory.getLong(at);
        };
        at += size;
        return v;
    }

    /**
     * Decodes the instruction at {@code hostAddress} into {@link #insn}.
     *
     * @param available bytes that may be read there
     * @param start the instruction's offset in its block
     * @param codeSize 2, 4 or 8; {@code stackSize} likewise
     */
    public int decode(long hostAddress, int available, int start, int codeSize, int stackSize) {
        at = hostAddress;
        limit = hostAddress + Math.min(available, MAX_LENGTH);
        insn.start = start;
        insn.codeSize = codeSize;
        insn.stackSize = stackSize;
        try {
            boolean known = parse(insn);
            insn.end = start + (int) (at - hostAddress);
            return known ? OK : UNDEFINED;
        } catch (OutOfBytes e) {
            return available >= MAX_LENGTH ? LONG : MORE;
        }
    }

    private boolean parse(Insn i) {
        prefixes(i);
        i.map = Table.ONE;
        i.opcode = next();
        if (i.opcode == 0x0f) {
            i.map = Table.TWO;
            i.opcode = next();
            if (i.opcode == 0x38 || i.opcode == 0x3a) {
                i.map = i.opcode == 0x38 ? Table.THREE_38 : Table.THREE_3A;
                i.opcode = next();
            }
        }
        Row row = find(i);
        if (row == null) return false;
        i.row = row;
        operandSize(i, row);
        i.mod = 3;
        i.reg = i.rm = 0;
        i.ripRelative = false;
        i.base = i.index = Reg.ZERO;
        i.scale = 0;
        i.disp = 0;
        if (row.hasModrm) modrm(i);
        else if (!i.segOverride) i.seg = Reg.DS;
        immediate(i, row);
        return !i.lock || row.lockable && i.mod != 3;
    }

    private void prefixes(Insn i) {
        i.lock = i.opSizePrefix = i.segOverride = i.hasRex = false;
        i.rep = i.rex = 0;
        boolean addrPrefix = false;
        i.seg = Reg.DS;
        for (; ; ) {
            int b = peek();
            switch (b) {
                case 0x26, 0x2e, 0x36, 0x3e -> {
                    if (i.codeSize != 8) {
                        i.seg = b >>> 3 & 3;
                        i.segOverride = true;
                    }
                }
                case 0x64, 0x65 -> {
                    i.seg = b == 0x64 ? Reg.FS : Reg.GS;
                    i.segOverride = true;
                }
                case 0x66 -> i.opSizePrefix = true;
                case 0x67 -> addrPrefix = true;
                case 0xf0 -> i.lock = true;
                case 0xf2, 0xf3 -> i.rep = b;
                default -> {
                    if (i.codeSize == 8 && (b & 0xf0) == 0x40) {
                        i.rex = b & 15;
                        i.hasRex = true;
                        at++;
                        int after = peek();
                        if (!isPrefix(after)) {
                            i.addrSize = addrPrefix ? 4 : 8;
                            return;
                        }
                        i.rex = 0; // a REX in front of another prefix counts for nothing
                        i.hasRex = false;
                        continue;
                    }
                    i.addrSize = i.codeSize == 8 ? addrPrefix ? 4 : 8 : (i.codeSize == 4) != addrPrefix ? 4 : 2;
                    return;
                }
            }
            at++;
        }
    }

    private static boolean isPrefix(int b) {
        return switch (b) {
            case 0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65, 0x66, 0x67, 0xf0, 0xf2, 0xf3 -> true;
            default -> (b & 0xf0) == 0x40;
        };
    }

    private Row find(Insn i) {
        for (Row row : Table.candidates(i.map, i.opcode)) {
            if (i.codeSize == 8 ? row.invalid64 : row.only64) continue;
            switch (row.prefix) {
                case -1 -> {}
                case 0 -> {
                    if (i.opSizePrefix || i.rep != 0) continue;
                }
                case 0x66 -> {
                    if (!i.opSizePrefix || i.rep != 0) continue;
                }
                default -> {
                    if (i.rep != row.prefix) continue;
                }
            }
            if (row.rexWOnly && !i.rexW() || row.rexWNot && i.rexW()) continue;
            if (row.digit >= 0 || row.mod >= 0 || row.modrmByte >= 0) {
                int m = peek();
                if (row.modrmByte >= 0 && m != row.modrmByte) continue;
                if (row.digit >= 0 && (m >>> 3 & 7) != row.digit) continue;
                if (row.mod >= 0 && row.mod == 3 != m >= 0xc0) continue;
            }
            return row;
        }
        return null;
    }

    private static void operandSize(Insn i, Row row) {
        if (i.codeSize == 8) {
            if (row.force64) i.opSize = 8;
            else if (i.rexW()) i.opSize = 8;
            else if (i.opSizePrefix) i.opSize = 2;
            else i.opSize = row.default64 ? 8 : 4;
        } else {
            i.opSize = (i.codeSize == 4) != i.opSizePrefix ? 4 : 2;
        }
    }

    private void modrm(Insn i) {
        i.modrm = next();
        i.mod = i.modrm >>> 6;
        i.reg = i.modrm >>> 3 & 7 | (i.rex & 4) << 1;
        i.rm = i.modrm & 7;
        if (i.mod == 3 || i.map == Table.TWO && i.opcode >= 0x20 && i.opcode <= 0x23) { // MOV CR, DR: mod is ignored
            i.mod = 3;
            i.rm |= (i.rex & 1) << 3;
        } else if (i.addrSize == 2) {
            memory16(i);
        } else {
            memory(i);
        }
    }

    private static final int[] BASE_16 = {Reg.RBX, Reg.RBX, Reg.RBP, Reg.RBP, Reg.RSI, Reg.RDI, Reg.RBP, Reg.RBX};
    private static final int[] INDEX_16 = {Reg.RSI, Reg.RDI, Reg.RSI, Reg.RDI, Reg.ZERO, Reg.ZERO, Reg.ZERO, Reg.ZERO};

    private void memory16(Insn i) {
        boolean direct = i.mod == 0 && i.rm == 6;
        i.base = direct ? Reg.ZERO : BASE_16[i.rm];
        i.index = INDEX_16[i.rm];
        i.disp = i.mod == 1 ? signed(1) : i.mod == 2 || direct ? signed(2) : 0;
        if (!i.segOverride) i.seg = i.base == Reg.RBP ? Reg.SS : Reg.DS;
    }

    private void memory(Insn i) {
        int dispSize = i.mod == 1 ? 1 : i.mod == 2 ? 4 : 0;
        if (i.rm == 4) {
            int sib = next();
            int index = sib >>> 3 & 7 | (i.rex & 2) << 2;
            i.index = index == 4 ? Reg.ZERO : index;
            i.scale = index == 4 ? 0 : sib >>> 6;
            if ((sib & 7) == 5 && i.mod == 0) dispSize = 4;
            else i.base = sib & 7 | (i.rex & 1) << 3;
        } else if (i.rm == 5 && i.mod == 0) {
            dispSize = 4;
            if (i.codeSize == 8) {
                i.ripRelative = true;
                i.base = Reg.RIP;
            }
        } else {
            i.base = i.rm | (i.rex & 1) << 3;
        }
        if (dispSize != 0) i.disp = signed(dispSize);
        if (!i.segOverride) i.seg = i.base == Reg.RSP || i.base == Reg.RBP ? Reg.SS : Reg.DS;
    }

    private void immediate(Insn i, Row row) {
        i.imm = i.imm2 = 0;
        switch (row.immediate) {
            case 0 -> {}
            case -1 -> i.imm = signed(Math.min(i.opSize, 4));
            case -2 -> i.imm = signed(i.opSize);
            case -3 -> {
                i.disp = signed(i.addrSize);
                if (!i.segOverride) i.seg = Reg.DS;
            }
            case -4 -> {
                i.imm = signed(i.opSize == 2 ? 2 : 4);
                i.imm2 = signed(2) & 0xffff;
            }
            default -> i.imm = signed(row.immediate);
        }
        if (row.secondByte) i.imm2 = signed(1) & 0xff;
    }
}
