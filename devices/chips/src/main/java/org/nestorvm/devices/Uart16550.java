package org.nestorvm.devices;

import java.util.function.IntConsumer;
import org.nestorvm.vmm.VmClock;

/**
 * 16550A serial port, 8 ports (National Semiconductor PC16550D data sheet; register numbers and bits as there).
 *
 * <p>Sending: no baud rate, a byte is sent when it is written, so THR and the shift register are always empty.
 * Receiving: bytes wait in a bounded queue outside the chip and arrive one character time apart, at the rate the guest
 * has set, while there is room in the FIFO and the guest asserts RTS. That is a cable with hardware flow control, and
 * it loses nothing: not what is typed before the guest has opened the port, not what it clears from the FIFO unseen. A
 * guest that never writes MCR gets its bytes without RTS.
 *
 * <p>As in a PC, OUT2 connects the interrupt pin to the bus. Left out: parity, framing and break conditions (nothing
 * produces them), DMA mode, sending a break.
 */
public final class Uart16550 implements PortDevice {
    public static final int PORTS = 8;
    static final int RBR = 0,
            THR = 0,
            DLL = 0,
            IER = 1,
            DLM = 1,
            IIR = 2,
            FCR = 2,
            LCR = 3,
            MCR = 4,
            LSR = 5,
            MSR = 6,
            SCR = 7;
    static final int IER_RDA = 1 << 0, IER_THRE = 1 << 1, IER_LINE = 1 << 2, IER_MODEM = 1 << 3;
    static final int IIR_NONE = 0x01,
            IIR_MODEM = 0x00,
            IIR_THRE = 0x02,
            IIR_RDA = 0x04,
            IIR_LINE = 0x06,
            IIR_TIMEOUT = 0x0c,
            IIR_FIFOS = 0xc0;
    static final int FCR_ENABLE = 1 << 0, FCR_CLEAR_RX = 1 << 1;
    static final int LCR_WORD = 3, LCR_STOP = 1 << 2, LCR_PARITY = 1 << 3, LCR_DLAB = 1 << 7;
    static final int MCR_DTR = 1 << 0, MCR_RTS = 1 << 1, MCR_OUT1 = 1 << 2, MCR_OUT2 = 1 << 3, MCR_LOOP = 1 << 4;
    static final int LSR_DR = 1 << 0, LSR_OVERRUN = 1 << 1, LSR_THRE = 1 << 5, LSR_TEMT = 1 << 6;
    static final int MSR_CTS = 1 << 4, MSR_DSR = 1 << 5, MSR_RI = 1 << 6, MSR_DCD = 1 << 7;
    private static final int MSR_DELTA_RI = 1 << 2;
    private static final int[] TRIGGER_BYTES = {1, 4, 8, 14};

    static final int FIFO_BYTES = 16, QUEUE_BYTES = 4096;
    private static final long CRYSTAL_HZ = 1_843_200, SECOND_NS = 1_000_000_000;
    private static final long MAX_CHARACTER_NS = 1_000_000; // whatever divisor a guest leaves behind, a user can type
    private static final long NEVER = Long.MAX_VALUE;

    private final VmClock clock;
    private final IrqLine irq;
    private final IntConsumer transmit;
    private final VmClock.Timer arrivalTimer, timeoutTimer;
    private final ReceiveQueue queue = new ReceiveQueue(QUEUE_BYTES, FIFO_BYTES);

    private final byte[] fifo = new byte[FIFO_BYTES];
    private int fifoHead, fifoCount;
    private int ier, lcr, mcr, scratch, divisor = 1, trigger = 1;
    private int msr = MSR_CTS | MSR_DSR | MSR_DCD;
    private boolean fifoEnabled, overrun, threPending, timeoutPending, modemControlWritten, hungUp;
    private long arrivalNs = NEVER, timeoutNs = NEVER;

    /**
     * @param irq the chip's INTRPT pin behind OUT2
     * @param transmit takes each byte that is sent, 0..255, on the virtual CPU's thread; the port is not locked
     *     meanwhile, so that it may wait
     */
    public Uart16550(VmClock clock, IrqLine irq, IntConsumer transmit) {
        this.clock = clock;
        this.irq = irq;
        this.transmit = transmit;
        arrivalTimer = clock.newTimer(this::arrive);
        timeoutTimer = clock.newTimer(this::timeout);
    }

    /** Waits until {@link #offer} would take a byte. @return false when it never will */
    public synchronized boolean awaitRoom() throws InterruptedException {
        while (queue.isFull() && !hungUp) wait();
        return !hungUp;
    }

    /** Nobody reads any more: the guest has ended. Who waits to type need not, and nothing is taken. */
    public synchronized void hangUp() {
        hungUp = true;
        notifyAll();
    }

    /** Queues as many bytes as there is room for, and says how many. Any thread. */
    public synchronized int offer(byte[] bytes, int offset, int length) {
        int done = 0;
        while (done < length && !hungUp && !queue.isFull()) queue.add(bytes[offset + done++]);
        scheduleArrival();
        return done;
    }

    private boolean clearToSend() {
        return (mcr & MCR_LOOP) == 0 && ((mcr & MCR_RTS) != 0 || !modemControlWritten);
    }

    private void scheduleArrival() {
        boolean possible = !queue.isEmpty() && fifoCount < capacity() && clearToSend();
        if (possible && arrivalNs == NEVER) {
            arrivalNs = clock.nowNs() + characterNs();
            arrivalTimer.arm(arrivalNs);
        } else if (!possible && arrivalNs != NEVER) {
            arrivalNs = NEVER;
            arrivalTimer.disarm();
        }
    }

    private synchronized void arrive() {
        long now = clock.nowNs();
        if (now < arrivalNs) return; // stopped, or scheduled anew, while this callback was on its way
        long due = 1 + (now - arrivalNs) / characterNs();
        while (due-- > 0 && !queue.isEmpty() && fifoCount < capacity()) push(queue.take());
        arrivalNs = NEVER;
        scheduleArrival();
        notifyAll();
        update();
    }

    private int capacity() {
        return fifoEnabled ? FIFO_BYTES : 1;
    }

    private void push(byte value) {
        fifo[fifoHead + fifoCount++ & FIFO_BYTES - 1] = value;
        timeoutPending = false;
        scheduleTimeout();
    }

    /** Four character times without an arrival and without a read, with bytes in the FIFO, are a time-out interrupt. */
    private void scheduleTimeout() {
        if (fifoEnabled && fifoCount > 0) {
            timeoutNs = clock.nowNs() + 4 * characterNs();
            timeoutTimer.arm(timeoutNs);
        } else if (timeoutNs != NEVER) {
            timeoutNs = NEVER;
            timeoutTimer.disarm();
        }
    }

    private synchronized void timeout() {
        if (clock.nowNs() < timeoutNs) return;
        timeoutNs = NEVER;
        timeoutPending = true;
        update();
    }

    private long characterNs() {
        int bits = 1 + 5 + (lcr & LCR_WORD) + ((lcr & LCR_PARITY) != 0 ? 1 : 0) + ((lcr & LCR_STOP) != 0 ? 2 : 1);
        long ns = bits * 16L * Math.max(divisor, 1) * SECOND_NS / CRYSTAL_HZ;
        return Math.min(ns, MAX_CHARACTER_NS);
    }

    private int interruptId() {
        if ((ier & IER_LINE) != 0 && overrun) return IIR_LINE;
        if ((ier & IER_RDA) != 0 && fifoCount >= (fifoEnabled ? trigger : 1)) return IIR_RDA;
        if ((ier & IER_RDA) != 0 && timeoutPending) return IIR_TIMEOUT;
        if ((ier & IER_THRE) != 0 && threPending) return IIR_THRE;
        if ((ier & IER_MODEM) != 0 && (msr & 0x0f) != 0) return IIR_MODEM;
        return IIR_NONE;
    }

    private void update() {
        boolean connected = (mcr & (MCR_OUT2 | MCR_LOOP)) == MCR_OUT2; // loopback takes the output pins off
        irq.set(connected && interruptId() != IIR_NONE);
    }

    @Override
    public synchronized int read(int offset, int size) {
        boolean dlab = (lcr & LCR_DLAB) != 0;
        return switch (offset) {
            case RBR -> dlab ? divisor & 0xff : pop();
            case IER -> dlab ? divisor >> 8 : ier;
            case IIR -> readInterruptId();
            case LCR -> lcr;
            case MCR -> mcr;
            case LSR -> readLineStatus();
            case MSR -> readModemStatus();
            default -> scratch;
        };
    }

    private int pop() {
        if (fifoCount == 0) return 0;
        int value = fifo[fifoHead] & 0xff;
        fifoHead = fifoHead + 1 & FIFO_BYTES - 1;
        fifoCount--;
        timeoutPending = false;
        scheduleTimeout();
        scheduleArrival();
        update();
        return value;
    }

    private int readInterruptId() {
        int id = interruptId();
        if (id == IIR_THRE) { // reading it as the source is what ends this one
            threPending = false;
            update();
        }
        return id | (fifoEnabled ? IIR_FIFOS : 0);
    }

    private int readLineStatus() {
        int status = LSR_THRE | LSR_TEMT | (fifoCount > 0 ? LSR_DR : 0) | (overrun ? LSR_OVERRUN : 0);
        if (overrun) {
            overrun = false;
            update();
        }
        return status;
    }

    private int readModemStatus() {
        int status = msr;
        msr &= 0xf0;
        update();
        return status;
    }

    @Override
    public void write(int offset, int size, int value) {
        if (offset == THR && sends()) transmit.accept(value & 0xff);
        writeRegister(offset, value & 0xff);
    }

    private synchronized boolean sends() {
        return (lcr & LCR_DLAB) == 0 && (mcr & MCR_LOOP) == 0;
    }

    private synchronized void writeRegister(int offset, int value) {
        boolean dlab = (lcr & LCR_DLAB) != 0;
        switch (offset) {
            case THR -> {
                if (dlab) divisor = divisor & 0xff00 | value;
                else sent(value);
            }
            case IER -> {
                if (dlab) divisor = divisor & 0xff | value << 8;
                else enableInterrupts(value & 0x0f);
            }
            case FCR -> controlFifos(value);
            case LCR -> lcr = value;
            case MCR -> controlModem(value & 0x1f);
            case SCR -> scratch = value;
            default -> {} // LSR and MSR: factory test only
        }
        update();
    }

    private void sent(int value) {
        if ((mcr & MCR_LOOP) != 0) {
            if (fifoCount < capacity()) push((byte) value);
            else overrun = true;
        }
        // An edge for each byte: the interrupt goes with the write and comes back when the byte has gone, at once.
        threPending = false;
        update();
        threPending = true;
    }

    private void enableInterrupts(int value) {
        // Linux tests the chip by it: THRE interrupts when it is enabled while the register is empty.
        if ((value & ~ier & IER_THRE) != 0) threPending = true;
        ier = value;
    }

    private void controlFifos(int value) {
        boolean enable = (value & FCR_ENABLE) != 0;
        if (enable != fifoEnabled || (value & FCR_CLEAR_RX) != 0) clearFifo();
        fifoEnabled = enable;
        trigger = TRIGGER_BYTES[value >> 6 & 3];
        scheduleArrival();
    }

    /**
     * What the guest has not seen goes back in line, and arrives after a character time: as if it had been typed a
     * moment later.
     */
    private void clearFifo() {
        while (fifoCount > 0) {
            byte last = fifo[fifoHead + --fifoCount & FIFO_BYTES - 1];
            if ((mcr & MCR_LOOP) == 0) queue.putBack(last);
        }
        timeoutPending = false;
        scheduleTimeout();
        if (arrivalNs != NEVER) {
            arrivalNs = clock.nowNs() + characterNs();
            arrivalTimer.arm(arrivalNs);
        }
    }

    private void controlModem(int value) {
        if (((mcr ^ value) & MCR_LOOP) != 0)
            clearFifo(); // loopback has no part in what the line brings, nor the line in its bytes
        mcr = value;
        modemControlWritten = true;
        int lines = MSR_CTS | MSR_DSR | MSR_DCD;
        if ((value & MCR_LOOP) != 0) {
            lines = ((value & MCR_RTS) != 0 ? MSR_CTS : 0)
                    | ((value & MCR_DTR) != 0 ? MSR_DSR : 0)
                    | ((value & MCR_OUT1) != 0 ? MSR_RI : 0)
                    | ((value & MCR_OUT2) != 0 ? MSR_DCD : 0);
        }
        int changed = (msr ^ lines) >> 4;
        if ((lines & MSR_RI) != 0) changed &= ~MSR_DELTA_RI; // only its trailing edge counts
        msr = lines | msr & 0x0f | changed;
        scheduleArrival();
    }
}
