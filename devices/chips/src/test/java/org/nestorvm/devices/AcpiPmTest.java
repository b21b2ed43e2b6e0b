package org.nestorvm.devices;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import org.junit.jupiter.api.Test;

class AcpiPmTest {
    private final Guest guest = new Guest();
    private final Guest.Line sci = new Guest.Line();
    private int sleepType = -1;
    private final AcpiPm pm = new AcpiPm(guest.clock, sci, type -> sleepType = type);

    @Test
    void theTimerRunsAt3579545Hz() {
        guest.pass(1_000_000_000);
        assertEquals(3_579_545, pm.read(8, 4));
        guest.pass(3_600_000_000_000L);
        assertEquals((int) (3_601L * 3_579_545), pm.read(8, 4));
    }

    @Test
    void powerOff() {
        assertEquals(AcpiPm.SCI_EN, pm.read(4, 2));
        pm.write(4, 2, 5 << 10);
        assertEquals(-1, sleepType, "SLP_EN was not set");
        pm.write(4, 2, 5 << 10 | AcpiPm.SLP_EN | AcpiPm.SCI_EN);
        assertEquals(5, sleepType);
        assertEquals(5 << 10 | AcpiPm.SCI_EN, pm.read(4, 2), "SLP_EN reads 0");
        pm.write(5, 1, 0x3c);
        assertEquals(7, sleepType, "the upper byte alone");
    }

    @Test
    void powerButton() {
        assertFalse(pm.pressPowerButton(), "nobody listens yet");
        assertFalse(sci.asserted);
        pm.write(2, 2, AcpiPm.PWRBTN_STS);
        assertTrue(sci.asserted);
        assertEquals(AcpiPm.PWRBTN_STS, pm.read(0, 2) & 0xffff);
        pm.write(0, 2, AcpiPm.PWRBTN_STS);
        assertFalse(sci.asserted);
        assertTrue(pm.pressPowerButton());
        assertTrue(sci.asserted);
        assertEquals(AcpiPm.PWRBTN_STS << 16 | AcpiPm.PWRBTN_STS, pm.read(0, 4));
    }

    @Test
    void timerCarry() {
        pm.write(2, 2, AcpiPm.TMR_STS);
        long halfTurnNs = new TickRate(3_579_545).nsOf(1L << 31) - 1;
        guest.pass(halfTurnNs);
        assertFalse(sci.asserted);
        guest.pass(1_000_000);
        assertTrue(sci.asserted);
        pm.write(0, 2, AcpiPm.TMR_STS);
        assertFalse(sci.asserted);
        guest.pass(halfTurnNs);
        assertTrue(sci.asserted);
    }

    @Property(tries = 200)
    void hostileWrites(@ForAll int[] accesses) {
        for (int access : accesses) {
            int size = 1 << (access >>> 4 & 1);
            switch (access & 3) {
                case 0, 1 -> pm.write(access >>> 8 & 7, size, access >>> 12 & 0xffff);
                case 2 -> pm.read(access >>> 8 & 7, 4);
                default -> guest.pass((long) (access >>> 4) * 10_000);
            }
        }
    }
}
