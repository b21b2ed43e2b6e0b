package org.nestorvm.devices;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.nestorvm.devices.Keyboard8042.*;

import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import org.junit.jupiter.api.Test;

class Keyboard8042Test {
    private final Guest.Line irq = new Guest.Line();
    private int resets;
    private final Keyboard8042 keyboard = new Keyboard8042(irq, () -> resets++);
    private final PortDevice data = keyboard.dataPort(), command = keyboard.commandPort();

    private int answer() {
        assertEquals(STATUS_OUTPUT_FULL, command.read(0, 1) & STATUS_OUTPUT_FULL);
        return data.read(0, 1);
    }

    private void assertNothingMore() {
        assertEquals(0, command.read(0, 1) & STATUS_OUTPUT_FULL);
    }

    /** How Linux resets a PC when it has nothing better. */
    @Test
    void resetPulse() {
        command.write(0, 1, 0xfe);
        assertEquals(1, resets);
        command.write(0, 1, 0xff);
        assertEquals(1, resets, "no line is pulsed");
    }

    @Test
    void resetByTheOutputPort() {
        command.write(0, 1, WRITE_OUTPUT_PORT);
        data.write(0, 1, 0x02);
        assertEquals(1, resets);
        command.write(0, 1, WRITE_OUTPUT_PORT);
        data.write(0, 1, 0x03);
        assertEquals(1, resets);
        command.write(0, 1, READ_OUTPUT_PORT);
        assertEquals(OUTPUT_RESET | OUTPUT_A20, answer());
    }

    @Test
    void selfTestsAndConfiguration() {
        command.write(0, 1, SELF_TEST);
        assertEquals(SELF_TEST_PASSED, answer());
        command.write(0, 1, TEST_KEYBOARD_PORT);
        assertEquals(0, answer());
        command.write(0, 1, TEST_MOUSE_PORT);
        assertEquals(NO_MOUSE, answer());
        command.write(0, 1, WRITE_CONFIG);
        data.write(0, 1, 0x45);
        command.write(0, 1, READ_CONFIG);
        assertEquals(0x45, answer());
        assertNothingMore();
    }

    @Test
    void theKeyboardAnswersWithInterrupts() {
        data.write(0, 1, 0xff);
        assertTrue(irq.asserted);
        assertEquals(ACK, answer());
        assertEquals(2, irq.rises, "an edge for each byte");
        assertEquals(KEYBOARD_PASSED, answer());
        assertFalse(irq.asserted);
        data.write(0, 1, 0xed);
        assertEquals(ACK, answer());
        data.write(0, 1, 0xf2); // the LEDs, not a command
        assertEquals(ACK, answer());
        assertNothingMore();
    }

    @Test
    void systemControlPortA() {
        SystemControlA port = new SystemControlA(() -> resets++);
        assertEquals(SystemControlA.A20, port.read(0, 1));
        port.write(0, 1, SystemControlA.A20);
        assertEquals(0, resets);
        port.write(0, 1, SystemControlA.A20 | SystemControlA.FAST_RESET);
        port.write(0, 1, SystemControlA.A20 | SystemControlA.FAST_RESET);
        assertEquals(1, resets, "the edge resets");
    }

    @Test
    void debugPorts() {
        StringBuilder printed = new StringBuilder();
        DebugConsole console = new DebugConsole(c -> printed.append((char) c));
        assertEquals(0xe9, console.read(0, 1));
        console.write(0, 1, 'A');
        assertEquals("A", printed.toString());
        int[] status = {-1};
        new DebugExit(s -> status[0] = s).write(0, 4, 0x10);
        assertEquals(33, status[0]);
    }

    @Property(tries = 200)
    void hostileWrites(@ForAll int[] accesses) {
        for (int access : accesses) {
            PortDevice port = (access & 1) != 0 ? data : command;
            if ((access & 2) != 0) port.write(0, 1, access >>> 8 & 0xff);
            else assertEquals(0, port.read(0, 1) & ~0xff);
        }
    }
}
