package org.nestorvm.engine.soft;

import java.util.List;
import java.util.SplittableRandom;
import org.nestorvm.engine.soft.isa.Row;
import org.nestorvm.engine.soft.isa.Table;

/**
 * Streams of instructions that the decoder's table knows, in no order that makes sense. In the package of the table,
 * which nobody else has to see.
 */
public final class InstructionSoup {
    private static final List<Row> ROWS = Table.all();
    private static final int[] PREFIXES = {0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65, 0x66, 0x67, 0xf0, 0xf2, 0xf3};

    private final SplittableRandom random;
    private byte[] out;
    private int at;

    public InstructionSoup(SplittableRandom random) {
        this.random = random;
    }

    /**
     * Fills a page, or less. Now and then the bytes of an instruction are followed by a jump back, so that something is
     * executed often.
     */
    public void fill(byte[] page, int bits) {
        out = page;
        at = 0;
        while (at < out.length) {
            if (random.nextInt(12) == 0) system(bits);
            instruction(ROWS.get(random.nextInt(ROWS.size())), bits == 64);
            if (random.nextInt(24) == 0) {
                put(0xeb);
                put(-2 - random.nextInt(100));
            }
        }
    }

    private static final int[] APIC = {
        0x20, 0x80, 0xb0, 0xd0, 0xe0, 0xf0, 0x280, 0x300, 0x300, 0x300, 0x310, 0x320, 0x350, 0x360, 0x380, 0x3e0, 0x3f0
    };
    private static final int[] MSRS = {
        0x10,
        0x11,
        0x12,
        0x1b,
        0x3b,
        0x6e0,
        0x6e0,
        0x277,
        0xc0000080,
        0xc0000081,
        0xc0000082,
        0xc0000100,
        0xc0000101,
        0xc0000102,
        0x4b564d00,
        0x4b564d01
    };
    /**
     * ICR: fixed, NMI, INIT and start-up messages to others, all, oneself, number 1; then timer modes, periods, and the
     * enabled spurious vector.
     */
    private static final int[] APIC_VALUES = {
        0xc4030, 0x84030, 0x44031, 0x4400, 0xc4400, 0xc4500, 0x4500, 0xc4610, 0x4610, 0x1000000, 0x20040, 0x40041, 0x42,
        1, 10, 1000, 0x1ff, 0x700
    };

    private int pick(int[] from) {
        return from[random.nextInt(from.length)];
    }

    private void put32(int value) {
        for (int i = 0; i < 32; i += 8) put(value >>> i);
    }

    /**
     * A register of the local APIC, which is at its own address or, where there is paging, at FE000h as well; or a
     * model-specific one.
     */
    private void system(int bits) {
        int value = random.nextInt(3) == 0 ? random.nextInt() : pick(APIC_VALUES);
        if (random.nextBoolean()) {
            if (bits == 16) put(0x66);
            if (bits != 32) put(0x67);
            put(0xc7);
            put(0x05 - (bits == 64 ? 1 : 0));
            if (bits == 64) put(0x25);
            put32((random.nextBoolean() ? 0xfe000 : 0xfee00000) + pick(APIC));
            put32(value);
            return;
        }
        int[] values = {
            random.nextInt(3) != 0 ? pick(MSRS) : 0x800 + pick(APIC) / 16,
            random.nextInt(4) == 0 ? random.nextInt() : random.nextInt(2),
            value
        };
        int[] moves = {0xb9, 0xba, 0xb8};
        for (int i = 0; i < 3; i++) {
            if (bits == 16) put(0x66);
            put(moves[i]);
            put32(values[i]);
        }
        put(0x0f);
        put(0x30 + 2 * (random.nextInt(5) / 4));
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
        int rex = code64 && (row.rexWOnly || random.nextInt(3) == 0)
                ? 0x40 | random.nextInt(16) | (row.rexWOnly ? 8 : 0)
                : 0;
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
