package org.nestorvm.devices;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import org.junit.jupiter.api.Test;

class PicPairTest {
    private static final int COMMAND = 0, DATA = 1;
    private static final int EOI = 0x20, SPECIFIC = 0x60, ROTATE = 0xa0, READ_IRR = 0x0a, READ_ISR = 0x0b, POLL = 0x0c;

    private int changes;
    private final PicPair pics = new PicPair(() -> changes++);
    private final PortDevice master = pics.masterPorts();
    private final PortDevice slave = pics.slavePorts();

    PicPairTest() {
        initialise(0x01);
    }

    /** As Linux does it: vectors 30h and 38h. */
    private void initialise(int icw4) {
        command(master, 0x11);
        data(master, 0x30);
        data(master, 0x04);
        data(master, icw4);
        command(slave, 0x11);
        data(slave, 0x38);
        data(slave, 0x02);
        data(slave, icw4);
        data(master, 0);
        data(slave, 0);
    }

    private static void command(PortDevice chip, int value) {
        chip.write(COMMAND, 1, value);
    }

    private static void data(PortDevice chip, int value) {
        chip.write(DATA, 1, value);
    }

    private static int read(PortDevice chip, int ocw3) {
        command(chip, ocw3);
        return chip.read(COMMAND, 1);
    }

    private void raise(int irq) {
        pics.line(irq).set(true);
    }

    private void lower(int irq) {
        pics.line(irq).set(false);
    }

    @Test
    void requestServiceEnd() {
        raise(4);
        assertTrue(pics.interruptPending());
        assertEquals(0x10, read(master, READ_IRR));
        assertEquals(0x34, pics.acknowledge());
        assertFalse(pics.interruptPending());
        assertEquals(0x10, read(master, READ_ISR));
        assertEquals(0, read(master, READ_IRR), "an edge is taken once");
        command(master, EOI);
        assertEquals(0, read(master, READ_ISR));
        assertFalse(pics.interruptPending(), "the line is still high, and there was no new edge");
        lower(4);
        raise(4);
        assertTrue(pics.interruptPending());
    }

    @Test
    void fullyNestedOrder() {
        raise(7);
        raise(3);
        raise(5);
        assertEquals(0x33, pics.acknowledge());
        assertFalse(pics.interruptPending(), "5 and 7 wait for 3");
        raise(1);
        assertEquals(0x31, pics.acknowledge());
        assertEquals(0x0a, read(master, READ_ISR));
        command(master, EOI);
        assertEquals(0x08, read(master, READ_ISR), "a non-specific EOI ends the highest");
        command(master, EOI);
        assertEquals(0x35, pics.acknowledge());
        command(master, EOI);
        assertEquals(0x37, pics.acknowledge());
    }

    @Test
    void slaveGoesThroughPinTwo() {
        raise(12);
        assertEquals(0x3c, pics.acknowledge());
        assertEquals(0x04, read(master, READ_ISR));
        assertEquals(0x10, read(slave, READ_ISR));
        raise(3);
        assertFalse(pics.interruptPending(), "3 is below the slave");
        raise(1);
        assertEquals(0x31, pics.acknowledge());
        command(master, EOI);
        raise(9);
        assertFalse(pics.interruptPending(), "not specially nested: pin 2 is in service");
        command(slave, EOI);
        command(master, EOI);
        assertEquals(0x39, pics.acknowledge());
    }

    @Test
    void severalSlaveRequestsInARow() {
        raise(14);
        raise(8);
        raise(15);
        for (int vector : new int[] {0x38, 0x3e, 0x3f}) {
            assertTrue(pics.interruptPending());
            assertEquals(vector, pics.acknowledge());
            command(slave, EOI);
            command(master, EOI);
        }
        assertFalse(pics.interruptPending());
    }

    @Test
    void specialFullyNestedLetsTheSlaveInterruptItself() {
        initialise(0x11);
        raise(12);
        assertEquals(0x3c, pics.acknowledge());
        raise(9);
        assertTrue(pics.interruptPending());
        assertEquals(0x39, pics.acknowledge());
    }

    @Test
    void maskHidesAndKeeps() {
        data(master, 0x10);
        raise(4);
        assertFalse(pics.interruptPending());
        assertEquals(0x10, master.read(DATA, 1));
        data(master, 0);
        assertEquals(0x34, pics.acknowledge());
    }

    @Test
    void specialMaskModeOpensLowerLevels() {
        raise(2 + 1);
        pics.acknowledge();
        raise(6);
        assertFalse(pics.interruptPending());
        data(master, 0x08);
        command(master, 0x68); // special mask mode on
        assertEquals(0x36, pics.acknowledge());
        command(master, EOI);
        assertEquals(0x08, read(master, READ_ISR), "the masked one is not ended by a non-specific EOI");
        command(master, SPECIFIC | 3);
        assertEquals(0, read(master, READ_ISR));
    }

    @Test
    void levelTriggeredByElcr() {
        PortDevice elcr = pics.elcrPorts();
        elcr.write(0, 1, 0xff);
        elcr.write(1, 1, 0xff);
        assertEquals(0xf8, elcr.read(0, 1), "IRQ 0 to 2 are edges");
        assertEquals(0xde, elcr.read(1, 1), "IRQ 8 and 13 are edges");
        raise(5);
        assertEquals(0x35, pics.acknowledge());
        command(master, EOI);
        assertTrue(pics.interruptPending(), "the level is still there");
        lower(5);
        assertFalse(pics.interruptPending());
    }

    /** The request goes between INTR and INTA: vector 7 of the chip, with nothing in service. */
    @Test
    void spuriousOnMasterAndSlave() {
        raise(4);
        lower(4);
        assertFalse(pics.interruptPending());
        assertEquals(0x37, pics.acknowledge());
        assertEquals(0, read(master, READ_ISR));
        raise(10);
        data(slave, 0x04); // masked before INTA
        assertEquals(0x37, pics.acknowledge());
        data(slave, 0x00);
        assertEquals(0x3a, pics.acknowledge());
    }

    @Test
    void automaticEndOfInterrupt() {
        initialise(0x03);
        raise(4);
        assertEquals(0x34, pics.acknowledge());
        assertEquals(0, read(master, READ_ISR));
        raise(5);
        assertTrue(pics.interruptPending());
    }

    @Test
    void rotation() {
        raise(1);
        raise(4);
        assertEquals(0x31, pics.acknowledge());
        command(master, ROTATE); // 1 becomes the lowest
        lower(1);
        raise(1);
        raise(0);
        assertEquals(0x34, pics.acknowledge());
        command(master, 0xe0 | 4); // rotate on specific EOI: 4 is the lowest
        assertEquals(0x30, pics.acknowledge());
        command(master, EOI);
        command(master, 0xc0 | 7); // set priority: as after reset
        assertEquals(0x31, pics.acknowledge());
    }

    @Test
    void rotationInAutomaticMode() {
        initialise(0x03);
        command(master, 0x80);
        raise(0);
        assertEquals(0x30, pics.acknowledge());
        lower(0);
        raise(0);
        raise(6);
        assertEquals(0x36, pics.acknowledge(), "0 went to the end of the line");
        command(master, 0x00);
        assertEquals(0x30, pics.acknowledge());
    }

    @Test
    void poll() {
        assertEquals(0, read(master, POLL));
        raise(6);
        assertEquals(0x86, read(master, POLL));
        assertEquals(0x40, read(master, READ_ISR), "a poll is an acknowledge");
        assertFalse(pics.interruptPending());
    }

    @Test
    void initialisationForgetsEverything() {
        raise(4);
        pics.acknowledge();
        raise(6);
        data(master, 0xff);
        initialise(0x01);
        assertFalse(pics.interruptPending(), "an edge before ICW1 does not count");
        assertEquals(0, read(master, READ_ISR));
        assertEquals(0, master.read(DATA, 1));
        lower(6);
        raise(6);
        assertEquals(0x36, pics.acknowledge());
    }

    @Test
    void everyChangeOfThePinIsTold() {
        changes = 0;
        raise(4);
        assertEquals(1, changes);
        raise(5);
        assertEquals(1, changes);
        pics.acknowledge();
        assertEquals(2, changes);
        command(master, EOI);
        assertEquals(3, changes);
    }

    /** Each of the lines can interrupt, and all of them at once are served in order. */
    @Test
    void p40_everyLineInterrupts() {
        int[] order = {0, 1, 8, 9, 10, 11, 12, 13, 14, 15, 3, 4, 5, 6, 7};
        for (int irq : order) raise(irq);
        for (int irq : order) {
            assertEquals(0x30 + irq, pics.acknowledge());
            if (irq >= 8) command(slave, EOI);
            command(master, EOI);
        }
        assertFalse(pics.interruptPending());
    }

    @Property(tries = 300)
    void hostileWritesKeepTheVectorInRange(@ForAll int[] accesses) {
        PicPair pair = new PicPair(() -> {});
        PortDevice[] chips = {pair.masterPorts(), pair.slavePorts(), pair.elcrPorts()};
        for (int access : accesses) {
            PortDevice chip = chips[Math.floorMod(access, 3)];
            int line = access >>> 20 & 15;
            switch (access >>> 8 & 3) {
                case 0 -> chip.write(access >>> 4 & 1, 1, access >>> 12 & 0xff);
                case 1 -> assertEquals(0, chip.read(access >>> 4 & 1, 1) & ~0xff);
                case 2 -> pair.line(line == 2 ? 3 : line).set((access & 4) != 0);
                default -> assertEquals(0, pair.acknowledge() & ~0xff);
            }
        }
    }
}
