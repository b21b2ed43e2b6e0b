package org.nestorvm.virtio.scsi;

import static org.nestorvm.virtio.scsi.ScsiCdDevice.CONTROL;
import static org.nestorvm.virtio.scsi.ScsiCdDevice.REQUEST;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;
import org.nestorvm.memory.sys.IoVector;
import org.nestorvm.virtio.testkit.DriverMemory;
import org.nestorvm.virtio.testkit.TestDriver;

/** A guest with a virtio-scsi driver, by hand: sends commands and takes them apart. */
final class Initiator implements AutoCloseable {
    static final byte[] DRIVE = {1, 0, 0x40, 0, 0, 0, 0, 0};
    static final int BLOCKS = 1000;

    /** @param data bytes of datain that were written, by the used length */
    record Response(int response, int status, int residual, byte[] sense, byte[] data) {
        /** Key, code and qualifier as one number: 0x52400. */
        int code() {
            return sense.length == 0 ? 0 : (sense[2] & 15) << 16 | (sense[12] & 0xff) << 8 | sense[13] & 0xff;
        }
    }

    /** Bytes that are told apart by where they are. */
    static Medium medium(long sizeBytes) {
        return new Medium() {
            @Override
            public long sizeBytes() {
                return sizeBytes;
            }

            @Override
            public void read(long offset, IoVector into) throws IOException {
                if (offset / 2048 == 13) throw new IOException("a scratch");
                byte[] bytes = expected(offset, (int) into.totalBytes());
                into.copyIn(0, bytes, 0, bytes.length);
            }
        };
    }

    static byte[] expected(long offset, int size) {
        byte[] bytes = new byte[size];
        for (int i = 0; i < size; i++) bytes[i] = (byte) ((offset + i) * 7 + (offset + i >>> 11));
        return bytes;
    }

    final ScsiCdDevice device = new ScsiCdDevice("cd0", "serial7");
    final DriverMemory memory;
    final TestDriver driver;
    int senseSize = 96, cdbSize = 32;

    Initiator(long features, boolean withMedium) throws IOException {
        if (withMedium) device.insert(medium(2048L * BLOCKS));
        memory = new DriverMemory(null, 0, 64 << 20);
        driver = TestDriver.start(device, memory, features, 16);
    }

    Response send(byte[] lun, int dataIn, byte[] dataOut, int... cdb) throws InterruptedException {
        ByteBuffer request = ByteBuffer.allocate(19 + cdbSize + dataOut.length)
                .order(ByteOrder.LITTLE_ENDIAN)
                .put(lun)
                .putLong(77)
                .put(new byte[3]);
        for (int i = 0; i < Math.min(cdb.length, cdbSize); i++) request.put((byte) cdb[i]);
        request.position(19 + cdbSize).put(dataOut);
        return parse(driver.request(REQUEST, request.array(), 12 + senseSize + dataIn));
    }

    private Response parse(byte[] answer) {
        ByteBuffer in = ByteBuffer.wrap(answer).order(ByteOrder.LITTLE_ENDIAN);
        int senseLength = in.getInt(), residual = in.getInt();
        in.getShort();
        return new Response(
                in.get(11),
                in.get(10),
                residual,
                Arrays.copyOfRange(answer, 12, 12 + senseLength),
                Arrays.copyOfRange(answer, 12 + senseSize, answer.length));
    }

    Response send(int dataIn, int... cdb) throws InterruptedException {
        return send(DRIVE, dataIn, new byte[0], cdb);
    }

    /** Takes what the drive has to say of its power-on. */
    Initiator ready() throws InterruptedException {
        send(0, 0, 0, 0, 0, 0, 0);
        return this;
    }

    int manage(int subtype, byte[] lun) throws InterruptedException {
        return driver.request(
                        CONTROL,
                        ByteBuffer.allocate(24)
                                .order(ByteOrder.LITTLE_ENDIAN)
                                .putInt(0)
                                .putInt(subtype)
                                .put(lun)
                                .putLong(77)
                                .array(),
                        1)[0];
    }

    /** @return event_actual and response */
    byte[] notification(int type, byte[] lun, int events) throws InterruptedException {
        return driver.request(
                CONTROL,
                ByteBuffer.allocate(16)
                        .order(ByteOrder.LITTLE_ENDIAN)
                        .putInt(type)
                        .put(lun)
                        .putInt(events)
                        .array(),
                5);
    }

    @Override
    public void close() throws IOException {
        driver.close();
        device.close();
        memory.close();
    }
}
