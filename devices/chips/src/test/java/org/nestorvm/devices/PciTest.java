package org.nestorvm.devices;

import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assertions.assertEquals;

import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import org.junit.jupiter.api.Test;

class PciTest {
    private static final int ADDRESS = 0xcf8, DATA = 0xcfc;

    /** A device with one window of each kind and a capability. */
    private static final class Card extends PciFunction implements MmioDevice, PortDevice {
        Card() {
            super("card", 0x1234, 0x11e8, 0x00ff00, 2);
            addMemoryBar(0, 0x1000, false, 4, this);
            addPortBar(1, 32, 4, this);
            addMemoryBar(2, 1L << 33, true, 8, this);
            addCapability(new byte[] {0x09, 0, 8, 1, 2, 3, 4, 5});
            addCapability(new byte[] {0x11, 0, 0, 0});
            setInterruptPin(1, InterruptRouter.pciIrq(0));
        }

        @Override
        public long read(long offset, int size) {
            return offset & 0x7f;
        }

        @Override
        public void write(long offset, int size, long value) {}

        @Override
        public int read(int offset, int size) {
            return 0x80 + offset;
        }

        @Override
        public void write(int offset, int size, int value) {}
    }

    private final PortBus ports = new PortBus();
    private final MmioBus mmio = new MmioBus();
    private int resets;
    private final PciBus pci = new PciBus(ports, mmio, () -> resets++);

    PciTest() {
        ports.add("pci", ADDRESS, 8, 4, pci.configPorts());
        pci.add(3, new Card());
    }

    private int read(int device, int register, int size) {
        ports.write(ADDRESS, 4, 1 << 31 | device << 11 | register & 0xfc);
        return ports.read(DATA + (register & 3), size);
    }

    private void write(int device, int register, int size, int value) {
        ports.write(ADDRESS, 4, 1 << 31 | device << 11 | register & 0xfc);
        ports.write(DATA + (register & 3), size, value);
    }

    /** Linux's test for configuration mechanism 1, and its search for a host bridge. */
    @Test
    void mechanismOneIsFound() {
        ports.write(0xcfb, 1, 1);
        ports.write(ADDRESS, 4, 1 << 31);
        assertEquals(1 << 31, ports.read(ADDRESS, 4));
        assertEquals(0x0600, read(0, 0x0a, 2));
        assertEquals(0x8086, read(0, 0x00, 2));
        assertEquals(-1, read(1, 0, 4), "nobody there");
        assertEquals(0x11e8_1234, read(3, 0, 4));
        ports.write(ADDRESS, 4, 1 << 31 | 3 << 11 | 1 << 8);
        assertEquals(-1, ports.read(DATA, 4), "function 1");
        ports.write(ADDRESS, 4, 1 << 31 | 1 << 16 | 3 << 11);
        assertEquals(-1, ports.read(DATA, 4), "bus 1");
        ports.write(ADDRESS, 4, 3 << 11);
        assertEquals(-1, ports.read(DATA, 4), "not enabled");
    }

    /** What identifies the function cannot be changed. */
    @Test
    void p39_identityIsReadOnly() {
        for (int register : new int[] {0x00, 0x08, 0x2c, 0x34, 0x3d}) {
            int before = read(3, register & ~3, 4);
            for (int size : new int[] {1, 2, 4}) write(3, register & -size, size, -1);
            assertEquals(
                    register == 0x3d ? before | 0xff : before,
                    read(3, register & ~3, 4),
                    Integer.toHexString(register));
        }
    }

    /** Narrow writes change their own bytes. */
    @Test
    void p39_narrowWritesMerge() {
        write(3, 0x10, 4, 0xe000_0000);
        write(3, 0x13, 1, 0xd0);
        assertEquals(0xd000_0000, read(3, 0x10, 4));
        write(3, 0x12, 2, 0xd123);
        assertEquals(0xd123_0000, read(3, 0x10, 4));
        write(3, 0x3c, 1, 0x0b);
        assertEquals(0x010b, read(3, 0x3c, 2));
        write(3, 0x05, 1, 0xff);
        assertEquals(0x0400, read(3, 0x04, 2));
    }

    /** All ones written read back as the size, with the type bits. */
    @Test
    void p39_sizing() {
        for (int register = 0x10; register < 0x28; register += 4) write(3, register, 4, -1);
        assertEquals(0xffff_f000, read(3, 0x10, 4));
        assertEquals(0xffff_ffe1, read(3, 0x14, 4));
        assertEquals(0x0000_0004, read(3, 0x18, 4));
        assertEquals(0xffff_fffe, read(3, 0x1c, 4));
        assertEquals(0, read(3, 0x20, 4), "no such window");
    }

    @Test
    void windowsOpenMoveAndClose() {
        write(3, 0x10, 4, 0xe000_0000);
        write(3, 0x14, 4, 0x1000);
        write(3, 0x1c, 4, 0x10);
        assertEquals(0xffff_ffffL, mmio.read(0xe000_0010L, 4), "closed");
        write(3, 0x04, 2, PciFunction.COMMAND_MEMORY | PciFunction.COMMAND_IO);
        assertEquals(0x10, mmio.read(0xe000_0010L, 4));
        assertEquals(0x84, ports.read(0x1004, 4));
        assertEquals(0x18, mmio.read(0x10_0000_0018L, 8));
        write(3, 0x10, 4, 0xe000_1000);
        assertEquals(0xffff_ffffL, mmio.read(0xe000_0010L, 4));
        assertEquals(0x10, mmio.read(0xe000_1010L, 4));
        write(3, 0x04, 2, 0);
        assertEquals(0xffff_ffffL, mmio.read(0xe000_1010L, 4));
        assertEquals(0xffff, ports.read(0x1004, 2));
    }

    @Test
    void aWindowOverAnotherDeviceStaysClosed() {
        mmio.add("fixed", 0xfec0_0000L, 0x1000, 4, new IoApic((address, data) -> {}));
        write(3, 0x04, 2, 3);
        write(3, 0x10, 4, 0xfec0_0000);
        assertEquals(0, mmio.read(0xfec0_0000L, 4), "still the other");
        write(3, 0x14, 4, ADDRESS);
        write(3, 0x10, 4, 0xfec0_1000);
        assertEquals(0x20, mmio.read(0xfec0_1020L, 4));
    }

    @Test
    void capabilities() {
        assertEquals(1 << 4, read(3, 0x06, 2));
        assertEquals(0x40, read(3, 0x34, 1));
        assertEquals(0x0108_4809, read(3, 0x40, 4));
        assertEquals(0x11, read(3, 0x48, 4));
    }

    @Test
    void resetControlRegister() {
        ports.write(0xcf9, 1, 0x02);
        assertEquals(0, resets);
        ports.write(0xcf9, 1, 0x06);
        assertEquals(1, resets);
        assertEquals(0x06, ports.read(0xcf9, 1));
        ports.write(0xcf9, 1, 0x06);
        assertEquals(1, resets, "the edge resets");
    }

    @Test
    void aPlaceIsTakenOnce() {
        assertThatThrownBy(() -> pci.add(3, new Card())).hasMessageContaining("card already");
    }

    /** Devices share wires, and each of them interrupts. */
    @Test
    void p40_everyDeviceInterrupts() {
        int[] messages = new int[1];
        IoApic ioApic = new IoApic((address, data) -> messages[0]++);
        PicPair pics = new PicPair(() -> {});
        InterruptRouter router = new InterruptRouter(pics, ioApic);
        for (int pin = 16; pin < 20; pin++) {
            ioApic.write(0, 4, 0x10 + 2 * pin);
            ioApic.write(0x10, 4, 0x8000 | pin);
        }
        pics.setLevelTriggered(10, 11);
        for (int device = 1; device < PciBus.DEVICES; device++) {
            int wire = PciBus.interruptWire(device);
            IrqLine line = router.pci(wire);
            line.set(true);
            assertEquals(device, messages[0]);
            pics.slavePorts().write(0, 1, 0x0a);
            assertEquals(
                    1 << InterruptRouter.pciIrq(wire) - 8, pics.slavePorts().read(0, 1));
            line.set(false);
            ioApic.endOfInterrupt(16 + wire);
        }
    }

    @Property(tries = 300)
    void hostileWrites(@ForAll int[] accesses) {
        for (int access : accesses) {
            int size = 1 << Math.floorMod(access >>> 2, 3);
            switch (access & 3) {
                case 0 -> ports.write(ADDRESS, 4, 1 << 31 | (access & 4) << 9 | 3 << 11 | access >>> 8);
                case 1 -> ports.write(DATA + (access >>> 4 & 3), size, access >>> 6 | -(access >>> 31));
                case 2 -> ports.read(ADDRESS + (access >>> 4 & 7), size);
                default -> write(3, 0x04 + (access >>> 4 & 31), size, access >>> 9);
            }
        }
        assertEquals(0x11e8_1234, read(3, 0, 4));
    }
}
