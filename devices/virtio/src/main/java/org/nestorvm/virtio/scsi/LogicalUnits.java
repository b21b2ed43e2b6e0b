package org.nestorvm.virtio.scsi;

import static org.nestorvm.virtio.scsi.Bytes.put32;
import static org.nestorvm.virtio.scsi.Bytes.u16;
import static org.nestorvm.virtio.scsi.Bytes.u32;
import static org.nestorvm.virtio.scsi.Bytes.u8;

import java.util.Arrays;
import org.nestorvm.memory.sys.IoVector;

/**
 * The addresses of virtio 1.2, 5.6.6.1, and what is answered where there is no drive: by target 0 for numbers that it
 * does not have, and by the well-known unit REPORT LUNS.
 */
final class LogicalUnits {
    /** The one drive: target 0, unit 0. */
    static final byte[] DRIVE = {1, 0, 0x40, 0, 0, 0, 0, 0};

    enum Address {
        DRIVE,
        OTHER_UNIT,
        REPORT_LUNS,
        NO_TARGET
    }

    private static final int REQUEST_SENSE = 0x03, INQUIRY = 0x12, REPORT_LUNS = 0xa0, TEST_UNIT_READY = 0x00;
    private static final int HEADER = 8, ENTRY = 8;

    private LogicalUnits() {}

    static Address of(byte[] lun) {
        for (int i = 4; i < 8; i++) if (lun[i] != 0) return Address.NO_TARGET;
        if (u16(lun, 0) == 0xc101 && u16(lun, 2) == 0) return Address.REPORT_LUNS;
        if (lun[0] != 1 || lun[1] != 0) return Address.NO_TARGET;
        if (u16(lun, 2) == 0xc101) return Address.REPORT_LUNS; // of the target
        int method = u8(lun, 2) >>> 6;
        return method <= 1 && (u16(lun, 2) & 0x3fff) == 0 ? Address.DRIVE : Address.OTHER_UNIT;
    }

    /** A command for another unit of target 0: SPC-4, 4.5.1 and 5.8. */
    static void executeMissing(byte[] cdb, byte[] data, IoVector in, Reply reply) {
        switch (u8(cdb, 0)) {
            case INQUIRY -> {
                if ((cdb[1] & 1) != 0 || cdb[2] != 0) reply.invalidField(2);
                else give(data, CdData.inquiry(data, CdData.NO_UNIT), u16(cdb, 3), in, reply);
            }
            case REPORT_LUNS -> report(data, u8(cdb, 2), u32(cdb, 6), in, reply);
            case REQUEST_SENSE ->
                give(
                        data,
                        Reply.sense(data, Reply.ILLEGAL_REQUEST, Reply.LOGICAL_UNIT_NOT_SUPPORTED, (cdb[1] & 1) != 0),
                        u8(cdb, 4),
                        in,
                        reply);
            default -> reply.check(Reply.ILLEGAL_REQUEST, Reply.LOGICAL_UNIT_NOT_SUPPORTED);
        }
    }

    /** A command for the well-known unit: SPC-4, 9.2. */
    static void executeWellKnown(byte[] cdb, byte[] data, IoVector in, Reply reply) {
        switch (u8(cdb, 0)) {
            case TEST_UNIT_READY -> {}
            case INQUIRY -> {
                if ((cdb[1] & 1) != 0 || cdb[2] != 0) reply.invalidField(2);
                else give(data, CdData.inquiry(data, CdData.WELL_KNOWN_TYPE), u16(cdb, 3), in, reply);
            }
            case REPORT_LUNS -> report(data, u8(cdb, 2), u32(cdb, 6), in, reply);
            case REQUEST_SENSE ->
                give(data, Reply.sense(data, Reply.NO_SENSE, 0, (cdb[1] & 1) != 0), u8(cdb, 4), in, reply);
            default -> reply.check(Reply.ILLEGAL_REQUEST, Reply.INVALID_COMMAND);
        }
    }

    /** REPORT LUNS, SPC-4, 6.33. @param select 0 units, 1 the well-known ones, 2 all */
    static void report(byte[] data, int select, long allocated, IoVector in, Reply reply) {
        if (select > 2) {
            reply.invalidField(2);
            return;
        }
        Arrays.fill(data, 0, HEADER + 2 * ENTRY, (byte) 0);
        int at = HEADER;
        if (select != 1) at += ENTRY; // unit 0
        if (select != 0) {
            put32(data, at, 0xc1010000L);
            at += ENTRY;
        }
        put32(data, 0, at - HEADER);
        give(data, at, allocated, in, reply);
    }

    private static void give(byte[] data, int length, long allocated, IoVector in, Reply reply) {
        if (allocated > in.totalBytes()) {
            reply.overrun = true;
            return;
        }
        int size = (int) Math.min(length, allocated);
        in.copyIn(0, data, 0, size);
        reply.transferred = size;
    }
}
