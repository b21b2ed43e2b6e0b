package org.nestorvm.devices;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.nestorvm.vmm.GuestAddressException;
import org.nestorvm.vmm.GuestMemory;

/**
 * QEMU's firmware configuration device (docs/specs/fw_cfg): selector at port 510h, data at 511h, DMA address at 514h.
 * Named and numbered items that the guest reads. They cannot be written: that is an error of the request.
 */
public final class FwCfg {
    public static final int SIGNATURE = 0x00,
            ID = 0x01,
            RAM_SIZE = 0x03,
            CPU_COUNT = 0x05,
            MAX_CPUS = 0x0f,
            DIRECTORY = 0x19,
            FIRST_FILE = 0x20;
    public static final int NAME_BYTES = 56, DMA_PORTS = 8;
    static final int DATA = 1;
    static final int ID_TRADITIONAL = 1 << 0, ID_DMA = 1 << 1;
    static final int DMA_ERROR = 1 << 0, DMA_READ = 1 << 1, DMA_SKIP = 1 << 2, DMA_SELECT = 1 << 3, DMA_WRITE = 1 << 4;
    static final long DMA_SIGNATURE = 0x51454d5520434647L; // "QEMU CFG", what the address register reads
    private static final int DMA_REQUEST_BYTES = 16, KEY_MASK = 0x3fff;
    private static final byte[] NOTHING = {};

    private record NamedFile(String name, int key, int size) {}

    private final GuestMemory memory;
    private final Map<Integer, byte[]> items = new HashMap<>();
    private final List<NamedFile> files = new ArrayList<>();
    private byte[] item = NOTHING;
    private long position;
    private int dmaHigh;

    /** @param memory for the DMA interface */
    public FwCfg(GuestMemory memory) {
        this.memory = memory;
        add(SIGNATURE, "QEMU".getBytes(StandardCharsets.US_ASCII));
        add(ID, littleEndian(4, ID_TRADITIONAL | ID_DMA));
        items.put(DIRECTORY, directory());
    }

    private static byte[] littleEndian(int bytes, long value) {
        byte[] item = new byte[bytes];
        for (int i = 0; i < bytes; i++) item[i] = (byte) (value >>> 8 * i);
        return item;
    }

    /** An item that is found by number. */
    public synchronized void add(int key, byte[] bytes) {
        if (items.putIfAbsent(key, bytes) != null)
            throw new IllegalArgumentException("fw_cfg key in use: 0x" + Integer.toHexString(key));
    }

    /** A number of 2, 4 or 8 bytes, little endian. */
    public void add(int key, int bytes, long value) {
        add(key, littleEndian(bytes, value));
    }

    /** An item that is found by name in the directory. */
    public synchronized void addFile(String name, byte[] bytes) {
        if (name.length() >= NAME_BYTES)
            throw new IllegalArgumentException("fw_cfg name longer than " + (NAME_BYTES - 1) + " characters: " + name);
        int key = FIRST_FILE + files.size();
        add(key, bytes);
        files.add(new NamedFile(name, key, bytes.length));
        items.put(DIRECTORY, directory());
    }

    private byte[] directory() {
        ByteBuffer out =
                ByteBuffer.allocate(4 + files.size() * (8 + NAME_BYTES)).order(ByteOrder.BIG_ENDIAN);
        out.putInt(files.size());
        for (NamedFile file : files) {
            out.putInt(file.size).putShort((short) file.key).putShort((short) 0);
            byte[] name = new byte[NAME_BYTES];
            byte[] text = file.name.getBytes(StandardCharsets.US_ASCII);
            System.arraycopy(text, 0, name, 0, text.length);
            out.put(name);
        }
        return out.array();
    }

    /** Two ports: selector (16 bits, write only), data (a byte at a time). */
    public PortDevice ports() {
        return new PortDevice() {
            @Override
            public int read(int offset, int size) {
                if (offset != DATA) return size == 2 ? 0xff | readByte() << 8 : 0xff;
                return readByte();
            }

            @Override
            public void write(int offset, int size, int value) {
                if (offset == 0 && size == 2) select(value);
            }
        };
    }

    private synchronized void select(int key) {
        item = items.getOrDefault(key & KEY_MASK, NOTHING);
        position = 0;
    }

    /** Zero behind the end of an item. */
    private synchronized int readByte() {
        return position < item.length ? item[(int) position++] & 0xff : 0;
    }

    /** Eight ports: the address of a request, big endian, upper half first; the lower half starts it. */
    public PortDevice dmaPorts() {
        return new PortDevice() {
            @Override
            public int read(int offset, int size) {
                return Integer.reverseBytes((int) (DMA_SIGNATURE >>> (offset < 4 ? 32 : 0))) >>> 8 * (offset & 3);
            }

            @Override
            public void write(int offset, int size, int value) {
                if (size == 4) writeDmaAddress(offset, Integer.reverseBytes(value));
            }
        };
    }

    private synchronized void writeDmaAddress(int offset, int value) {
        if (offset == 0) {
            dmaHigh = value;
        } else if (offset == 4) {
            long request = (long) dmaHigh << 32 | value & 0xffffffffL;
            dmaHigh = 0;
            transfer(request);
        }
    }

    /** The request: control, length, address, all big endian. Its control field becomes 0, or DMA_ERROR. */
    private void transfer(long request) {
        byte[] header = new byte[DMA_REQUEST_BYTES];
        try {
            memory.read(request, header, 0, header.length);
        } catch (GuestAddressException e) {
            return; // not even the error has a place
        }
        ByteBuffer fields = ByteBuffer.wrap(header).order(ByteOrder.BIG_ENDIAN);
        int control = fields.getInt();
        long length = fields.getInt() & 0xffffffffL;
        boolean done = perform(control, length, fields.getLong());
        memory.write(request, new byte[] {0, 0, 0, (byte) (done ? 0 : DMA_ERROR)}, 0, 4);
    }

    private boolean perform(int control, long length, long gpa) {
        if ((control & DMA_SELECT) != 0) select(control >>> 16);
        if ((control & DMA_WRITE) != 0) return false;
        if ((control & DMA_READ) != 0 && length > 0 && !copyOut(gpa, length)) return false;
        if ((control & (DMA_READ | DMA_SKIP)) != 0) position = Math.min(position + length, item.length);
        return true;
    }

    /** All of it, or, when a part is no memory, nothing. Zeros follow the end of the item. */
    private boolean copyOut(long gpa, long length) {
        if (!memory.contains(gpa, length)) return false;
        int fromItem = (int) Math.min(length, item.length - position);
        memory.write(gpa, item, (int) position, fromItem);
        memory.fill(gpa + fromItem, length - fromItem, (byte) 0);
        return true;
    }
}
