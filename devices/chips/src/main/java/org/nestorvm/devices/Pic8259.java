package org.nestorvm.devices;

/**
 * One 8259A interrupt controller, in 8086 mode (Intel 8259A data sheet, order 231468). {@link PicPair} cascades two of
 * them and locks them. Left out: MCS-80 mode (ICW1 ADI, ICW4 µPM), single mode and buffered mode are accepted and have
 * no effect, as on a chip soldered into a PC. Level or edge is chosen for each pin by ELCR, not by ICW1 LTIM, as in
 * PIIX and its successors.
 */
final class Pic8259 {
    static final int COMMAND = 0, DATA = 1;
    static final int ICW1_IC4 = 1 << 0, ICW1 = 1 << 4;
    static final int ICW4_AUTO_EOI = 1 << 1, ICW4_SPECIAL_FULLY_NESTED = 1 << 4;
    static final int OCW3 = 1 << 3,
            OCW3_READ_ISR = 1 << 0,
            OCW3_READ = 1 << 1,
            OCW3_POLL = 1 << 2,
            OCW3_SMM = 1 << 5,
            OCW3_ESMM = 1 << 6;
    static final int POLL_INTERRUPT = 1 << 7;
    static final int SPURIOUS = 7;
    private static final int NONE = 8; // lower than every priority

    /** OCW2 bits 7:5: R, SL, EOI. */
    private static final int ROTATE_IN_AUTO_EOI_CLEAR = 0,
            EOI = 1,
            SPECIFIC_EOI = 3,
            ROTATE_IN_AUTO_EOI_SET = 4,
            ROTATE_ON_EOI = 5,
            SET_PRIORITY = 6,
            ROTATE_ON_SPECIFIC_EOI = 7;

    private final int levelCapable;
    private final int cascadePin;

    private int lines, edges, elcr;
    private int imr, isr;
    private int highest; // the pin of highest priority: 0 unless rotated
    private int vectorBase;
    private int nextIcw; // 2, 3 or 4 during initialisation, else 0
    private boolean expectsIcw4, autoEoi, rotateInAutoEoi, specialMask, specialFullyNested, readIsr, poll;

    /**
     * @param levelCapable pins whose ELCR bit the guest may set
     * @param cascadePin the bit of the pin that a slave drives, which is always a level; 0 for none
     */
    Pic8259(int levelCapable, int cascadePin) {
        this.levelCapable = levelCapable;
        this.cascadePin = cascadePin;
    }

    void setLine(int pin, boolean asserted) {
        int bit = 1 << pin;
        if (asserted) {
            edges |= bit & ~lines;
            lines |= bit;
        } else {
            edges &= ~bit; // a request that is withdrawn before INTA becomes a spurious one
            lines &= ~bit;
        }
    }

    private int irr() {
        int level = elcr | cascadePin;
        return edges & ~level | lines & level;
    }

    /** Priority 0..7 of the first pin in the set, {@link #NONE} for the empty set. */
    private int priority(int pins) {
        if (pins == 0) return NONE;
        int rotated = (pins << 8 | pins) >>> highest;
        return Integer.numberOfTrailingZeros(rotated);
    }

    /** The pin that asks for an interrupt now, or -1. It is also the level of the INT output. */
    int pending() {
        int request = priority(irr() & ~imr);
        int serving = isr;
        if (specialMask) serving &= ~imr;
        if (specialFullyNested)
            serving &= ~cascadePin; // a slave may interrupt its own service routine with a higher pin
        return request < priority(serving) ? request + highest & 7 : -1;
    }

    /** INTA: the pin, which is in service from now on, or -1 when the request is gone. */
    int acknowledge() {
        int pin = pending();
        if (pin < 0) return -1;
        int bit = 1 << pin;
        edges &= ~bit;
        if (!autoEoi) isr |= bit;
        else if (rotateInAutoEoi) highest = pin + 1 & 7;
        return pin;
    }

    int vector(int pin) {
        return vectorBase | (pin < 0 ? SPURIOUS : pin);
    }

    int read(int offset) {
        if (poll) {
            poll = false;
            int pin = acknowledge();
            return pin < 0 ? 0 : POLL_INTERRUPT | pin;
        }
        if (offset == DATA) return imr;
        return readIsr ? isr : irr();
    }

    void write(int offset, int value) {
        if (offset == DATA) writeData(value);
        else if ((value & ICW1) != 0) initialise(value);
        else if ((value & OCW3) != 0) ocw3(value);
        else ocw2(value >> 5 & 7, value & 7);
    }

    private void initialise(int icw1) {
        edges = imr = isr = highest = 0;
        autoEoi = rotateInAutoEoi = specialMask = specialFullyNested = readIsr = poll = false;
        expectsIcw4 = (icw1 & ICW1_IC4) != 0;
        nextIcw = 2;
    }

    private void writeData(int value) {
        switch (nextIcw) {
            case 0 -> imr = value;
            case 2 -> {
                vectorBase = value & 0xf8;
                nextIcw = 3;
            }
            case 3 -> nextIcw = expectsIcw4 ? 4 : 0; // the wiring of the cascade is fixed
            default -> {
                autoEoi = (value & ICW4_AUTO_EOI) != 0;
                specialFullyNested = (value & ICW4_SPECIAL_FULLY_NESTED) != 0;
                nextIcw = 0;
            }
        }
    }

    private void ocw2(int command, int pin) {
        switch (command) {
            case ROTATE_IN_AUTO_EOI_CLEAR -> rotateInAutoEoi = false;
            case ROTATE_IN_AUTO_EOI_SET -> rotateInAutoEoi = true;
            case EOI -> endOfInterrupt(highestInService(), false);
            case ROTATE_ON_EOI -> endOfInterrupt(highestInService(), true);
            case SPECIFIC_EOI -> endOfInterrupt(pin, false);
            case ROTATE_ON_SPECIFIC_EOI -> endOfInterrupt(pin, true);
            case SET_PRIORITY -> highest = pin + 1 & 7;
            default -> {} // 2: no operation
        }
    }

    /** In special mask mode a non-specific EOI does not see pins that are masked. */
    private int highestInService() {
        int priority = priority(specialMask ? isr & ~imr : isr);
        return priority == NONE ? -1 : priority + highest & 7;
    }

    private void endOfInterrupt(int pin, boolean rotate) {
        if (pin < 0) return;
        isr &= ~(1 << pin);
        if (rotate) highest = pin + 1 & 7;
    }

    private void ocw3(int value) {
        if ((value & OCW3_ESMM) != 0) specialMask = (value & OCW3_SMM) != 0;
        if ((value & OCW3_READ) != 0) readIsr = (value & OCW3_READ_ISR) != 0;
        if ((value & OCW3_POLL) != 0) poll = true;
    }

    int elcr() {
        return elcr;
    }

    void setElcr(int value) {
        elcr = value & levelCapable;
    }
}
