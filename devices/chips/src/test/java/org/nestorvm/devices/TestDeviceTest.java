package org.nestorvm.devices;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

/** What kvm-unit-tests do with the device, through buses that are set up as the board's. */
class TestDeviceTest {
    private final PicPair pics = new PicPair(() -> {});
    private final List<Long> unmapped = new ArrayList<>();
    private final InterruptRouter router = new InterruptRouter(pics, new IoApic((address, data) -> {}));
    private final TestDevice device = new TestDevice(router, unmapped::add);
    private final PortBus ports = new PortBus();
    private final MmioBus mmio = new MmioBus();

    TestDeviceTest() {
        ports.add("register", 0xe0, TestDevice.REGISTER_PORTS, 4, device.register());
        ports.add("unmap", 0xe4, TestDevice.REGISTER_PORTS, 4, device.unmap());
        ports.add("bytes", 0xe8, TestDevice.REGISTER_PORTS, 1, device.register());
        ports.add("lines", 0x2000, TestDevice.LINES, 1, device.lines());
        mmio.add("memory", 0xff000000L, TestDevice.MEMORY_BYTES, 8, device.memory());
    }

    @Test
    void registerKeepsWhatWasWrittenInAnyWidth() {
        ports.write(0xe0, 4, 0x11223344);
        assertEquals(0x11223344, ports.read(0xe0, 4));
        assertEquals(0x3344, ports.read(0xe0, 2));
        assertEquals(0x44, ports.read(0xe0, 1));
        assertEquals(0x22, ports.read(0xe2, 1));
        ports.write(0xe1, 1, 0xaa);
        ports.write(0xe2, 2, 0xbbcc);
        assertEquals(0xbbccaa44, ports.read(0xe0, 4));
    }

    @Test
    void theSameRegisterIsThereByteByByte() {
        ports.write(0xe8, 4, 0x55667788);
        assertEquals(0x55667788, ports.read(0xe0, 4));
        assertEquals(0x5566, ports.read(0xea, 2));
    }

    @Test
    void fourBytesAreAPageToUnmap() {
        ports.write(0xe4, 4, 0xfee00abc);
        ports.write(0xe4, 2, 0x1000);
        ports.write(0xe4, 1, 0x1000);
        assertEquals(List.of(0xfee00000L), unmapped);
        assertEquals(0xffffffff, ports.read(0xe4, 4));
    }

    @Test
    void eachPortDrivesItsLine() {
        for (int irq : new int[] {1, 4, 5, 14, 15}) {
            ports.write(0x2000 + irq, 1, 1);
            assertTrue(requested(irq), "line " + irq);
            ports.write(0x2000 + irq, 1, 0);
        }
        for (int line : new int[] {2, 16, 23}) {
            ports.write(0x2000 + line, 1, 1);
            ports.write(0x2000 + line, 1, 0);
        }
        assertFalse(requested(3));
        assertEquals(0xff, ports.read(0x2004, 1));
        assertEquals(0xff, ports.read(0x2018, 1), "the last line is 17h");
    }

    private boolean requested(int irq) {
        return ((irq < 8 ? pics.masterPorts() : pics.slavePorts()).read(0, 1) >> (irq & 7) & 1) != 0;
    }

    @Test
    void memoryHoldsWhatWasWrittenInAnyWidth() {
        mmio.write(0xff000000L, 8, 0x1122334455667788L);
        assertEquals(0x1122334455667788L, mmio.read(0xff000000L, 8));
        assertEquals(0x11223344L, mmio.read(0xff000004L, 4));
        assertEquals(0x7788L, mmio.read(0xff000000L, 2));
        mmio.write(0xff00fffeL, 2, 0xbeef);
        assertEquals(0xbe, mmio.read(0xff00ffffL, 1));
        assertEquals(0xffffbeefL, mmio.read(0xff00fffeL, 4), "nothing is behind it");
        mmio.write(0xff000003L, 8, 0x0102030405060708L);
        assertEquals(0x0102030405060708L, mmio.read(0xff000003L, 8));
    }
}
