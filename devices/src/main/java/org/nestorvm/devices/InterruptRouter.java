package org.nestorvm.devices;

import org.nestorvm.vmm.InterruptController;

/** How a PC wires its interrupt lines: each to the 8259 pair and to the I/O APIC at once; the guest masks the one it does not use. */
public final class InterruptRouter implements InterruptController {
    /** The timer's ISA line, and the I/O APIC pin it comes in at: the one interrupt source override that every PC has. */
    public static final int TIMER_IRQ = 0, TIMER_GSI = 2;

    private final PicPair pics;
    private final IoApic ioApic;

    public InterruptRouter(PicPair pics, IoApic ioApic) {
        this.pics = pics;
        this.ioApic = ioApic;
    }

    /** The global system interrupt, which is the I/O APIC's pin, of an ISA line. */
    public static int gsiOf(int irq) {
        return irq == TIMER_IRQ ? TIMER_GSI : irq;
    }

    /** @param irq 0..15, not 2 */
    public IrqLine isa(int irq) {
        IrqLine pic = pics.line(irq);
        IrqLine pin = ioApic.line(gsiOf(irq));
        return asserted -> {
            pic.set(asserted);
            pin.set(asserted);
        };
    }

    /** A line that only the I/O APIC has. @param gsi 0..23 */
    public IrqLine gsi(int gsi) {
        return ioApic.line(gsi);
    }

    @Override
    public boolean interruptPending() {
        return pics.interruptPending();
    }

    @Override
    public int acknowledge() {
        return pics.acknowledge();
    }

    @Override
    public void endOfInterrupt(int vector) {
        ioApic.endOfInterrupt(vector);
    }
}
