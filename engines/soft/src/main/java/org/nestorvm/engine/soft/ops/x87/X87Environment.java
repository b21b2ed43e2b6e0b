package org.nestorvm.engine.soft.ops.x87;

import org.nestorvm.engine.soft.isa.Insn;
import org.nestorvm.engine.soft.ops.Op;
import org.nestorvm.engine.soft.state.Cpu;
import org.nestorvm.engine.soft.state.FpuState;

/**
 * FLDENV, FNSTENV, FNSAVE, FRSTOR: SDM vol. 1, figures 8-9 to 8-12. The environment is seven words of 16 or 32 bits by
 * operand size; its pointers are selector and offset in protected mode, and linear addresses in real and virtual-8086
 * mode. The registers follow, ST(0) first, 10 bytes each.
 */
final class X87Environment {
    private X87Environment() {}

    static Op make(Insn i) {
        return switch (i.row.mnemonic) {
            case "FLDENV" -> new Load(i, false);
            case "FRSTOR" -> new Load(i, true);
            case "FNSTENV" -> new Store(i, false);
            default -> new Store(i, true);
        };
    }

    /** The tag word: two bits a physical register; 0 a normal number, 1 zero, 2 special, 3 empty. */
    static int tags(Cpu c) {
        int tags = 0;
        for (int n = 7; n >= 0; n--) {
            int field = c.fpExponent[n] & 0x7fff, tag;
            if ((c.fpUsed >> n & 1) == 0) tag = 3;
            else if (field == 0 && c.fpMantissa[n] == 0) tag = 1;
            else tag = field == 0 || field == 0x7fff || c.fpMantissa[n] >= 0 ? 2 : 0;
            tags = tags << 2 | tag;
        }
        return tags;
    }

    private static boolean realPointers(Cpu c) {
        return !c.protectedMode() || c.virtual8086();
    }

    private static final class Store extends X87Op {
        private final boolean registers, wide;

        Store(Insn i, boolean registers) {
            super(i);
            this.registers = registers;
            wide = i.opSize != 2;
        }

        @Override
        public void exec(Cpu c) {
            X87Control.checkDisabled(c);
            int environment = wide ? 28 : 14, size = environment + (registers ? 80 : 0);
            long linear = write(c, size);
            c.probeWrite(linear, size);
            word(c, linear, 0, c.fpControl);
            word(c, linear, 1, status(c));
            word(c, linear, 2, tags(c));
            pointers(c, linear);
            if (!registers) {
                c.fpControl |= 0x3f;
                FpuState.summarise(c);
                return;
            }
            for (int i = 0; i < 8; i++) {
                int n = physical(c, i);
                c.store64(linear + environment + i * 10, c.fpMantissa[n]);
                c.store16(linear + environment + i * 10 + 8, c.fpExponent[n]);
            }
            FpuState.resetX87(c);
        }

        private void pointers(Cpu c, long linear) {
            if (realPointers(c)) {
                long ip = c.fpIp + ((long) c.fpIpSelector << 4), dp = c.fpDp + ((long) c.fpDpSelector << 4);
                word(c, linear, 3, (int) ip & 0xffff);
                high(c, linear, 4, (int) (ip >>> 16) << 12 | c.fpOpcode);
                word(c, linear, 5, (int) dp & 0xffff);
                high(c, linear, 6, (int) (dp >>> 16) << 12);
            } else {
                full(c, linear, 3, (int) c.fpIp);
                if (wide) c.store32(linear + 16, c.fpIpSelector & 0xffff | c.fpOpcode << 16);
                else c.store16(linear + 8, c.fpIpSelector);
                full(c, linear, 5, (int) c.fpDp);
                word(c, linear, 6, c.fpDpSelector);
            }
        }

        /** A 16-bit item; in the 32-bit form the rest of its place is ones. */
        private void word(Cpu c, long linear, int place, int value) {
            if (wide) c.store32(linear + place * 4, value & 0xffff | 0xffff0000);
            else c.store16(linear + place * 2, value);
        }

        private void full(Cpu c, long linear, int place, int value) {
            if (wide) c.store32(linear + place * 4, value);
            else c.store16(linear + place * 2, value);
        }

        /** The upper part of a linear address above bit 11. */
        private void high(Cpu c, long linear, int place, int value) {
            full(c, linear, place, wide ? value & 0x0fffffff : value & 0xffff);
        }
    }

    private static final class Load extends X87Op {
        private final boolean registers, wide;

        Load(Insn i, boolean registers) {
            super(i);
            this.registers = registers;
            wide = i.opSize != 2;
        }

        @Override
        public void exec(Cpu c) {
            check(c);
            int environment = wide ? 28 : 14;
            long linear = read(c, environment + (registers ? 80 : 0));
            int control = word(c, linear, 0), status = word(c, linear, 1), tags = word(c, linear, 2);
            int w3 = item(c, linear, 3), w4 = item(c, linear, 4), w5 = item(c, linear, 5), w6 = item(c, linear, 6);
            int top = status >> 11 & 7;
            if (registers) registers(c, linear + environment, top);
            c.fpTop = top;
            c.fpUsed = 0;
            for (int n = 0; n < 8; n++) if ((tags >> 2 * n & 3) != 3) c.fpUsed |= 1 << n;
            FpuState.setControl(c, control);
            FpuState.setStatus(c, status);
            pointers(c, w3, w4, w5, w6);
        }

        /** All of them are read before the first is changed. */
        private static void registers(Cpu c, long linear, int top) {
            c.load16(linear + 78);
            c.load64(linear);
            for (int i = 0; i < 8; i++) {
                int n = top + i & 7;
                c.fpMantissa[n] = c.load64(linear + i * 10);
                c.fpExponent[n] = c.load16(linear + i * 10 + 8);
            }
        }

        private void pointers(Cpu c, int w3, int w4, int w5, int w6) {
            if (realPointers(c)) {
                c.fpIp = w3 & 0xffff | (w4 >>> 12 & 0xffffL) << 16;
                c.fpDp = w5 & 0xffff | (w6 >>> 12 & 0xffffL) << 16;
                c.fpOpcode = w4 & 0x7ff;
                c.fpIpSelector = 0;
                c.fpDpSelector = 0;
            } else {
                c.fpIp = w3 & 0xffffffffL;
                c.fpDp = w5 & 0xffffffffL;
                c.fpIpSelector = w4 & 0xffff;
                c.fpDpSelector = w6 & 0xffff;
                if (wide) c.fpOpcode = w4 >>> 16 & 0x7ff;
            }
        }

        private int word(Cpu c, long linear, int place) {
            return c.load16(linear + place * (wide ? 4 : 2));
        }

        private int item(Cpu c, long linear, int place) {
            return wide ? c.load32(linear + place * 4) : c.load16(linear + place * 2);
        }
    }
}
