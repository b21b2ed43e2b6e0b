package org.nestorvm.virtio.scsi;

import static org.nestorvm.virtio.scsi.Bytes.put16;
import static org.nestorvm.virtio.scsi.Bytes.put32;
import static org.nestorvm.virtio.scsi.Bytes.putText;

import java.nio.charset.StandardCharsets;
import java.util.Arrays;

/**
 * The pages and tables that a CD-ROM drive answers with: SPC-4 for INQUIRY, MMC-6 for the rest. Each method fills a
 * buffer and says how many bytes it has; -1 for what there is not.
 */
final class CdData {
    /** Of the buffer; the longest table has less. */
    static final int MOST_BYTES = 256;

    static final int DEVICE_TYPE = 0x05, WELL_KNOWN_TYPE = 0x1e, NO_UNIT = 0x7f;
    static final int VPD_SUPPORTED = 0x00, VPD_SERIAL = 0x80, VPD_IDENTIFICATION = 0x83;
    private static final String VENDOR = "NESTOR", PRODUCT = "CD-ROM", REVISION = "1.0";
    private static final int INQUIRY_BYTES = 36,
            REMOVABLE = 0x80,
            SPC_3 = 0x05,
            RESPONSE_FORMAT = 2,
            COMMAND_QUEUE = 0x02;
    private static final int PAGE_ERROR_RECOVERY = 0x01,
            PAGE_CAPABILITIES = 0x2a,
            ALL_PAGES = 0x3f,
            ALL_SUBPAGES = 0xff;
    private static final int READS_CD_R = 1,
            READS_CD_RW = 2,
            READS_DVD_ROM = 8,
            READS_DVD_R = 16,
            MODE_2_FORMS = 0x30,
            MULTI_SESSION = 0x40;
    private static final int LOCK = 1, LOCKED = 2, EJECT = 8, TRAY = 1 << 5;
    private static final int SPEED_KBYTES_PER_S = 5645, BUFFER_KBYTES = 512;
    private static final int DATA_TRACK = 0x14, LEAD_OUT = 0xaa, LEAD_IN_FRAMES = 150, FRAMES = 75;
    private static final int PROFILE_CD_ROM = 0x0008, PROFILE_DVD_ROM = 0x0010, PERSISTENT = 2, CURRENT = 1;
    /** A CD has fewer blocks than this (99 minutes and a bit); what is larger is taken for a DVD. */
    private static final long LARGEST_CD_BLOCKS = 450_000;

    private CdData() {}

    static int inquiry(byte[] to, int type) {
        Arrays.fill(to, 0, INQUIRY_BYTES, (byte) 0);
        to[0] = (byte) type;
        to[1] = (byte) (type == DEVICE_TYPE ? REMOVABLE : 0);
        to[2] = SPC_3;
        to[3] = RESPONSE_FORMAT;
        to[4] = INQUIRY_BYTES - 5;
        to[7] = COMMAND_QUEUE;
        putText(to, 8, VENDOR, 8);
        putText(to, 16, PRODUCT, 16);
        putText(to, 32, REVISION, 4);
        return INQUIRY_BYTES;
    }

    /** Vital product data: SPC-4, 7.8. */
    static int vitalData(byte[] to, int page, String serial) {
        byte[] number = serial.getBytes(StandardCharsets.US_ASCII);
        Arrays.fill(to, (byte) 0);
        to[0] = DEVICE_TYPE;
        to[1] = (byte) page;
        int length;
        switch (page) {
            case VPD_SUPPORTED -> {
                to[4] = (byte) VPD_SUPPORTED;
                to[5] = (byte) VPD_SERIAL;
                to[6] = (byte) VPD_IDENTIFICATION;
                length = 3;
            }
            case VPD_SERIAL -> {
                System.arraycopy(number, 0, to, 4, number.length);
                length = number.length;
            }
            case VPD_IDENTIFICATION -> {
                to[4] = 2; // code set ASCII
                to[5] = 1; // of the logical unit, T10 vendor id
                to[7] = (byte) (8 + 16 + number.length);
                putText(to, 8, VENDOR, 8);
                putText(to, 16, PRODUCT, 16);
                System.arraycopy(number, 0, to, 32, number.length);
                length = 4 + 8 + 16 + number.length;
            }
            default -> {
                return -1;
            }
        }
        put16(to, 2, length);
        return 4 + length;
    }

    /** MODE SENSE: pages behind a header of 4 or 8 bytes. No block descriptors. */
    static int modePages(byte[] to, int page, int subpage, boolean changeable, boolean locked, boolean tenBytes) {
        if (subpage != 0 && !(page == ALL_PAGES && subpage == ALL_SUBPAGES)) return -1;
        int header = tenBytes ? 8 : 4, at = header;
        Arrays.fill(to, (byte) 0);
        if (page == PAGE_ERROR_RECOVERY || page == ALL_PAGES) at += errorRecovery(to, at);
        if (page == PAGE_CAPABILITIES || page == ALL_PAGES) at += capabilities(to, at, changeable, locked);
        if (at == header) return -1;
        if (tenBytes) put16(to, 0, at - 2);
        else to[0] = (byte) (at - 1);
        return at;
    }

    private static int errorRecovery(byte[] to, int at) {
        to[at] = PAGE_ERROR_RECOVERY;
        to[at + 1] = 10;
        return 12; // nothing to choose, and nothing the driver could change
    }

    private static int capabilities(byte[] to, int at, boolean changeable, boolean locked) {
        to[at] = PAGE_CAPABILITIES;
        to[at + 1] = 20;
        if (changeable) return 22;
        to[at + 2] = READS_CD_R | READS_CD_RW | READS_DVD_ROM | READS_DVD_R;
        to[at + 4] = MODE_2_FORMS | MULTI_SESSION;
        to[at + 6] = (byte) (LOCK | EJECT | TRAY | (locked ? LOCKED : 0));
        put16(to, at + 8, SPEED_KBYTES_PER_S);
        put16(to, at + 12, BUFFER_KBYTES);
        put16(to, at + 14, SPEED_KBYTES_PER_S);
        return 22;
    }

    /** READ TOC/PMA/ATIP, MMC-6, 6.25: one session with one data track. */
    static int toc(byte[] to, int format, boolean msf, int firstTrack, long blocks) {
        Arrays.fill(to, (byte) 0);
        to[2] = 1;
        to[3] = 1;
        int length;
        switch (format) {
            case 0 -> {
                if (firstTrack > 1 && firstTrack != LEAD_OUT) return -1;
                int at = 4;
                if (firstTrack <= 1) at = track(to, at, 1, 0, msf);
                length = track(to, at, LEAD_OUT, blocks, msf);
            }
            case 1 -> length = track(to, 4, 1, 0, msf);
            case 2 -> length = rawToc(to, blocks);
            default -> {
                return -1;
            }
        }
        put16(to, 0, length - 2);
        return length;
    }

    private static int track(byte[] to, int at, int number, long lba, boolean msf) {
        to[at + 1] = DATA_TRACK;
        to[at + 2] = (byte) number;
        if (msf) putMsf(to, at + 5, lba);
        else put32(to, at + 4, lba);
        return at + 8;
    }

    private static int rawToc(byte[] to, long blocks) {
        int at = 4;
        for (int point : new int[] {0xa0, 0xa1, 0xa2, 1}) {
            to[at] = 1;
            to[at + 1] = DATA_TRACK;
            to[at + 3] = (byte) point;
            if (point == 0xa2) putMsf(to, at + 8, blocks);
            else if (point == 1) putMsf(to, at + 8, 0);
            else to[at + 8] = 1; // number of the first and of the last track
            at += 11;
        }
        return at;
    }

    /** Minutes in one byte: what is beyond a CD's end has the largest there is. */
    private static void putMsf(byte[] to, int at, long lba) {
        long frame = Math.min(lba + LEAD_IN_FRAMES, 256L * 60 * FRAMES - 1);
        to[at] = (byte) (frame / (60 * FRAMES));
        to[at + 1] = (byte) (frame / FRAMES % 60);
        to[at + 2] = (byte) (frame % FRAMES);
    }

    /** READ DISC INFORMATION, MMC-6, 6.21: complete, one session, one track. */
    static int discInformation(byte[] to) {
        Arrays.fill(to, (byte) 0);
        int length = 34;
        put16(to, 0, length - 2);
        to[2] = 3 << 2 | 2; // the last session is complete, so is the disc
        to[3] = to[4] = to[5] = to[6] = 1;
        to[7] = 0x20; // unrestricted use
        put32(to, 16, 0xffffffffL); // no more sessions
        put32(to, 20, 0xffffffffL);
        return length;
    }

    /**
     * GET CONFIGURATION, MMC-6, 6.6 and chapter 5. @param blocks 0 without a medium @param request 0 all, 1 those that
     * are current, 2 the one feature
     */
    static int configuration(byte[] to, int request, int firstFeature, long blocks) {
        Arrays.fill(to, (byte) 0);
        int profile = blocks == 0 ? 0 : blocks < LARGEST_CD_BLOCKS ? PROFILE_CD_ROM : PROFILE_DVD_ROM;
        int at = 8;
        for (int feature : new int[] {0x0000, 0x0001, 0x0003, 0x0010, 0x001e, 0x001f}) {
            boolean current = feature < 0x10
                    || feature == 0x10 && profile != 0
                    || feature == 0x1e && profile == PROFILE_CD_ROM
                    || feature == 0x1f && profile == PROFILE_DVD_ROM;
            boolean wanted =
                    request == 2 ? feature == firstFeature : feature >= firstFeature && (request == 0 || current);
            if (wanted) at = feature(to, at, feature, current, profile);
        }
        put32(to, 0, at - 4);
        put16(to, 6, profile);
        return at;
    }

    private static int feature(byte[] to, int at, int feature, boolean current, int profile) {
        put16(to, at, feature);
        int length = switch (feature) {
            case 0x0000 -> profiles(to, at + 4, profile);
            case 0x0001 -> core(to, at);
            case 0x0003 -> removable(to, at + 4);
            case 0x0010 -> randomReadable(to, at + 4);
            case 0x001e -> 4; // CD Read, without C2 errors and CD-Text
            default -> 0; // DVD Read
        };
        to[at + 2] |= (byte) ((feature < 0x10 ? PERSISTENT : 0) | (current ? CURRENT : 0));
        to[at + 3] = (byte) length;
        return at + 4 + length;
    }

    private static int profiles(byte[] to, int at, int current) {
        put16(to, at, PROFILE_DVD_ROM);
        to[at + 2] = (byte) (current == PROFILE_DVD_ROM ? 1 : 0);
        put16(to, at + 4, PROFILE_CD_ROM);
        to[at + 6] = (byte) (current == PROFILE_CD_ROM ? 1 : 0);
        return 8;
    }

    private static int core(byte[] to, int at) {
        to[at + 2] = 2 << 2; // version
        put32(to, at + 4, 1); // the SCSI family
        to[at + 8] = 1; // device busy events: none occur
        return 8;
    }

    private static int removable(byte[] to, int at) {
        to[at] = LOCK | EJECT | TRAY;
        return 4;
    }

    private static int randomReadable(byte[] to, int at) {
        put32(to, at, CdRom.BLOCK);
        put16(to, at + 4, 1);
        return 8;
    }
}
