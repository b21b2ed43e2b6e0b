package org.nestorvm.engine.soft;

import java.util.List;
import java.util.SplittableRandom;

/** Streams of instructions that the decoder's table knows, in no order that makes sense. In the package of the table, which nobody else has to see. */
public final class InstructionSoup {
    private static final List<Row> ROWS = Table.all();
    private static final int[] PREFIXES = {0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65, 0x66, 0x67, 0xf0, 0xf2, 0xf3};

    private final SplittableRandom random;
    private byte[] out;
    private int at;

    public InstructionSoup(SplittableRandom random) {
        this.random = random;
    }

    /** Fills a page, or less. Now and then the bytes of an instruction are followed by a jump back, so that something is executed often. */
    public void fill(byte[] page, boolean code64) {
        out = page;
        at = 0;
        while (at < out.length) {
            instruction(ROWS.get(random.nextInt(ROWS.size())), code64);
            if (random.nextInt(24) == 0) {
                put(0xeb);
                put(-2 - random.nextInt(100));
            }
        }
    }

    private void put(int b) {
        if (at < out.length) out[at++] = (byte) b;
    }

    private void random(int bytes) {
        for (int i = 0; i < bytes; i++) put(random.nextInt(256));
    }

    private void instruction(Row row, boolean code64) {
        if (random.nextInt(4) == 0) put(PREFIXES[random.nextInt(PREFIXES.length)]);
        if (row.prefix > 0) put(row.prefix);
        int rex = code64 && (row.rexWOnly || random.nextInt(3) == 0) ? 0x40 | random.nextInt(16) | (row.rexWOnly ? 8 : 0) : 0;
        if (rex != 0) put(rex);
        if (row.map != Table.ONE) put(0x0f);
        if (row.map == Table.THREE_38) put(0x38);
        if (row.map == Table.THREE_3A) put(0x3a);
        put(row.opcode);
        if (row.hasModrm) modrm(row);
        int immediate = switch (row.immediate) {
            case -1 -> 4;
            case -2, -3 -> (rex & 8) != 0 ? 8 : 4;
            case -4 -> 6;
            default -> row.immediate;
        };
        random(immediate + (row.secondByte ? 1 : 0));
    }

    private void modrm(Row row) {
        if (row.modrmByte >= 0) {
            put(row.modrmByte);
            return;
        }
        int mod = row.mod == 3 ? 3 : random.nextInt(row.mod == 0 ? 3 : 4);
        int reg = row.digit >= 0 ? row.digit : random.nextInt(8), rm = random.nextInt(8);
        put(mod << 6 | reg << 3 | rm);
        if (mod == 3) return;
        if (rm == 4) random(1);
        random(mod == 1 ? 1 : mod == 2 || rm == 5 ? 4 : 0);
    }
}
