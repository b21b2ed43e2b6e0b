package org.nestorvm.devices;

import java.util.function.IntFunction;
import org.nestorvm.vmm.InterruptController;
import org.nestorvm.vmm.InterruptPins;

/**
 * How a PC wires its interrupt lines: each to the 8259 pair and to the I/O APIC at once; the guest masks the one it
 * does not use.
 */
public final class InterruptRouter {
    /**
     * The timer's ISA line, and the I/O APIC pin it comes in at: the one interrupt source override that every PC has.
     */
    public static final int TIMER_IRQ = 0, TIMER_GSI = 2;

    /** I/O APIC pins of PCI's INTA to INTD, and the 8259 lines they share for a guest that uses no APIC. */
    public static final int PCI_PINS = 4, PCI_GSI = 16;

    private static final int[] PCI_IRQ = {10, 11, 10, 11};

    private final IntFunction<IrqLine> picLines, ioApicLines;
    private final InterruptController chips;
    private final SharedLine[] pci = new SharedLine[PCI_PINS];

    /** With chips of the machine's own. */
    public InterruptRouter(PicPair pics, IoApic ioApic) {
        this(pics::line, ioApic::line, new InterruptController() {
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
        });
    }

    /** With the engine's chips, which tell their processors themselves. */
    public InterruptRouter(InterruptPins pins) {
        this(
                irq -> asserted -> pins.setPic(irq, asserted),
                pin -> asserted -> pins.setIoApic(pin, asserted),
                InterruptController.NONE);
    }

    private InterruptRouter(
            IntFunction<IrqLine> picLines, IntFunction<IrqLine> ioApicLines, InterruptController chips) {
        this.picLines = picLines;
        this.ioApicLines = ioApicLines;
        this.chips = chips;
        SharedLine irq10 = new SharedLine(picLines.apply(10));
        SharedLine irq11 = new SharedLine(picLines.apply(11));
        for (int pin = 0; pin < PCI_PINS; pin++) {
            IrqLine pic = (pciIrq(pin) == 10 ? irq10 : irq11).join();
            IrqLine gsi = ioApicLines.apply(PCI_GSI + pin);
            pci[pin] = new SharedLine(level -> {
                pic.set(level);
                gsi.set(level);
            });
        }
    }

    /** The 8259 line of a PCI interrupt wire, 0..3: what firmware writes into the interrupt line register. */
    public static int pciIrq(int wire) {
        return PCI_IRQ[wire];
    }

    /** A place on one of PCI's four interrupt wires, each of which any number of devices may share. */
    public IrqLine pci(int wire) {
        return pci[wire].join();
    }

    /** Whether some device asserts one of PCI's wires. */
    public boolean pciAsserted(int wire) {
        return pci[wire].asserted();
    }

    /** The global system interrupt, which is the I/O APIC's pin, of an ISA line. */
    public static int gsiOf(int irq) {
        return irq == TIMER_IRQ ? TIMER_GSI : irq;
    }

    /** @param irq 0..15, not 2 */
    public IrqLine isa(int irq) {
        IrqLine pic = picLines.apply(irq);
        IrqLine pin = ioApicLines.apply(gsiOf(irq));
        return asserted -> {
            pic.set(asserted);
            pin.set(asserted);
        };
    }

    /** A line that only the I/O APIC has. @param gsi 0..23 */
    public IrqLine gsi(int gsi) {
        return ioApicLines.apply(gsi);
    }

    /** The chips as processors see them. */
    public InterruptController controller() {
        return chips;
    }
}
