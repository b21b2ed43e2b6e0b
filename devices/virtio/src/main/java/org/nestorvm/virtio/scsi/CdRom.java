package org.nestorvm.virtio.scsi;

import static org.nestorvm.virtio.scsi.Bytes.put16;
import static org.nestorvm.virtio.scsi.Bytes.put32;
import static org.nestorvm.virtio.scsi.Bytes.put64;
import static org.nestorvm.virtio.scsi.Bytes.s64;
import static org.nestorvm.virtio.scsi.Bytes.u16;
import static org.nestorvm.virtio.scsi.Bytes.u32;
import static org.nestorvm.virtio.scsi.Bytes.u8;

import java.io.IOException;
import java.util.Arrays;
import org.nestorvm.memory.sys.IoVector;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A CD-ROM drive as a SCSI logical unit: SPC-4 and MMC-6, with the reads and capacities of SBC-3. Reads what lies in
 * it, in blocks of 2048 bytes; commands that would write or play are not there (INVALID COMMAND). Each command is done
 * when {@link #execute} returns. Thread-safe, since the medium is changed from outside.
 */
final class CdRom {
    static final int BLOCK = 2048;
    /** Of one command, so that others get their turn. READ(10) cannot ask for more. */
    private static final long MOST_BLOCKS = 65_536;

    private static final int TEST_UNIT_READY = 0x00,
            REQUEST_SENSE = 0x03,
            READ_6 = 0x08,
            INQUIRY = 0x12,
            MODE_SENSE_6 = 0x1a,
            START_STOP_UNIT = 0x1b,
            PREVENT_ALLOW_MEDIUM_REMOVAL = 0x1e,
            READ_FORMAT_CAPACITIES = 0x23,
            READ_CAPACITY_10 = 0x25,
            READ_10 = 0x28,
            SYNCHRONIZE_CACHE_10 = 0x35,
            READ_TOC = 0x43,
            GET_CONFIGURATION = 0x46,
            GET_EVENT_STATUS_NOTIFICATION = 0x4a,
            READ_DISC_INFORMATION = 0x51,
            MODE_SENSE_10 = 0x5a,
            READ_16 = 0x88,
            SYNCHRONIZE_CACHE_16 = 0x91,
            SERVICE_ACTION_IN_16 = 0x9e,
            REPORT_LUNS = 0xa0,
            READ_12 = 0xa8,
            MECHANISM_STATUS = 0xbd;
    private static final int READ_CAPACITY_16 = 0x10;
    private static final int NO_EVENT = 0, EJECT_REQUEST = 1, NEW_MEDIA = 2, MEDIA_REMOVAL = 3;
    private static final int MEDIA_CLASS = 4, MEDIA_CLASSES = 1 << MEDIA_CLASS, NO_EVENT_AVAILABLE = 0x80;
    private static final Logger LOG = LoggerFactory.getLogger(CdRom.class);

    private final String name, serial;
    private final byte[] data = new byte[CdData.MOST_BYTES];
    private final IoVector part = new IoVector(16);
    private Medium medium;
    private boolean trayOpen, locked;
    private int attention = Reply.POWER_ON_OR_RESET;
    private int mediaEvent = NO_EVENT;

    /** @param serial ASCII, for people and for names under /dev/disk; at most 64 characters */
    CdRom(String name, String serial) {
        this.name = name;
        this.serial = serial;
    }

    // --- from outside

    /** Puts a medium in and closes the tray. @return what lay there before, or null */
    synchronized Medium insert(Medium newMedium) throws IOException {
        if (newMedium.sizeBytes() < BLOCK)
            throw new IOException("medium for " + name + " of " + newMedium.sizeBytes() + " bytes: a CD has blocks of "
                    + BLOCK + " bytes, and at least one");
        Medium before = medium;
        medium = newMedium;
        trayOpen = false;
        mediaEvent = NEW_MEDIA;
        if (attention == 0) attention = Reply.MEDIUM_MAY_HAVE_CHANGED; // a reset says as much
        return before;
    }

    /**
     * Takes the medium out. @return it, or null when there was none @throws IOException when the guest has locked the
     * tray; it is asked to let go
     */
    synchronized Medium eject(boolean force) throws IOException {
        if (medium == null) return null;
        if (locked && !trayOpen && !force) {
            mediaEvent = EJECT_REQUEST;
            throw new IOException("medium of " + name
                    + " is locked by the guest, which has been asked to eject it: try again, or force it");
        }
        Medium before = medium;
        medium = null;
        trayOpen = true;
        mediaEvent = MEDIA_REMOVAL;
        return before;
    }

    /** A reset of the logical unit: forgets what it was told. The tray stays as it is. */
    synchronized void reset(int why) {
        attention = why;
        locked = false;
        mediaEvent = NO_EVENT;
    }

    private boolean isReady() {
        return medium != null && !trayOpen;
    }

    private long blocks() {
        return isReady() ? medium.sizeBytes() / BLOCK : 0;
    }

    // --- commands

    /**
     * @param cdb at least 16 bytes, zeros behind its end @param size bytes of it @param in where data goes; it is cut
     */
    synchronized void execute(byte[] cdb, int size, IoVector in, Reply reply) {
        int opcode = u8(cdb, 0);
        if (attention != 0 && !passesAttention(opcode)) {
            reply.check(Reply.UNIT_ATTENTION, attention);
            attention = 0;
        } else if (size < length(opcode)) {
            reply.invalidField(size);
        } else if (needsMedium(opcode) && !isReady()) {
            reply.check(
                    Reply.NOT_READY,
                    trayOpen ? Reply.MEDIUM_NOT_PRESENT_TRAY_OPEN : Reply.MEDIUM_NOT_PRESENT_TRAY_CLOSED);
        } else {
            command(opcode, cdb, in, reply);
        }
    }

    /** SPC-4, 5.14, and MMC-6, 4.1.6.1: what is answered whatever has happened. */
    private static boolean passesAttention(int opcode) {
        return switch (opcode) {
            case INQUIRY, REPORT_LUNS, REQUEST_SENSE, GET_CONFIGURATION, GET_EVENT_STATUS_NOTIFICATION -> true;
            default -> false;
        };
    }

    /** Of a CDB, by the group of its operation code: SPC-4, 4.3.5.1. */
    static int length(int opcode) {
        return switch (opcode >>> 5) {
            case 0 -> 6;
            case 1, 2 -> 10;
            case 4 -> 16;
            case 5 -> 12;
            default -> 1; // not known here
        };
    }

    private static boolean needsMedium(int opcode) {
        return switch (opcode) {
            case TEST_UNIT_READY,
                    READ_6,
                    READ_10,
                    READ_12,
                    READ_16,
                    READ_CAPACITY_10,
                    SERVICE_ACTION_IN_16,
                    READ_TOC,
                    READ_DISC_INFORMATION,
                    SYNCHRONIZE_CACHE_10,
                    SYNCHRONIZE_CACHE_16 -> true;
            default -> false;
        };
    }

    private void command(int opcode, byte[] cdb, IoVector in, Reply reply) {
        switch (opcode) {
            case TEST_UNIT_READY, SYNCHRONIZE_CACHE_10, SYNCHRONIZE_CACHE_16 -> {}
            case REQUEST_SENSE -> requestSense(cdb, in, reply);
            case INQUIRY -> inquiry(cdb, in, reply);
            case REPORT_LUNS -> reportLuns(cdb, in, reply);
            case MODE_SENSE_6, MODE_SENSE_10 -> modeSense(cdb, in, reply, opcode == MODE_SENSE_10);
            case START_STOP_UNIT -> startStop(cdb, reply);
            case PREVENT_ALLOW_MEDIUM_REMOVAL -> locked = (cdb[4] & 1) != 0;
            case READ_6 -> read(u32(cdb, 0) & 0x1fffff, cdb[4] == 0 ? 256 : u8(cdb, 4), in, reply);
            case READ_10 -> read(u32(cdb, 2), u16(cdb, 7), in, reply);
            case READ_12 -> read(u32(cdb, 2), u32(cdb, 6), in, reply);
            case READ_16 -> read(s64(cdb, 2), u32(cdb, 10), in, reply);
            case READ_CAPACITY_10 -> readCapacity(in, reply);
            case SERVICE_ACTION_IN_16 -> serviceActionIn(cdb, in, reply);
            case READ_FORMAT_CAPACITIES -> formatCapacities(cdb, in, reply);
            default -> multimediaCommand(opcode, cdb, in, reply);
        }
    }

    private void multimediaCommand(int opcode, byte[] cdb, IoVector in, Reply reply) {
        switch (opcode) {
            case READ_TOC -> {
                int format = (cdb[2] & 15) != 0 ? cdb[2] & 15 : u8(cdb, 9) >>> 6; // where it was before MMC
                boolean msf = (cdb[1] & 2) != 0;
                answer(
                        CdData.toc(data, format, msf, format == 0 ? u8(cdb, 6) : 0, blocks()),
                        u16(cdb, 7),
                        in,
                        reply,
                        format > 2 ? 2 : 6);
            }
            case READ_DISC_INFORMATION ->
                answer((cdb[1] & 7) == 0 ? CdData.discInformation(data) : -1, u16(cdb, 7), in, reply, 1);
            case GET_CONFIGURATION ->
                answer(
                        (cdb[1] & 3) == 3 ? -1 : CdData.configuration(data, cdb[1] & 3, u16(cdb, 2), blocks()),
                        u16(cdb, 7),
                        in,
                        reply,
                        1);
            case GET_EVENT_STATUS_NOTIFICATION -> eventStatus(cdb, in, reply);
            case MECHANISM_STATUS -> {
                Arrays.fill(data, 0, 8, (byte) 0);
                data[1] = (byte) (trayOpen ? 0x10 : 0);
                answer(8, u16(cdb, 8), in, reply, 0);
            }
            default -> reply.check(Reply.ILLEGAL_REQUEST, Reply.INVALID_COMMAND);
        }
    }

    /**
     * Gives what lies in {@link #data}, as much as is wanted. @param length of it, -1 when a field of the CDB, at
     * {@code field}, asks for what there is not
     */
    private void answer(int length, long allocated, IoVector in, Reply reply, int field) {
        if (length < 0) {
            reply.invalidField(field);
            return;
        }
        if (allocated > in.totalBytes()) {
            reply.overrun = true;
            return;
        }
        int size = (int) Math.min(length, allocated);
        in.copyIn(0, data, 0, size);
        reply.transferred = size;
    }

    private void requestSense(byte[] cdb, IoVector in, Reply reply) {
        int code = attention;
        int length = Reply.sense(data, code != 0 ? Reply.UNIT_ATTENTION : Reply.NO_SENSE, code, (cdb[1] & 1) != 0);
        answer(length, u8(cdb, 4), in, reply, 0);
        if (!reply.overrun) attention = 0;
    }

    private void inquiry(byte[] cdb, IoVector in, Reply reply) {
        boolean vital = (cdb[1] & 1) != 0;
        int length = vital
                ? CdData.vitalData(data, u8(cdb, 2), serial)
                : cdb[2] != 0 ? -1 : CdData.inquiry(data, CdData.DEVICE_TYPE);
        answer(length, u16(cdb, 3), in, reply, 2);
    }

    private void reportLuns(byte[] cdb, IoVector in, Reply reply) {
        LogicalUnits.report(data, u8(cdb, 2), u32(cdb, 6), in, reply);
    }

    private void modeSense(byte[] cdb, IoVector in, Reply reply, boolean tenBytes) {
        int control = u8(cdb, 2) >>> 6;
        if (control == 3) {
            reply.check(Reply.ILLEGAL_REQUEST, Reply.SAVING_NOT_SUPPORTED);
            return;
        }
        int length = CdData.modePages(data, cdb[2] & 0x3f, u8(cdb, 3), control == 1, locked, tenBytes);
        answer(length, tenBytes ? u16(cdb, 7) : u8(cdb, 4), in, reply, cdb[3] != 0 ? 3 : 2);
    }

    /**
     * Load and eject; there is nothing to spin. Who moves the tray hears of it by an event, not by a unit attention:
     * Linux, which closes the tray when it opens the device, takes that for a disc changed under its feet and refuses
     * the next read.
     */
    private void startStop(byte[] cdb, Reply reply) {
        boolean start = (cdb[4] & 1) != 0, loadOrEject = (cdb[4] & 2) != 0;
        if (cdb[4] >>> 4 != 0 || !loadOrEject) return; // power conditions
        if (start) {
            if (trayOpen && medium != null) mediaEvent = NEW_MEDIA;
            trayOpen = false;
        } else if (locked && !trayOpen) {
            reply.check(Reply.ILLEGAL_REQUEST, Reply.MEDIUM_REMOVAL_PREVENTED);
        } else {
            if (!trayOpen && medium != null) mediaEvent = MEDIA_REMOVAL;
            trayOpen = true;
        }
    }

    private void read(long lba, long count, IoVector in, Reply reply) {
        long blocks = blocks();
        if (lba < 0 || lba > blocks || count > blocks - lba) {
            reply.check(Reply.ILLEGAL_REQUEST, Reply.LBA_OUT_OF_RANGE);
            return;
        }
        if (count > MOST_BLOCKS) {
            reply.check(Reply.ILLEGAL_REQUEST, Reply.INVALID_FIELD_IN_CDB);
            return;
        }
        long bytes = count * BLOCK;
        if (bytes > in.totalBytes()) {
            reply.overrun = true;
            return;
        }
        if (bytes == 0) return;
        try {
            medium.read(lba * BLOCK, part.clear().add(in, 0, bytes));
            reply.transferred = bytes;
        } catch (IOException e) {
            LOG.warn("{}: block {}: {}", name, lba, e.getMessage());
            reply.readError(lba);
        }
    }

    private void readCapacity(IoVector in, Reply reply) {
        put32(data, 0, Math.min(blocks() - 1, 0xffffffffL));
        put32(data, 4, BLOCK);
        answer(8, 8, in, reply, 0);
    }

    private void serviceActionIn(byte[] cdb, IoVector in, Reply reply) {
        Arrays.fill(data, 0, 32, (byte) 0);
        put64(data, 0, blocks() - 1);
        put32(data, 8, BLOCK);
        answer((cdb[1] & 0x1f) == READ_CAPACITY_16 ? 32 : -1, u32(cdb, 10), in, reply, 1);
    }

    private void formatCapacities(byte[] cdb, IoVector in, Reply reply) {
        put32(data, 0, 8);
        put32(data, 4, isReady() ? Math.min(blocks(), 0xffffffffL) : 0xffffffffL);
        put32(data, 8, (isReady() ? 2L : 3L) << 24 | BLOCK); // formatted, or no medium
        answer(12, u16(cdb, 7), in, reply, 0);
    }

    /** MMC-6, 6.7. Only asked for, never by itself: events of the medium. */
    private void eventStatus(byte[] cdb, IoVector in, Reply reply) {
        boolean polled = (cdb[1] & 1) != 0, media = (cdb[4] & MEDIA_CLASSES) != 0;
        Arrays.fill(data, 0, 8, (byte) 0);
        put16(data, 0, media ? 6 : 2);
        data[2] = (byte) (media ? MEDIA_CLASS : NO_EVENT_AVAILABLE);
        data[3] = MEDIA_CLASSES;
        data[4] = (byte) mediaEvent;
        data[5] = (byte) ((trayOpen ? 1 : 0) | (isReady() ? 2 : 0));
        answer(!polled ? -1 : media ? 8 : 4, u16(cdb, 7), in, reply, 1);
        if (media && reply.transferred >= 5) mediaEvent = NO_EVENT; // it has been told
    }
}
