package org.nestorvm.asm;

import java.io.ByteArrayOutputStream;

/** Writes one instruction: prefixes, REX, opcode, ModRM, SIB, displacement, immediates (SDM vol. 2A, chapter 2). */
final class Encoder {
    private final Form form;
    private final Operand[] operands;
    private final int mode;
    private final long address;
    private final ByteArrayOutputStream out = new ByteArrayOutputStream(15);
    private Reg reg;
    private Operand rm;
    private Mem offset;
    /** Where a displacement relative to the instruction's end begins, or -1. */
    private int relativeAt = -1;

    private Encoder(Form form, Operand[] operands, int mode, long address) {
        this.form = form;
        this.operands = operands;
        this.mode = mode;
        this.address = address;
        for (int i = 0; i < operands.length; i++) {
            switch (form.slots().get(i).role()) {
                case REG -> reg = (Reg) operands[i];
                case RM -> rm = operands[i];
                case OFFSET -> offset = (Mem) operands[i];
                default -> {}
            }
        }
    }

    /** @return the bytes, or null when a relative target is out of the form's reach */
    static byte[] encode(Form form, Operand[] operands, int mode, long address) {
        return new Encoder(form, operands, mode, address).encode();
    }

    private byte[] encode() {
        Mem memory = rm instanceof Mem m ? m : offset;
        int addressBits = memory == null ? form.addressBits() : addressBits(memory);
        if (memory != null && memory.segment() != null) out.write(segmentPrefix(memory.segment()));
        if (addressBits != 0 && addressBits != mode) out.write(0x67);
        if (form.operandBits() == 16 ? mode != 16 : form.operandBits() == 32 && mode == 16) out.write(0x66);
        if (form.prefix() != 0) out.write(form.prefix());
        rex(memory);
        int last = form.opcode().size() - 1;
        for (int i = 0; i <= last; i++)
            out.write(form.opcode().get(i) + (i == last && form.registerInOpcode() ? reg.number & 7 : 0));
        if (form.digit() != Form.NO_MODRM) modRm(addressBits);
        if (offset != null) little(value(offset), addressBits);
        return immediates() ? finish() : null;
    }

    private int addressBits(Mem m) {
        if (m.addressBits() != 0) return m.addressBits();
        boolean wide = m.label() == null && (m.disp() > 0xffff || m.disp() < -0x8000);
        return mode == 16 && wide ? 32 : mode;
    }

    private static int segmentPrefix(Reg segment) {
        return switch (segment) {
            case ES -> 0x26;
            case CS -> 0x2e;
            case SS -> 0x36;
            case DS -> 0x3e;
            case FS -> 0x64;
            default -> 0x65;
        };
    }

    private void rex(Mem memory) {
        int rex = form.operandBits() == 64 ? 8 : 0;
        boolean needed = false, forbidden = false;
        for (Operand o : operands) {
            if (!(o instanceof Reg r)) continue;
            needed |= r.needsRex();
            forbidden |= r.kind == Reg.Kind.HIGH8;
        }
        if (reg != null && reg.number > 7) rex |= form.registerInOpcode() ? 1 : 4;
        if (rm instanceof Reg r && r.number > 7) rex |= 1;
        if (memory != null && memory.index() != null && memory.index().number > 7) rex |= 2;
        if (memory != null && memory.base() != null && memory.base().number > 7) rex |= 1;
        if (rex == 0 && !needed) return;
        if (mode != 64 || forbidden)
            throw new IllegalArgumentException("registers cannot be used together or in this mode: " + form.name());
        out.write(0x40 | rex);
    }

    private void modRm(int addressBits) {
        int field = form.digit() == Form.REG ? number(reg) : form.digit();
        if (rm == null) out.write(0xc0 | field << 3);
        else if (rm instanceof Reg r) out.write(0xc0 | field << 3 | number(r));
        else if (addressBits == 16) memory16((Mem) rm, field << 3);
        else memory((Mem) rm, field << 3);
    }

    private static int number(Reg r) {
        return r.kind == Reg.Kind.HIGH8 ? r.number : r.number & 7;
    }

    private void memory16(Mem m, int field) {
        if (m.base() == null && m.index() == null) {
            out.write(field | 6);
            little(value(m), 16);
            return;
        }
        int code = switch (m.base()) {
            case BX -> m.index() == null ? 7 : m.index() == Reg.SI ? 0 : 1;
            case BP -> m.index() == null ? 6 : m.index() == Reg.SI ? 2 : 3;
            case SI -> 4;
            case DI -> 5;
            case null, default -> throw new IllegalArgumentException("no 16-bit address: " + m);
        };
        displacement(m, field | code, -1, code == 6, 16);
    }

    private void memory(Mem m, int field) {
        Reg base = m.base(), index = m.index();
        if (base == null && index == null) {
            boolean relative = m.label() != null && mode == 64;
            if (mode == 64 && !relative) {
                out.write(field | 4);
                out.write(0x25);
            } else {
                out.write(field | 5);
                if (relative) relativeAt = out.size();
            }
            little(value(m), 32);
            return;
        }
        int scale = Integer.numberOfTrailingZeros(m.scale()) << 6;
        if (base == null) {
            out.write(field | 4);
            out.write(scale | number(index) << 3 | 5);
            little(value(m), 32);
        } else if (index == null && number(base) != 4) {
            displacement(m, field | number(base), -1, number(base) == 5, 32);
        } else {
            displacement(
                    m,
                    field | 4,
                    scale | (index == null ? 4 : number(index)) << 3 | number(base),
                    number(base) == 5,
                    32);
        }
    }

    /** @param needed mod 0 means something else with this base */
    private void displacement(Mem m, int modRm, int sib, boolean needed, int wideBits) {
        long value = value(m);
        if (wideBits == 16) value = (short) value;
        int mod = m.label() != null ? 0x80 : value == 0 && !needed ? 0 : value == (byte) value ? 0x40 : 0x80;
        out.write(mod | modRm);
        if (sib >= 0) out.write(sib);
        if (mod == 0x40) out.write((int) value);
        if (mod == 0x80) little(value, wideBits);
    }

    private long value(Mem m) {
        return m.label() == null ? m.disp() : m.label().addressOr(address) + m.disp();
    }

    private boolean immediates() {
        Slot selector = null;
        long selectorValue = 0;
        for (int i = 0; i < operands.length; i++) {
            Slot slot = form.slots().get(i);
            if (!slot.isImmediate()) continue;
            long value = operands[i] instanceof Label l ? l.addressOr(address) : ((Imm) operands[i]).value();
            if (slot.role() == Slot.Role.SELECTOR) {
                selector = slot;
                selectorValue = value;
            } else if (slot.role() != Slot.Role.RELATIVE) {
                little(value, slot.bits());
            } else if (!relative(value, slot.bits())) {
                return false;
            }
        }
        if (selector != null) little(selectorValue, 16);
        return true;
    }

    private boolean relative(long target, int bits) {
        long distance = target - (address + out.size() + bits / 8);
        if (mode == 16) distance = (short) distance;
        if (mode == 32) distance = (int) distance;
        if (distance << 64 - bits >> 64 - bits != distance) return false;
        little(distance, bits);
        return true;
    }

    private byte[] finish() {
        byte[] bytes = out.toByteArray();
        if (relativeAt >= 0) {
            long target = value((Mem) rm), distance = target - (address + bytes.length);
            for (int i = 0; i < 4; i++) bytes[relativeAt + i] = (byte) (distance >> 8 * i);
        }
        return bytes;
    }

    private void little(long value, int bits) {
        for (int i = 0; i < bits; i += 8) out.write((int) (value >> i));
    }
}
