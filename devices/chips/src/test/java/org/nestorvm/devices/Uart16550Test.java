package org.nestorvm.devices;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.nestorvm.devices.Uart16550.*;

import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;
import java.util.Random;
import java.util.concurrent.FutureTask;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

class Uart16550Test {
    private static final long CHARACTER_NS = 86_805; // 115200 baud, 8N1: ten bits

    private final Guest guest = new Guest();
    private final Guest.Line irq = new Guest.Line();
    private final ByteArrayOutputStream sent = new ByteArrayOutputStream();
    private final Uart16550 uart = new Uart16550(guest.clock, irq, sent::write);

    private int in(int register) {
        return uart.read(register, 1);
    }

    private void out(int register, int value) {
        uart.write(register, 1, value);
    }

    /** 8N1 at 115200, FIFOs with a trigger level of 8 bytes, DTR RTS OUT2: as Linux opens the port. */
    private void open(int ier) {
        out(LCR, LCR_DLAB);
        out(DLL, 1);
        out(DLM, 0);
        out(LCR, 3);
        out(FCR, 0x81);
        out(MCR, MCR_DTR | MCR_RTS | MCR_OUT2);
        out(IER, ier);
    }

    private void type(String text) {
        byte[] bytes = text.getBytes(StandardCharsets.US_ASCII);
        assertEquals(bytes.length, uart.offer(bytes, 0, bytes.length));
    }

    private String readAll() {
        StringBuilder text = new StringBuilder();
        while ((in(LSR) & LSR_DR) != 0) text.append((char) in(RBR));
        return text.toString();
    }

    @Test
    void polledSending() {
        for (byte b : "hello".getBytes(StandardCharsets.US_ASCII)) {
            assertEquals(LSR_THRE | LSR_TEMT, in(LSR));
            out(THR, b);
        }
        assertEquals("hello", sent.toString());
    }

    @Test
    void registersThatLinuxProbes() {
        out(IER, 0);
        assertEquals(0, in(IER));
        out(IER, 0xff);
        assertEquals(0x0f, in(IER));
        out(SCR, 0x5a);
        assertEquals(0x5a, in(SCR));
        out(FCR, FCR_ENABLE);
        assertEquals(IIR_FIFOS, in(IIR) & 0xc0, "16550A");
        out(FCR, 0);
        assertEquals(0, in(IIR) & 0xc0);
        out(LCR, LCR_DLAB);
        out(DLL, 0x0c);
        out(DLM, 0x01);
        assertEquals(0x0c, in(DLL));
        assertEquals(0x01, in(DLM));
        out(LCR, 0);
        assertEquals(0, in(RBR));
    }

    @Test
    void loopbackOfModemLines() {
        out(MCR, MCR_LOOP | MCR_OUT2 | MCR_RTS);
        assertEquals(MSR_DCD | MSR_CTS, in(MSR) & 0xf0, "Linux: a UART is there");
        out(MCR, MCR_LOOP | MCR_OUT1);
        in(MSR);
        out(MCR, MCR_LOOP);
        assertEquals(0x04, in(MSR), "trailing edge of RI, once");
        assertEquals(0x00, in(MSR));
        out(MCR, 0);
        assertEquals(MSR_CTS | MSR_DSR | MSR_DCD | 0x0b, in(MSR));
    }

    @Test
    void loopbackOfData() {
        open(0);
        out(MCR, MCR_LOOP);
        out(THR, 'x');
        out(THR, 'y');
        assertEquals("xy", readAll());
        assertEquals(0, sent.size());
        for (int i = 0; i < 17; i++) out(THR, i);
        assertEquals(LSR_OVERRUN, in(LSR) & LSR_OVERRUN);
        assertEquals(0, in(LSR) & LSR_OVERRUN);
    }

    /** THRE interrupts when it is enabled and after each byte; reading IIR as its source ends it. */
    @Test
    void transmitInterrupt() {
        open(0);
        assertEquals(IIR_NONE, in(IIR) & 0x0f);
        out(IER, IER_THRE);
        assertTrue(irq.asserted);
        assertEquals(IIR_THRE, in(IIR) & 0x0f);
        assertFalse(irq.asserted);
        assertEquals(IIR_NONE, in(IIR) & 0x0f);
        out(IER, IER_THRE);
        assertFalse(irq.asserted, "enabled already");
        irq.rises = 0;
        out(THR, 'a');
        assertEquals(1, irq.rises);
        out(THR, 'b');
        assertEquals(2, irq.rises, "an edge for each byte");
        assertEquals(IIR_THRE, in(IIR) & 0x0f);
        out(IER, 0);
        out(IER, IER_THRE);
        assertEquals(IIR_THRE, in(IIR) & 0x0f, "Linux looks twice, and takes the chip for broken otherwise");
    }

    @Test
    void receivingByTriggerLevel() {
        open(IER_RDA);
        type("12345678");
        guest.pass(7 * CHARACTER_NS);
        assertFalse(irq.asserted);
        guest.pass(CHARACTER_NS);
        assertEquals(IIR_RDA, in(IIR) & 0x0f);
        assertEquals('1', in(RBR));
        assertFalse(irq.asserted, "below the level");
        assertEquals("2345678", readAll());
    }

    @Test
    void receivingByTimeout() {
        open(IER_RDA);
        type("ab");
        guest.pass(2 * CHARACTER_NS);
        assertFalse(irq.asserted);
        guest.pass(4 * CHARACTER_NS);
        assertTrue(irq.asserted);
        assertEquals(IIR_TIMEOUT, in(IIR) & 0x0f);
        assertEquals('a', in(RBR));
        assertFalse(irq.asserted, "a read restarts the time-out");
        guest.pass(4 * CHARACTER_NS);
        assertTrue(irq.asserted);
        assertEquals('b', in(RBR));
        assertFalse(irq.asserted);
    }

    @Test
    void receivingWithoutFifo() {
        open(IER_RDA);
        out(FCR, 0);
        type("ab");
        guest.pass(10 * CHARACTER_NS);
        assertEquals(IIR_RDA, in(IIR));
        assertEquals('a', in(RBR));
        assertFalse(irq.asserted);
        guest.pass(CHARACTER_NS);
        assertEquals('b', in(RBR));
        assertEquals(0, in(LSR) & LSR_OVERRUN);
    }

    @Test
    void prioritiesOfInterrupts() {
        open(0x0f);
        out(MCR, MCR_LOOP);
        for (int i = 0; i < 17; i++) out(THR, i);
        out(MCR, MCR_LOOP | MCR_OUT2);
        assertEquals(IIR_LINE, in(IIR) & 0x0f);
        in(LSR);
        assertEquals(IIR_RDA, in(IIR) & 0x0f);
        readAll();
        assertEquals(IIR_THRE, in(IIR) & 0x0f);
        assertEquals(IIR_MODEM, in(IIR) & 0x0f);
        in(MSR);
        assertEquals(IIR_NONE, in(IIR) & 0x0f);
    }

    @Test
    void interruptPinIsConnectedByOut2() {
        open(IER_THRE);
        assertTrue(irq.asserted);
        out(MCR, MCR_RTS);
        assertFalse(irq.asserted);
        out(MCR, MCR_RTS | MCR_OUT2);
        assertTrue(irq.asserted);
    }

    /**
     * What is typed while the guest is not ready is there when it is: Linux probes, clears the FIFOs and reads RBR
     * before it raises RTS.
     */
    @Test
    void nothingTypedBeforeOpeningIsLost() {
        type("early");
        out(MCR, MCR_LOOP | 0x0a);
        guest.pass(10 * CHARACTER_NS);
        out(MCR, 0);
        guest.pass(10 * CHARACTER_NS);
        out(FCR, 0x07);
        in(LSR);
        in(RBR);
        open(0);
        guest.pass(10 * CHARACTER_NS);
        out(FCR, 0x07);
        assertEquals(0, in(RBR));
        guest.pass(10 * CHARACTER_NS);
        assertEquals("early", readAll());
    }

    @Test
    void rtsHoldsTheSender() {
        open(0);
        type("abcdef");
        guest.pass(2 * CHARACTER_NS);
        out(MCR, MCR_DTR);
        guest.pass(100 * CHARACTER_NS);
        assertEquals("ab", readAll());
        out(MCR, MCR_DTR | MCR_RTS);
        guest.pass(100 * CHARACTER_NS);
        assertEquals("cdef", readAll());
    }

    @Test
    void aGuestThatSetsUpNothingCanRead() {
        type("k");
        guest.pass(CHARACTER_NS);
        assertEquals("k", readAll());
    }

    @Test
    @Timeout(20)
    void backPressureFromAnotherThread() throws InterruptedException {
        open(0);
        byte[] typed = new byte[40_000];
        new Random(1).nextBytes(typed);
        Thread typist = Thread.ofPlatform().start(() -> {
            try {
                for (int done = 0; done < typed.length; assertTrue(uart.awaitRoom()))
                    done += uart.offer(typed, done, typed.length - done);
            } catch (InterruptedException e) {
                throw new AssertionError(e);
            }
        });
        byte[] read = new byte[typed.length];
        for (int n = 0; n < read.length; ) {
            guest.pass(CHARACTER_NS);
            while (n < read.length && (in(LSR) & LSR_DR) != 0) read[n++] = (byte) in(RBR);
        }
        typist.join();
        assertArrayEquals(typed, read);
    }

    @Test
    void aFullQueueTakesNoMore() {
        byte[] much = new byte[QUEUE_BYTES + 10];
        assertEquals(QUEUE_BYTES, uart.offer(much, 0, much.length));
        assertEquals(0, uart.offer(much, 0, 1));
    }

    @Test
    @Timeout(20)
    void whoWaitsToTypeIsToldThatNobodyReadsAnyMore() throws Exception {
        byte[] much = new byte[QUEUE_BYTES];
        uart.offer(much, 0, much.length);
        FutureTask<Boolean> typist = new FutureTask<>(uart::awaitRoom);
        Thread thread = Thread.ofPlatform().start(typist);
        while (thread.getState() != Thread.State.WAITING) Thread.onSpinWait();
        uart.hangUp();
        assertFalse(typist.get());
        open(0);
        guest.pass(CHARACTER_NS);
        assertEquals(0, uart.offer(much, 0, 1));
        assertFalse(uart.awaitRoom());
    }

    /** A divisor of 65535 is a character in six seconds; a user would take the machine for dead. */
    @Test
    void slowestBaudRate() {
        out(LCR, LCR_DLAB);
        out(DLL, 0xff);
        out(DLM, 0xff);
        out(LCR, 3);
        type("z");
        guest.pass(1_000_000);
        assertEquals("z", readAll());
    }

    @Property(tries = 300)
    void hostileWrites(@ForAll int[] accesses) {
        byte[] some = new byte[64];
        for (int access : accesses) {
            switch (access & 3) {
                case 0 -> out(access >>> 4 & 7, access >>> 8 & 0xff);
                case 1 -> assertEquals(0, in(access >>> 4 & 7) & ~0xff);
                case 2 -> uart.offer(some, 0, access >>> 8 & 63);
                default -> assertThat(guest.pass(access >>> 14)).isLessThan(10_000);
            }
        }
    }

    /** Loopback and FIFO resets cannot be used to grow the queue. */
    @Test
    void loopedBytesNeverReachTheQueue() {
        open(0);
        for (int round = 0; round < 1000; round++) {
            out(MCR, MCR_LOOP);
            for (int i = 0; i < 16; i++) out(THR, 'L');
            out(MCR, MCR_RTS);
            out(FCR, 0x03);
        }
        guest.pass(100 * CHARACTER_NS);
        assertEquals("", readAll());
    }
}
