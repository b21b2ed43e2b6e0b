package org.nestorvm.devices;

import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.Random;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.nestorvm.vmm.GuestMemory;
import org.nestorvm.vmm.MemoryMap;
import org.nestorvm.vmm.MemoryRange;
import org.nestorvm.vmm.VirtualMachine;
import org.nestorvm.vmm.VmConfig;
import org.nestorvm.vmm.Vmm;

class FwCfgTest {
    private static final long RAM_BYTES = 1 << 20, REQUEST = 0x1000, BUFFER = 0x2000;
    private static final byte[] FILE = "hello, firmware".getBytes(StandardCharsets.US_ASCII);

    private VirtualMachine vm;
    private GuestMemory memory;
    private FwCfg fwCfg;
    private PortBus ports;

    @BeforeEach
    void build() throws Exception {
        vm = new Vmm().create(VmConfig.of("fwcfg", MemoryMap.of(new MemoryRange(0, RAM_BYTES, MemoryRange.Type.RAM))));
        memory = vm.memory();
        fwCfg = new FwCfg(memory);
        ports = new PortBus();
        ports.add("fw_cfg", 0x510, 2, 2, fwCfg.ports());
        ports.add("fw_cfg dma", 0x514, 8, 4, fwCfg.dmaPorts());
        fwCfg.add(FwCfg.CPU_COUNT, 2, 3);
        fwCfg.addFile("etc/first", new byte[] {1});
        fwCfg.addFile("etc/hello", FILE);
    }

    @AfterEach
    void end() {
        vm.close();
    }

    private byte[] read(int key, int bytes) {
        ports.write(0x510, 2, key);
        byte[] all = new byte[bytes];
        for (int i = 0; i < bytes; i++) all[i] = (byte) ports.read(0x511, 1);
        return all;
    }

    /** Starts a request and returns its control field afterwards. */
    private int dma(int control, int length, long address) {
        byte[] request = ByteBuffer.allocate(16)
                .putInt(control)
                .putInt(length)
                .putLong(address)
                .array();
        memory.write(REQUEST, request, 0, 16);
        ports.write(0x514, 4, 0);
        ports.write(0x518, 4, Integer.reverseBytes((int) REQUEST));
        return Integer.reverseBytes(memory.getInt(REQUEST));
    }

    private byte[] at(long gpa, int bytes) {
        byte[] all = new byte[bytes];
        memory.read(gpa, all, 0, bytes);
        return all;
    }

    /** How firmware finds a file: signature, features, directory. */
    @Test
    void aFileIsFoundByName() {
        assertArrayEquals("QEMU".getBytes(StandardCharsets.US_ASCII), read(FwCfg.SIGNATURE, 4));
        assertArrayEquals(new byte[] {3, 0, 0, 0}, read(FwCfg.ID, 4));
        ByteBuffer directory = ByteBuffer.wrap(read(FwCfg.DIRECTORY, 4 + 2 * 64));
        assertEquals(2, directory.getInt());
        assertEquals(FILE.length, directory.getInt(4 + 64));
        int key = directory.getShort(4 + 64 + 4);
        assertEquals("etc/hello", new String(directory.array(), 4 + 64 + 8, 56, StandardCharsets.US_ASCII).trim());
        assertArrayEquals(FILE, read(key, FILE.length));
        assertEquals(0, ports.read(0x511, 1), "zero behind the end");
        assertArrayEquals(new byte[] {3, 0, 0}, read(FwCfg.CPU_COUNT, 3));
        assertArrayEquals(new byte[] {0, 0}, read(0x7777, 2), "no such item");
    }

    @Test
    void dmaAddressReadsItsSignature() {
        assertEquals(0x554d4551, ports.read(0x514, 4));
        assertEquals(0x47464320, ports.read(0x518, 4));
    }

    @Test
    void dmaReadsSkipsAndFillsWithZeros() {
        int key = FwCfg.FIRST_FILE + 1;
        memory.fill(BUFFER, 64, (byte) 0xee);
        assertEquals(0, dma(key << 16 | FwCfg.DMA_SELECT | FwCfg.DMA_READ, 5, BUFFER));
        assertArrayEquals("hello".getBytes(StandardCharsets.US_ASCII), at(BUFFER, 5));
        assertEquals((byte) 0xee, memory.getByte(BUFFER + 5));
        assertEquals(0, dma(FwCfg.DMA_SKIP, 2, 0));
        assertEquals(0, dma(FwCfg.DMA_READ, 20, BUFFER));
        assertArrayEquals("firmware".getBytes(StandardCharsets.US_ASCII), at(BUFFER, 8));
        assertArrayEquals(new byte[12], at(BUFFER + 8, 12));
        assertEquals(0, dma(FwCfg.DMA_SKIP, -1, 0));
        assertEquals(0, dma(FwCfg.DMA_READ, 1, BUFFER));
        assertEquals(0, memory.getByte(BUFFER));
    }

    /** What cannot be done sets the error bit, and has touched nothing. */
    @Test
    void p45_dmaErrors() {
        int control = FwCfg.FIRST_FILE + 1 << 16 | FwCfg.DMA_SELECT | FwCfg.DMA_READ;
        memory.fill(RAM_BYTES - 4, 4, (byte) 0x77);
        assertEquals(FwCfg.DMA_ERROR, dma(control, 5, RAM_BYTES - 4));
        assertArrayEquals(new byte[] {0x77, 0x77, 0x77, 0x77}, at(RAM_BYTES - 4, 4));
        assertEquals(FwCfg.DMA_ERROR, dma(control, -1, 0));
        assertEquals(FwCfg.DMA_ERROR, dma(control, 8, -4));
        assertEquals(FwCfg.DMA_ERROR, dma(control, 1, 1L << 40));
        assertEquals(FwCfg.DMA_ERROR, dma(FwCfg.DMA_WRITE, 1, BUFFER));
        assertEquals(0, dma(control, 0, -1), "nothing to copy");
    }

    @Test
    void aRequestOutsideMemoryIsDropped() {
        for (long request : new long[] {RAM_BYTES - 15, RAM_BYTES, 0xffff_ffffL, -16}) {
            ports.write(0x514, 4, Integer.reverseBytes((int) (request >>> 32)));
            ports.write(0x518, 4, Integer.reverseBytes((int) request));
        }
        assertArrayEquals(FILE, read(FwCfg.FIRST_FILE + 1, FILE.length));
    }

    /** Selecting and reading from several processors at once keeps the device whole. */
    @Test
    void p45_concurrentUse() throws InterruptedException {
        Thread other = Thread.ofPlatform().start(() -> {
            for (int i = 0; i < 20_000; i++) read(FwCfg.FIRST_FILE + (i & 3), 3);
        });
        for (int i = 0; i < 5_000; i++) dma((i & 31) << 16 | FwCfg.DMA_SELECT | FwCfg.DMA_READ, i & 63, BUFFER);
        other.join();
        assertArrayEquals(FILE, read(FwCfg.FIRST_FILE + 1, FILE.length));
    }

    @Test
    void keysAndNamesAreChecked() {
        assertThatThrownBy(() -> fwCfg.add(FwCfg.CPU_COUNT, 2, 1)).hasMessageContaining("0x5");
        assertThatThrownBy(() -> fwCfg.addFile("x".repeat(56), FILE)).hasMessageContaining("55");
    }

    @Test
    void hostileAccesses() {
        Random random = new Random(45);
        for (int i = 0; i < 20_000; i++) {
            int size = 1 << random.nextInt(3);
            int port = 0x510 + random.nextInt(12);
            if (random.nextBoolean())
                ports.write(
                        port,
                        size,
                        random.nextBoolean()
                                ? random.nextInt()
                                : Integer.reverseBytes(random.nextInt((int) RAM_BYTES)));
            else ports.read(port, size);
            if (i % 100 == 0) memory.putInt(REQUEST + random.nextInt(64), random.nextInt());
        }
        assertArrayEquals(FILE, read(FwCfg.FIRST_FILE + 1, FILE.length));
    }
}
