package org.nestorvm.virtio.scsi;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.nestorvm.virtio.scsi.Initiator.DRIVE;

import java.io.IOException;
import java.util.HexFormat;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.nestorvm.virtio.Features;

@Timeout(120)
class ScsiCdDeviceTest {
    private static final long SPLIT = Features.VERSION_1;
    private static final int UNIT_ATTENTION_POWER_ON = 0x62900,
            UNIT_ATTENTION_CHANGED = 0x62800,
            NO_MEDIUM_TRAY_CLOSED = 0x23a01,
            NO_MEDIUM_TRAY_OPEN = 0x23a02,
            INVALID_COMMAND = 0x52000,
            LBA_OUT_OF_RANGE = 0x52100,
            INVALID_FIELD = 0x52400,
            NO_SUCH_UNIT = 0x52500,
            REMOVAL_PREVENTED = 0x55302,
            READ_ERROR = 0x31100;

    private static Initiator drive() throws Exception {
        return new Initiator(SPLIT, true).ready();
    }

    private static String hex(byte[] bytes) {
        return HexFormat.of().formatHex(bytes);
    }

    @ParameterizedTest
    @ValueSource(longs = {SPLIT, SPLIT | Features.EVENT_IDX, SPLIT | Features.RING_PACKED | Features.EVENT_IDX})
    void blocksAreReadByEveryReadCommand(long features) throws Exception {
        try (Initiator guest = new Initiator(features, true).ready()) {
            assertArrayEquals(
                    Initiator.expected(2048 * 5, 4096),
                    guest.send(4096, 0x08, 0, 0, 5, 2, 0).data());
            assertArrayEquals(
                    Initiator.expected(2048 * 14, 256 * 2048),
                    guest.send(256 * 2048, 0x08, 0, 0, 14, 0, 0).data(),
                    "256 blocks are written as 0");
            assertArrayEquals(
                    Initiator.expected(2048 * 300, 2048),
                    guest.send(2048, 0x28, 0, 0, 0, 1, 44, 0, 0, 1, 0).data());
            assertArrayEquals(
                    Initiator.expected(2048 * 999, 2048),
                    guest.send(2048, 0xa8, 0, 0, 0, 3, 0xe7, 0, 0, 0, 1, 0, 0).data());
            assertArrayEquals(
                    Initiator.expected(2048 * 998, 4096),
                    guest.send(4096, 0x88, 0, 0, 0, 0, 0, 0, 0, 3, 0xe6, 0, 0, 0, 2, 0, 0)
                            .data());
        }
    }

    @Test
    void residualIsWhatWasNotTransferred() throws Exception {
        try (Initiator guest = drive()) {
            Initiator.Response read = guest.send(5000, 0x28, 0, 0, 0, 0, 1, 0, 0, 2, 0);
            assertEquals(5000 - 4096, read.residual());
            assertEquals(4096, read.data().length);
            assertEquals(5000, guest.send(5000, 0x28, 0, 0, 0, 0, 1, 0, 0, 0, 0).residual(), "no block asked for");
            assertEquals(255 - 36, guest.send(255, 0x12, 0, 0, 0, 255, 0).residual());
            assertEquals(36, guest.send(36, 0x12, 0, 0, 0, 0, 0).residual(), "no byte asked for");
            assertEquals(
                    3, guest.send(DRIVE, 0, new byte[3], 0, 0, 0, 0, 0, 0).residual(), "of data that nobody takes");
        }
    }

    @Test
    void commandThatWantsMoreThanThereAreBuffersForIsAnOverrun() throws Exception {
        try (Initiator guest = drive()) {
            for (int[] cdb : new int[][] {
                {0x28, 0, 0, 0, 0, 1, 0, 0, 1, 0},
                {0x12, 0, 0, 8, 0, 0},
                {0x25, 0, 0, 0, 0, 0, 0, 0, 0, 0},
                {0x43, 0, 0, 0, 0, 0, 0, 0, 8, 0}
            }) {
                Initiator.Response response = guest.send(7, cdb);
                assertEquals(1, response.response());
                assertEquals(7, response.residual());
                assertEquals(0, response.data().length);
            }
        }
    }

    @ParameterizedTest
    @CsvSource({
        "28 00 00 00 03 e8 00 00 01 00",
        "28 00 00 00 03 e7 00 00 02 00",
        "28 00 ff ff ff ff 00 ff ff 00",
        "a8 00 00 00 00 00 ff ff ff ff 00 00",
        "88 00 80 00 00 00 00 00 00 00 00 00 00 01 00 00",
        "88 00 ff ff ff ff ff ff ff ff ff ff ff ff 00 00",
        "08 1f ff ff 01 00"
    })
    void blocksBeyondTheEndAreNotRead(String cdb) throws Exception {
        try (Initiator guest = drive()) {
            Initiator.Response response = guest.send(8192, bytes(cdb));
            assertEquals(LBA_OUT_OF_RANGE, response.code());
            assertEquals(2, response.status());
            assertEquals(8192, response.residual());
        }
    }

    private static int[] bytes(String hex) {
        byte[] bytes = HexFormat.ofDelimiter(" ").parseHex(hex);
        int[] cdb = new int[bytes.length];
        for (int i = 0; i < cdb.length; i++) cdb[i] = bytes[i] & 0xff;
        return cdb;
    }

    @Test
    void oneCommandReadsNoMoreThanItsShare() throws Exception {
        try (Initiator guest = new Initiator(SPLIT, true)) {
            guest.device.insert(Initiator.medium(1L << 40));
            guest.ready();
            assertEquals(
                    INVALID_FIELD,
                    guest.send(0, bytes("a8 00 00 00 00 00 00 01 00 01 00 00")).code());
            assertEquals(
                    1,
                    guest.send(0, bytes("a8 00 00 00 00 00 00 01 00 00 00 00")).response(),
                    "an overrun, as there are no buffers");
            assertArrayEquals(
                    Initiator.expected((1L << 40) - 2048, 2048),
                    guest.send(2048, bytes("a8 00 1f ff ff ff 00 00 00 01 00 00"))
                            .data());
        }
    }

    @Test
    void mediumErrorNamesItsBlock() throws Exception {
        try (Initiator guest = drive()) {
            Initiator.Response response = guest.send(2048, 0x28, 0, 0, 0, 0, 13, 0, 0, 1, 0);
            assertEquals(READ_ERROR, response.code());
            assertEquals("f000030000000d0a00000000110000000000", hex(response.sense()));
            assertEquals(2048, response.residual());
        }
    }

    /**
     * The answer's beginning, byte for byte, as the standards have it; capacities and addresses are those of 1000
     * blocks.
     */
    @ParameterizedTest
    @CsvSource(
            value = {
                "12 00 00 00 24 00 | 058005021f0000024e4553544f522020" + "43442d524f4d20202020202020202020"
                        + "312e3020",
                "12 01 00 00 ff 00 | 05000003008083",
                "12 01 80 00 ff 00 | 0580000773657269616c37",
                "12 01 83 00 ff 00 | 058300230201001f4e4553544f522020" + "43442d524f4d20202020202020202020"
                        + "73657269616c37",
                "25 00 00 00 00 00 00 00 00 00 | 000003e700000800",
                "9e 10 00 00 00 00 00 00 00 00 00 00 00 20 00 00 | "
                        + "00000000000003e7000008000000000000000000000000000000000000000000",
                "23 00 00 00 00 00 00 00 ff 00 | 00000008000003e802000800",
                "43 00 00 00 00 00 00 00 ff 00 | 001201010014010000000000" + "0014aa00000003e8",
                "43 02 00 00 00 00 00 00 ff 00 | 001201010014010000000200" + "0014aa0000000f19",
                "43 00 00 00 00 00 aa 00 ff 00 | 000a01010014aa00000003e8",
                "43 00 01 00 00 00 00 00 ff 00 | 000a01010014010000000000",
                "43 00 00 00 00 00 00 00 ff 40 | 000a01010014010000000000",
                "43 00 02 00 00 00 00 00 ff 00 | 002e010101140" + "0a000000000010000" + "011400a100000000010000"
                        + "011400a2000000000" + "00f19" + "011400010000000000" + "0200",
                "51 00 00 00 00 00 00 00 ff 00 | 00200e010101012000000000000000"
                        + "00ffffffffffffffff00000000000000000000",
                "46 00 00 00 00 00 00 00 08 00 | 0000003c00000008",
                "46 02 00 03 00 00 00 00 ff 00 | 0000000c0000000800030304" + "29000000",
                "46 01 00 10 00 00 00 00 ff 00 | 000000180000000800100108000008000001" + "0000001e010400000000",
                "1a 00 2a 00 ff 00 | 190000002a141b00700029" + "00160d00000200160d000000000000",
                "5a 00 01 00 00 00 00 00 ff 00 | 0012000000000000010a00000000000000000000",
                "1a 00 3f ff ff 00 | 25000000010a000000000000000000002a14",
                "1a 00 6a 00 ff 00 | 190000002a1400000000",
                "bd 00 00 00 00 00 00 00 00 ff 00 00 | 0000000000000000",
                "a0 00 00 00 00 00 00 00 00 ff 00 00 | 00000008000000000000000000000000",
                "a0 00 01 00 00 00 00 00 00 ff 00 00 | 0000000800000000c101000000000000",
                "a0 00 02 00 00 00 00 00 00 ff 00 00 | 00000010000000000000000000000000c101000000000000",
                "03 00 00 00 ff 00 | 70000000000000" + "0a00000000000000000000",
                "03 01 00 00 ff 00 | 7200000000000000",
                "4a 01 00 00 10 00 00 00 ff 00 | 0006041002020000",
                "4a 01 00 00 02 00 00 00 ff 00 | 00028010"
            },
            delimiter = '|')
    void tablesAreThoseOfTheStandards(String cdb, String expected) throws Exception {
        try (Initiator guest = drive()) {
            Initiator.Response response = guest.send(255, bytes(cdb));
            assertEquals(0, response.status(), () -> Integer.toHexString(response.code()));
            assertThat(hex(response.data())).startsWith(expected);
            assertEquals(255 - response.data().length, response.residual());
            int length = response.data().length;
            int[] shorter = shorter(bytes(cdb), length - 1);
            if (shorter != null)
                assertThat(hex(guest.send(255, shorter).data()))
                        .isEqualTo(hex(response.data()).substring(0, 2 * length - 2));
        }
    }

    /** The same command with another allocation length; null where it has none, or does not answer twice alike. */
    private static int[] shorter(int[] cdb, int length) {
        switch (cdb[0]) {
            case 0x12, 0x1a, 0x03 -> cdb[4] = length;
            case 0x9e -> cdb[13] = length;
            case 0xa0, 0xbd -> cdb[9] = length;
            case 0x25, 0x4a -> {
                return null;
            }
            default -> cdb[8] = length;
        }
        return cdb;
    }

    @ParameterizedTest
    @CsvSource(
            value = {
                "12 00 80 00 ff 00 | 2",
                "12 01 b0 00 ff 00 | 2",
                "1a 00 08 00 ff 00 | 2",
                "1a 00 2a 01 ff 00 | 3",
                "43 00 03 00 00 00 00 00 ff 00 | 2",
                "43 00 00 00 00 00 02 00 ff 00 | 6",
                "46 03 00 00 00 00 00 00 ff 00 | 1",
                "4a 00 00 00 10 00 00 00 ff 00 | 1",
                "51 01 00 00 00 00 00 00 ff 00 | 1",
                "9e 11 00 00 00 00 00 00 00 00 00 00 00 20 00 00 | 1",
                "a0 00 03 00 00 00 00 00 00 ff 00 00 | 2"
            },
            delimiter = '|')
    void wrongFieldIsPointedAt(String cdb, int field) throws Exception {
        try (Initiator guest = drive()) {
            Initiator.Response response = guest.send(255, bytes(cdb));
            assertEquals(INVALID_FIELD, response.code());
            assertEquals("c0000" + field, hex(response.sense()).substring(30));
        }
    }

    @Test
    void commandsThatThereAreNotAreRefused() throws Exception {
        try (Initiator guest = drive()) {
            for (int opcode : new int[] {0x04, 0x0a, 0x15, 0x2a, 0x55, 0x7f, 0x8a, 0xaa, 0xad, 0xbe, 0xc0, 0xff}) {
                Initiator.Response response = guest.send(0, opcode, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);
                assertEquals(INVALID_COMMAND, response.code(), Integer.toHexString(opcode));
                assertEquals(2, response.status());
                assertEquals(18, response.sense().length);
            }
            assertEquals(0, guest.send(0, 0x35, 0, 0, 0, 0, 0, 0, 0, 0, 0).status(), "nothing to write back");
            assertEquals(0x53900, guest.send(255, 0x1a, 0, 0xea, 0, 255, 0).code(), "saved values");
        }
    }

    @Test
    void unitsThatThereAreNotAnswerAsTheStandardHasIt() throws Exception {
        try (Initiator guest = drive()) {
            assertEquals(
                    0,
                    guest.send(new byte[] {1, 0, 0, 0, 0, 0, 0, 0}, 0, new byte[0], 0, 0, 0, 0, 0, 0)
                            .response(),
                    "unit 0, said otherwise");
            byte[] other = {1, 0, 0x40, 5, 0, 0, 0, 0};
            assertThat(hex(guest.send(other, 36, new byte[0], 0x12, 0, 0, 0, 36, 0)
                            .data()))
                    .startsWith("7f0005");
            assertEquals(
                    NO_SUCH_UNIT,
                    guest.send(other, 0, new byte[0], 0, 0, 0, 0, 0, 0).code());
            assertThat(hex(guest.send(other, 18, new byte[0], 3, 0, 0, 0, 18, 0).data()))
                    .isEqualTo("70000500" + "0000000a" + "00000000" + "2500" + "00000000");
            assertEquals(
                    16,
                    guest.send(other, 100, new byte[0], 0xa0, 0, 0, 0, 0, 0, 0, 0, 0, 100, 0, 0)
                            .data()
                            .length);
            byte[] wellKnown = {(byte) 0xc1, 1, 0, 0, 0, 0, 0, 0};
            assertThat(hex(guest.send(wellKnown, 36, new byte[0], 0x12, 0, 0, 0, 36, 0)
                            .data()))
                    .startsWith("1e0005");
            assertEquals(
                    16,
                    guest.send(wellKnown, 100, new byte[0], 0xa0, 0, 0, 0, 0, 0, 0, 0, 0, 100, 0, 0)
                            .data()
                            .length);
            for (byte[] nowhere :
                    new byte[][] {{1, 1, 0x40, 0, 0, 0, 0, 0}, {0, 0, 0x40, 0, 0, 0, 0, 0}, {1, 0, 0x40, 0, 1, 0, 0, 0}
                    }) {
                Initiator.Response response = guest.send(nowhere, 36, new byte[0], 0x12, 0, 0, 0, 36, 0);
                assertEquals(3, response.response());
                assertEquals(36, response.residual());
                assertEquals(3, guest.manage(5, nowhere));
                assertEquals(3, guest.notification(1, nowhere, 16)[4]);
            }
            assertEquals(12, guest.manage(5, other));
        }
    }

    @Test
    void attentionIsToldOnce() throws Exception {
        try (Initiator guest = new Initiator(SPLIT, true)) {
            assertEquals(0, guest.send(36, 0x12, 0, 0, 0, 36, 0).status(), "INQUIRY does not wait for it");
            assertEquals(
                    UNIT_ATTENTION_POWER_ON, guest.send(0, 0, 0, 0, 0, 0, 0).code());
            assertEquals(0, guest.send(0, 0, 0, 0, 0, 0, 0).status());
            assertEquals(0, guest.manage(5, DRIVE));
            assertEquals(
                    "70000600" + "0000000a" + "00000000" + "2903" + "00000000",
                    hex(guest.send(18, 3, 0, 0, 0, 18, 0).data()));
            assertEquals(0, guest.send(0, 0, 0, 0, 0, 0, 0).status());
        }
    }

    @Test
    void taskManagementFindsNoTaskAndLeavesNone() throws Exception {
        try (Initiator guest = drive()) {
            for (int subtype : new int[] {0, 1, 3, 6, 7})
                assertEquals(0, guest.manage(subtype, DRIVE), "function complete: " + subtype);
            assertEquals(11, guest.manage(2, DRIVE), "CLEAR ACA");
            assertEquals(11, guest.manage(8, DRIVE));
            assertEquals(0, guest.manage(4, DRIVE));
            assertEquals(0x62903, guest.send(0, 0, 0, 0, 0, 0, 0).code());
            assertArrayEquals(
                    new byte[] {9},
                    guest.driver.request(
                            ScsiCdDevice.CONTROL,
                            new byte[] {9, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0},
                            1));
            assertArrayEquals(new byte[] {9}, guest.driver.request(ScsiCdDevice.CONTROL, new byte[4], 1));
            // A command that the driver had queued, without a notification, is done when its abortion is.
            byte[] request = new byte[51];
            request[0] = 1;
            guest.driver.queue(ScsiCdDevice.REQUEST).offer(request, 108);
            assertEquals(0, guest.manage(0, DRIVE));
            assertThat(guest.driver.queue(ScsiCdDevice.REQUEST).take()).isNotNull();
        }
    }

    @Test
    void lockedTrayStaysClosed() throws Exception {
        try (Initiator guest = drive()) {
            assertEquals(0, guest.send(0, 0x1e, 0, 0, 0, 1, 0).status());
            assertEquals(REMOVAL_PREVENTED, guest.send(0, 0x1b, 0, 0, 0, 2, 0).code());
            assertThatThrownBy(() -> guest.device.eject(false))
                    .isInstanceOf(IOException.class)
                    .hasMessage("medium of cd0 is locked by the guest, which has been asked to eject it: try again, "
                            + "or force it");
            assertEquals(
                    "0006041001020000",
                    hex(guest.send(8, 0x4a, 1, 0, 0, 16, 0, 0, 0, 8, 0).data()),
                    "eject request");
            assertEquals(
                    "0006041000020000",
                    hex(guest.send(8, 0x4a, 1, 0, 0, 16, 0, 0, 0, 8, 0).data()),
                    "told once");
            guest.send(0, 0x1e, 0, 0, 0, 0, 0);
            assertEquals(0, guest.send(0, 0x1b, 0, 0, 0, 2, 0).status());
            assertEquals(
                    "0006041003010000",
                    hex(guest.send(8, 0x4a, 1, 0, 0, 16, 0, 0, 0, 8, 0).data()),
                    "media removal, tray open");
            assertEquals(NO_MEDIUM_TRAY_OPEN, guest.send(0, 0, 0, 0, 0, 0, 0).code());
            assertEquals(
                    "0010000000000000",
                    hex(guest.send(8, 0xbd, 0, 0, 0, 0, 0, 0, 0, 0, 8, 0, 0).data()),
                    "mechanism status: door open");
            assertEquals(0, guest.send(0, 0x1b, 0, 0, 0, 3, 0).status());
            assertEquals(
                    0, guest.send(0, 0, 0, 0, 0, 0, 0).status(), "who moves the tray is not told by a unit attention");
            assertEquals(
                    "0006041002020000",
                    hex(guest.send(8, 0x4a, 1, 0, 0, 16, 0, 0, 0, 8, 0).data()),
                    "new media");
        }
    }

    @Test
    void mediumChangesWhileTheMachineRuns() throws Exception {
        try (Initiator guest = new Initiator(SPLIT, false).ready()) {
            assertEquals(NO_MEDIUM_TRAY_CLOSED, guest.send(0, 0, 0, 0, 0, 0, 0).code());
            assertEquals(
                    NO_MEDIUM_TRAY_CLOSED,
                    guest.send(2048, 0x28, 0, 0, 0, 0, 0, 0, 0, 1, 0).code());
            assertArrayEquals(new byte[] {16, 0, 0, 0, 0}, guest.notification(1, DRIVE, 0x7e));
            assertArrayEquals(new byte[] {16, 0, 0, 0, 0}, guest.notification(2, DRIVE, 0x10));
            guest.driver.queue(ScsiCdDevice.EVENT).offer(new byte[0], 16);
            Medium small = Initiator.medium(2048 * 3 + 100);
            guest.device.insert(small);
            guest.driver.await(ScsiCdDevice.EVENT);
            var event = guest.driver.queue(ScsiCdDevice.EVENT).lastBuffers().getFirst();
            assertEquals(
                    "02000000" + "0100400000000000" + "10000000",
                    hex(guest.memory.read(event.gpa(), 16)),
                    "asynchronous notification of a media change");
            assertEquals(UNIT_ATTENTION_CHANGED, guest.send(0, 0, 0, 0, 0, 0, 0).code());
            assertEquals(
                    "0000000200000800",
                    hex(guest.send(8, 0x25, 0, 0, 0, 0, 0, 0, 0, 0, 0).data()));
            assertEquals(
                    "0006041002020000",
                    hex(guest.send(8, 0x4a, 1, 0, 0, 16, 0, 0, 0, 8, 0).data()),
                    "new media");
            assertEquals(small, guest.device.eject(false), "without a buffer for the event");
            assertEquals(NO_MEDIUM_TRAY_OPEN, guest.send(0, 0, 0, 0, 0, 0, 0).code());
            assertThat(hex(guest.driver.request(ScsiCdDevice.EVENT, new byte[0], 16)))
                    .as("events were missed")
                    .startsWith("02000080");
            assertEquals(null, guest.device.eject(true));
            assertEquals(null, guest.device.insert(Initiator.medium(1L << 30)));
            assertEquals(UNIT_ATTENTION_CHANGED, guest.send(0, 0, 0, 0, 0, 0, 0).code());
            assertEquals(
                    "0010",
                    hex(guest.send(8, 0x46, 0, 0, 0, 0, 0, 0, 0, 8, 0).data()).substring(12),
                    "a DVD, by its size");
            assertThatThrownBy(() -> guest.device.insert(Initiator.medium(2047)))
                    .isInstanceOf(IOException.class)
                    .hasMessage("medium for cd0 of 2047 bytes: a CD has blocks of 2048 bytes, and at least one");
        }
    }

    @Test
    void driverChoosesTheSizesAndAResetForgetsThem() throws Exception {
        try (Initiator guest = drive()) {
            guest.device.config().write(20, 4, 4);
            guest.device.config().write(24, 4, 12);
            guest.device.config().write(0, 4, 9);
            guest.senseSize = 4;
            guest.cdbSize = 12;
            assertEquals(1, guest.device.config().get(0, 4));
            assertEquals(2048, guest.send(2048, 0x28, 0, 0, 0, 0, 1, 0, 0, 1, 0).data().length);
            assertEquals("70000500", hex(guest.send(0, 0xff, 0, 0, 0, 0, 0).sense()), "as much as there is room for");
            assertEquals(
                    "70000500",
                    hex(guest.send(2048, 0x88, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0).sense()),
                    "a CDB that is cut");
            guest.device.config().write(24, 4, 0);
            guest.cdbSize = 0;
            assertEquals(9, guest.send(0).response());
            guest.driver.reset();
            assertEquals(96, guest.device.config().get(20, 4));
            assertEquals(32, guest.device.config().get(24, 4));
        }
    }

    @Test
    void p38_requestsThatAreTooShortOrBothWaysFail() throws Exception {
        try (Initiator guest = drive()) {
            for (int size : new int[] {1, 18, 19, 50})
                assertEquals(
                        9, guest.driver.request(ScsiCdDevice.REQUEST, new byte[size], 108)[11], "request of " + size);
            assertEquals(9, guest.driver.request(ScsiCdDevice.REQUEST, new byte[0], 108)[11]);
            assertEquals(
                    0, guest.driver.request(ScsiCdDevice.REQUEST, new byte[51], 11).length, "no room for the answer");
            assertEquals(0, guest.driver.request(ScsiCdDevice.REQUEST, new byte[51], 0).length);
            byte[] inquiry = new byte[51];
            inquiry[0] = 1;
            inquiry[19] = 0x12;
            assertEquals(
                    20,
                    guest.driver.request(ScsiCdDevice.REQUEST, inquiry, 20).length,
                    "room for eight bytes of sense data, and for no data");
            assertEquals(
                    9, guest.send(DRIVE, 4, new byte[4], 0x12, 0, 0, 0, 4, 0).response());
            assertEquals(0, guest.driver.request(ScsiCdDevice.CONTROL, new byte[24], 0).length);
            assertEquals(0, guest.send(0, 0, 0, 0, 0, 0, 0).status());
            assertThat(guest.driver.reasons()).isEmpty();
        }
    }

    @Test
    void serialNumberIsPrintable() {
        for (String serial : new String[] {"", "a b", "ü", "x".repeat(65)})
            assertThatThrownBy(() -> new ScsiCdDevice("cd", serial)).isInstanceOf(IllegalArgumentException.class);
    }
}
