package org.nestorvm.virtio.scsi;

/** How a command has ended: status, sense data (SPC-4, 4.5) and bytes transferred. Reused. */
final class Reply {
    static final int GOOD = 0x00, CHECK_CONDITION = 0x02;
    static final int NO_SENSE = 0, NOT_READY = 2, MEDIUM_ERROR = 3, ILLEGAL_REQUEST = 5, UNIT_ATTENTION = 6;
    // Additional sense code and its qualifier.
    static final int UNRECOVERED_READ_ERROR = 0x1100,
            INVALID_COMMAND = 0x2000,
            LBA_OUT_OF_RANGE = 0x2100,
            INVALID_FIELD_IN_CDB = 0x2400,
            LOGICAL_UNIT_NOT_SUPPORTED = 0x2500,
            MEDIUM_MAY_HAVE_CHANGED = 0x2800,
            POWER_ON_OR_RESET = 0x2900,
            BUS_DEVICE_RESET = 0x2903,
            SAVING_NOT_SUPPORTED = 0x3900,
            MEDIUM_NOT_PRESENT_TRAY_CLOSED = 0x3a01,
            MEDIUM_NOT_PRESENT_TRAY_OPEN = 0x3a02,
            MEDIUM_REMOVAL_PREVENTED = 0x5302;
    /** Fixed format, and descriptor format without descriptors. */
    static final int SENSE_BYTES = 18, DESCRIPTOR_SENSE_BYTES = 8;

    private static final int FIXED_CURRENT = 0x70, DESCRIPTOR_CURRENT = 0x72, VALID = 0x80, FIELD_POINTER_IN_CDB = 0xc0;
    int status, key, code;
    /** The CDB wants more bytes than there are buffers for. */
    boolean overrun;

    long transferred;
    private int field;
    private long information;

    void clear() {
        status = GOOD;
        key = NO_SENSE;
        code = 0;
        overrun = false;
        transferred = 0;
        field = -1;
        information = -1;
    }

    void check(int senseKey, int codeAndQualifier) {
        status = CHECK_CONDITION;
        key = senseKey;
        code = codeAndQualifier;
        transferred = 0;
    }

    /** @param at the byte of the CDB that is wrong */
    void invalidField(int at) {
        check(ILLEGAL_REQUEST, INVALID_FIELD_IN_CDB);
        field = at;
    }

    void readError(long lba) {
        check(MEDIUM_ERROR, UNRECOVERED_READ_ERROR);
        information = lba;
    }

    /** Fixed format. @param sense at least {@link #SENSE_BYTES} */
    void sense(byte[] sense) {
        java.util.Arrays.fill(sense, 0, SENSE_BYTES, (byte) 0);
        sense[0] = FIXED_CURRENT;
        sense[2] = (byte) key;
        sense[7] = SENSE_BYTES - 8;
        Bytes.put16(sense, 12, code);
        if (information >= 0 && information <= 0xffffffffL) {
            sense[0] |= (byte) VALID;
            Bytes.put32(sense, 3, information);
        }
        if (field >= 0) {
            sense[15] = (byte) FIELD_POINTER_IN_CDB;
            Bytes.put16(sense, 16, field);
        }
    }

    /** For REQUEST SENSE. @return bytes */
    static int sense(byte[] into, int senseKey, int codeAndQualifier, boolean descriptor) {
        java.util.Arrays.fill(into, 0, SENSE_BYTES, (byte) 0);
        if (descriptor) {
            into[0] = DESCRIPTOR_CURRENT;
            into[1] = (byte) senseKey;
            Bytes.put16(into, 2, codeAndQualifier);
            return DESCRIPTOR_SENSE_BYTES;
        }
        into[0] = FIXED_CURRENT;
        into[2] = (byte) senseKey;
        into[7] = SENSE_BYTES - 8;
        Bytes.put16(into, 12, codeAndQualifier);
        return SENSE_BYTES;
    }
}
