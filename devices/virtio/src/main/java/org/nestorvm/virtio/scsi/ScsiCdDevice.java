package org.nestorvm.virtio.scsi;

import java.io.IOException;
import java.lang.foreign.Arena;
import org.nestorvm.memory.sys.HostMemory;
import org.nestorvm.memory.sys.IoVector;
import org.nestorvm.virtio.ConfigSpace;
import org.nestorvm.virtio.EventLoop;
import org.nestorvm.virtio.RingDevice;
import org.nestorvm.virtio.queue.Chain;
import org.nestorvm.virtio.queue.QueueViolation;
import org.nestorvm.virtio.queue.Virtqueue;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * SCSI host device with one CD-ROM drive, target 0, unit 0: virtio 1.2, section 5.6. A command is done before the next
 * one is looked at, all queues on one loop; so a task management function finds no task, once what stood in the request
 * queue before it has been done.
 *
 * <p>A request that is too short for its own header is answered with FAILURE, or given back empty when there is no room
 * for that; data goes to the guest's buffers without a copy.
 */
public final class ScsiCdDevice extends RingDevice {
    private static final Logger LOG = LoggerFactory.getLogger(ScsiCdDevice.class);
    public static final int TYPE = 8;
    /**
     * Changes of parameters are told by an event; never for a drive of this kind (5.6.6.3), so there is nothing to
     * tell. QEMU's front end for vhost-user accepts it whether it is offered or not.
     */
    private static final long F_CHANGE = 1 << 2;

    public static final int CONTROL = 0, EVENT = 1, REQUEST = 2;
    private static final int QUEUE_SIZE = 128;
    private static final int NUM_QUEUES = 0,
            SEG_MAX = 4,
            MAX_SECTORS = 8,
            CMD_PER_LUN = 12,
            EVENT_INFO_SIZE = 16,
            SENSE_SIZE = 20,
            CDB_SIZE = 24,
            MAX_TARGET = 30,
            CONFIG_BYTES = 36;
    private static final int DEFAULT_SENSE_SIZE = 96, DEFAULT_CDB_SIZE = 32, MOST_SECTORS = 8192;
    private static final int LUN_BYTES = 8, REQUEST_BYTES = 19; // lun, id, task_attr, prio, crn; the CDB follows
    private static final int RESPONSE_BYTES = 12, RESIDUAL = 4, STATUS = 10, RESPONSE = 11;
    private static final int S_OK = 0,
            S_OVERRUN = 1,
            S_BAD_TARGET = 3,
            S_FAILURE = 9,
            S_FUNCTION_REJECTED = 11,
            S_INCORRECT_LUN = 12;
    private static final int T_TMF = 0, T_AN_QUERY = 1, T_AN_SUBSCRIBE = 2;
    private static final int TMF_ABORT_TASK = 0,
            TMF_ABORT_TASK_SET = 1,
            TMF_CLEAR_TASK_SET = 3,
            TMF_I_T_NEXUS_RESET = 4,
            TMF_LOGICAL_UNIT_RESET = 5,
            TMF_QUERY_TASK = 6,
            TMF_QUERY_TASK_SET = 7;
    private static final int TYPE_FIELD = 0,
            SUBTYPE = 4,
            TMF_LUN = 8,
            TMF_BYTES = 24,
            AN_LUN = 4,
            AN_EVENTS = 12,
            AN_BYTES = 16,
            AN_RESPONSE_BYTES = 5;
    private static final int EVENT_BYTES = 16, T_ASYNC_NOTIFY = 2, T_EVENTS_MISSED = 1 << 31, ASYNC_MEDIA_CHANGE = 16;

    private final CdRom drive;
    private final Reply reply = new Reply();
    private final IoVector dataIn = new IoVector(16);
    private final byte[] lun = new byte[LUN_BYTES],
            cdb = new byte[32],
            data = new byte[CdData.MOST_BYTES],
            sense = new byte[Reply.SENSE_BYTES];

    @SuppressWarnings("unused") // keeps the memory of the header
    private final Arena arena = Arena.ofAuto();

    private final long header = arena.allocate(32, Long.BYTES).address();
    private int subscribed;
    private boolean eventDue, eventMissed;

    /**
     * A drive without a medium; see {@link #insert}.
     *
     * @param serial what the drive says of itself, up to 64 ASCII characters
     */
    public ScsiCdDevice(String name, String serial) {
        super(TYPE, name, F_CHANGE, layout(), 1, QUEUE_SIZE, QUEUE_SIZE, QUEUE_SIZE);
        if (serial.isEmpty() || serial.length() > 64 || !serial.chars().allMatch(c -> c > ' ' && c < 127)) {
            throw new IllegalArgumentException(
                    "serial number of a drive: 1 to 64 printable ASCII characters: \"" + serial + "\"");
        }
        drive = new CdRom(name, serial);
    }

    private static ConfigSpace layout() {
        return new ConfigSpace(CONFIG_BYTES)
                .set(NUM_QUEUES, 4, 1)
                .set(SEG_MAX, 4, QUEUE_SIZE - 2)
                .set(MAX_SECTORS, 4, MOST_SECTORS)
                .set(CMD_PER_LUN, 4, QUEUE_SIZE)
                .set(EVENT_INFO_SIZE, 4, EVENT_BYTES)
                .set(SENSE_SIZE, 4, DEFAULT_SENSE_SIZE)
                .set(CDB_SIZE, 4, DEFAULT_CDB_SIZE)
                .set(MAX_TARGET, 2, 1)
                .allow(SENSE_SIZE, 4)
                .allow(CDB_SIZE, 4);
    }

    /**
     * Puts a medium into the drive and closes the tray; the guest hears of it. At any time, on any thread; whatever the
     * guest is doing with the one before, so that who is polite ejects that first.
     *
     * @return the medium that lay there before, which is not read any more; null when there was none
     * @throws IOException when it has not a single block
     */
    public Medium insert(Medium medium) throws IOException {
        Medium before = drive.insert(medium);
        tellMediaChange();
        return before;
    }

    /**
     * Takes the medium out. At any time, on any thread.
     *
     * @param force though the guest has locked the tray
     * @return the medium, which is not read any more; null when there was none
     * @throws IOException when the guest has locked the tray; it is asked to unlock it
     */
    public Medium eject(boolean force) throws IOException {
        Medium before;
        try {
            before = drive.eject(force);
        } catch (IOException e) {
            tellMediaChange(); // the guest is asked
            throw e;
        }
        if (before != null) tellMediaChange();
        return before;
    }

    @Override
    public void close() {
        super.close();
        try {
            Medium left = drive.eject(true);
            if (left != null) left.close();
        } catch (IOException e) {
            LOG.warn("{}: {}", name(), e.getMessage());
        }
    }

    private void tellMediaChange() {
        EventLoop loop = loop(EVENT);
        if (loop == null) return;
        loop.exclusive(() -> {
            if ((subscribed & ASYNC_MEDIA_CHANGE) == 0) return;
            eventMissed |= queue(EVENT) == null;
            eventDue = true;
            serve(EVENT);
        });
    }

    @Override
    public void deactivate() {
        if (loop(REQUEST) != null) {
            loop(REQUEST).exclusive(() -> {
                subscribed = 0;
                eventMissed = eventDue = false;
                drive.reset(Reply.POWER_ON_OR_RESET);
                config().set(SENSE_SIZE, 4, DEFAULT_SENSE_SIZE).set(CDB_SIZE, 4, DEFAULT_CDB_SIZE);
            });
        }
        super.deactivate();
    }

    @Override
    protected void process(int index, Virtqueue queue) throws QueueViolation {
        switch (index) {
            case CONTROL -> drain(queue, this::control);
            case EVENT -> event(queue);
            default -> drain(queue, this::request);
        }
    }

    // --- requests

    private long request(Chain chain) {
        IoVector in = chain.readable(), out = chain.writable();
        if (out.totalBytes() < RESPONSE_BYTES) return 0;
        long cdbSize = config().get(CDB_SIZE, 4),
                senseSize = Math.min(config().get(SENSE_SIZE, 4), out.totalBytes() - RESPONSE_BYTES);
        long dataOffset = RESPONSE_BYTES + senseSize;
        dataIn.clear().add(out, dataOffset, out.totalBytes() - dataOffset);
        reply.clear();
        long outBytes = in.totalBytes() - REQUEST_BYTES - cdbSize;
        long length = dataIn.totalBytes() + Math.max(0, outBytes);
        int response =
                outBytes < 0 || cdbSize == 0 || outBytes > 0 && !dataIn.isEmpty() ? S_FAILURE : execute(in, cdbSize);
        respond(out, response, length, senseSize);
        return dataOffset + reply.transferred;
    }

    private int execute(IoVector in, long cdbSize) {
        in.copyOut(0, lun, 0, LUN_BYTES);
        int size = (int) Math.min(cdbSize, cdb.length);
        java.util.Arrays.fill(cdb, (byte) 0);
        in.copyOut(REQUEST_BYTES, cdb, 0, size);
        switch (LogicalUnits.of(lun)) {
            case DRIVE -> drive.execute(cdb, size, dataIn, reply);
            case OTHER_UNIT -> LogicalUnits.executeMissing(cdb, data, dataIn, reply);
            case REPORT_LUNS -> LogicalUnits.executeWellKnown(cdb, data, dataIn, reply);
            default -> {
                return S_BAD_TARGET;
            }
        }
        return reply.overrun ? S_OVERRUN : S_OK;
    }

    /** The fixed part, and all of the place for sense data: what is said to be written is. */
    private void respond(IoVector out, int response, long length, long senseSize) {
        int senseBytes =
                response == S_OK && reply.status == Reply.CHECK_CONDITION ? (int) Math.min(senseSize, sense.length) : 0;
        HostMemory.putLong(header, 0);
        HostMemory.putInt(header + 8, 0);
        HostMemory.putInt(header, senseBytes);
        HostMemory.putInt(header + RESIDUAL, (int) (length - reply.transferred));
        HostMemory.putByte(header + STATUS, (byte) (response == S_OK ? reply.status : 0));
        HostMemory.putByte(header + RESPONSE, (byte) response);
        out.copyIn(0, header, RESPONSE_BYTES);
        out.fill(RESPONSE_BYTES, senseSize, (byte) 0);
        if (senseBytes == 0) return;
        reply.sense(sense);
        out.copyIn(RESPONSE_BYTES, sense, 0, senseBytes);
    }

    // --- control

    private long control(Chain chain) {
        IoVector in = chain.readable(), out = chain.writable();
        if (out.isEmpty()) return 0;
        int type = -1;
        if (in.totalBytes() >= AN_BYTES) {
            in.copyOut(0, header, Math.min(in.totalBytes(), TMF_BYTES));
            type = HostMemory.getInt(header + TYPE_FIELD);
        }
        if (type == T_TMF && in.totalBytes() >= TMF_BYTES)
            return answer(out, manage(HostMemory.getInt(header + SUBTYPE)));
        if ((type == T_AN_QUERY || type == T_AN_SUBSCRIBE) && out.totalBytes() >= AN_RESPONSE_BYTES)
            return notification(type, out);
        return answer(out, S_FAILURE);
    }

    private static long answer(IoVector out, int response) {
        out.fill(0, 1, (byte) response);
        return 1;
    }

    private int manage(int subtype) {
        HostMemory.copyOut(header + TMF_LUN, lun, 0, LUN_BYTES);
        LogicalUnits.Address address = LogicalUnits.of(lun);
        if (address == LogicalUnits.Address.NO_TARGET) return S_BAD_TARGET;
        if (address == LogicalUnits.Address.OTHER_UNIT && subtype != TMF_I_T_NEXUS_RESET) return S_INCORRECT_LUN;
        boolean isDrive = address != LogicalUnits.Address.REPORT_LUNS;
        switch (subtype) {
            case TMF_ABORT_TASK, TMF_ABORT_TASK_SET, TMF_CLEAR_TASK_SET -> serve(REQUEST);
            case TMF_LOGICAL_UNIT_RESET, TMF_I_T_NEXUS_RESET -> {
                serve(REQUEST);
                if (isDrive) drive.reset(Reply.BUS_DEVICE_RESET);
            }
            case TMF_QUERY_TASK, TMF_QUERY_TASK_SET -> {} // complete: no such task
            default -> {
                return S_FUNCTION_REJECTED; // CLEAR ACA: a drive without ACA (NORMACA in INQUIRY)
            }
        }
        return S_OK;
    }

    private long notification(int type, IoVector out) {
        HostMemory.copyOut(header + AN_LUN, lun, 0, LUN_BYTES);
        int response = switch (LogicalUnits.of(lun)) {
            case DRIVE -> S_OK;
            case NO_TARGET -> S_BAD_TARGET;
            default -> S_INCORRECT_LUN;
        };
        int events = response == S_OK ? HostMemory.getInt(header + AN_EVENTS) & ASYNC_MEDIA_CHANGE : 0;
        if (type == T_AN_SUBSCRIBE && response == S_OK) subscribed = events;
        HostMemory.putInt(header, events);
        HostMemory.putByte(header + 4, (byte) response);
        out.copyIn(0, header, AN_RESPONSE_BYTES);
        return AN_RESPONSE_BYTES;
    }

    // --- events

    private void event(Virtqueue queue) throws QueueViolation {
        if (!eventDue) return;
        Chain chain = queue.poll();
        if (chain == null) {
            eventMissed = true;
            return;
        }
        IoVector out = chain.writable();
        if (out.totalBytes() < EVENT_BYTES)
            throw new QueueViolation("event buffer of " + out.totalBytes() + " bytes: an event has " + EVENT_BYTES);
        HostMemory.putInt(header, T_ASYNC_NOTIFY | (eventMissed ? T_EVENTS_MISSED : 0));
        HostMemory.copyIn(LogicalUnits.DRIVE, 0, header + 4, LUN_BYTES);
        HostMemory.putInt(header + 12, ASYNC_MEDIA_CHANGE);
        out.copyIn(0, header, EVENT_BYTES);
        queue.push(chain, EVENT_BYTES);
        eventDue = eventMissed = false;
        interrupt(queue);
    }
}
