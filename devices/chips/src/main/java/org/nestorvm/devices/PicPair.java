package org.nestorvm.devices;

import org.nestorvm.vmm.InterruptPins;

/**
 * The two 8259As of a PC, ports 20h, 21h, A0h, A1h, and their edge/level control registers, ports 4D0h and 4D1h. The
 * slave hangs on pin 2 of the master; IRQ 0, 1, 2, 8 and 13 are always edges.
 *
 * <p>The INTR pin can be read without the lock; whoever is told of its change holds no lock of this object.
 */
public final class PicPair {
    public static final int IRQS = 16, CASCADE = 2;

    private final Pic8259 master = new Pic8259(InterruptPins.LEVEL_CAPABLE & 0xff, 1 << CASCADE);
    private final Pic8259 slave = new Pic8259(InterruptPins.LEVEL_CAPABLE >>> 8, 0);
    private final Runnable intrChanged;
    private volatile boolean intr;

    /** @param intrChanged called after the INTR pin has changed its level, on the thread that caused it */
    public PicPair(Runnable intrChanged) {
        this.intrChanged = intrChanged;
    }

    /** @param irq 0..15, not 2 */
    public IrqLine line(int irq) {
        if (irq < 0 || irq >= IRQS || irq == CASCADE) throw new IllegalArgumentException("no such pin: irq=" + irq);
        return asserted -> setLine(irq, asserted);
    }

    private void setLine(int irq, boolean asserted) {
        boolean changed;
        synchronized (this) {
            chip(irq).setLine(irq & 7, asserted);
            changed = propagate();
        }
        if (changed) intrChanged.run();
    }

    private Pic8259 chip(int irq) {
        return irq < 8 ? master : slave;
    }

    /** Carries the slave's output to the master and the master's to INTR; true when INTR has changed. */
    private boolean propagate() {
        master.setLine(CASCADE, slave.pending() >= 0);
        boolean level = master.pending() >= 0;
        if (level == intr) return false;
        intr = level;
        return true;
    }

    /** The level of the INTR pin. */
    public boolean interruptPending() {
        return intr;
    }

    /**
     * The two INTA cycles: the vector. When the request has gone in the meantime it is that of pin 7, with nothing in
     * service (data sheet, "spurious").
     */
    public int acknowledge() {
        int vector;
        boolean changed;
        synchronized (this) {
            int pin = master.acknowledge();
            vector = pin == CASCADE ? slave.vector(slave.acknowledge()) : master.vector(pin);
            changed = propagate();
        }
        if (changed) intrChanged.run();
        return vector;
    }

    /** What firmware does for lines that are levels: sets their ELCR bits. Lines that can only be edges stay so. */
    public synchronized void setLevelTriggered(int... irqs) {
        for (int irq : irqs) chip(irq).setElcr(chip(irq).elcr() | 1 << (irq & 7));
    }

    public PortDevice masterPorts() {
        return new ChipPorts(master);
    }

    public PortDevice slavePorts() {
        return new ChipPorts(slave);
    }

    /** Two ports: master, slave. */
    public PortDevice elcrPorts() {
        return new PortDevice() {
            @Override
            public int read(int offset, int size) {
                synchronized (PicPair.this) {
                    return chip(offset * 8).elcr();
                }
            }

            @Override
            public void write(int offset, int size, int value) {
                boolean changed;
                synchronized (PicPair.this) {
                    chip(offset * 8).setElcr(value);
                    changed = propagate();
                }
                if (changed) intrChanged.run();
            }
        };
    }

    private final class ChipPorts implements PortDevice {
        private final Pic8259 chip;

        ChipPorts(Pic8259 chip) {
            this.chip = chip;
        }

        @Override
        public int read(int offset, int size) {
            int value;
            boolean changed;
            synchronized (PicPair.this) {
                value = chip.read(offset);
                changed = propagate(); // a poll acknowledges
            }
            if (changed) intrChanged.run();
            return value;
        }

        @Override
        public void write(int offset, int size, int value) {
            boolean changed;
            synchronized (PicPair.this) {
                chip.write(offset, value & 0xff);
                changed = propagate();
            }
            if (changed) intrChanged.run();
        }
    }
}
