package org.nestorvm.virtio.net;

import java.io.Closeable;
import java.io.IOException;
import java.util.concurrent.TimeUnit;
import org.nestorvm.memory.sys.Descriptors;
import org.nestorvm.virtio.RestartBudget;

/**
 * The host's side of a network device that is in another process: descriptors to give to it, each time that it is
 * started. A tap's are the same every time, since a packet is whole or not there. A stream may have ended in the middle
 * of a frame, and so its successor gets a new one; and the other way round, with a new passt comes another process.
 */
public final class NetHandover implements Closeable {
    /** Connects. */
    interface Stream {
        int open() throws IOException;
    }

    /** Starts the program. */
    interface Passt {
        PasstBackend start(Runnable lost) throws IOException;
    }

    /** What the next process gets. */
    private interface Source {
        int[] open() throws IOException;
    }

    private final Source source;
    private int[] given = {};
    private boolean keepsDescriptors;
    private PasstBackend passt;
    private final RestartBudget budget =
            new RestartBudget(PasstBackend.RESTARTS, TimeUnit.SECONDS.toNanos(PasstBackend.WITHIN_S));
    private volatile boolean isLost;
    private volatile Runnable whenLost = () -> {};

    private NetHandover(Source source) {
        this.source = source;
    }

    static NetHandover tap(int... descriptors) {
        NetHandover handover = new NetHandover(() -> descriptors);
        handover.given = descriptors;
        handover.keepsDescriptors = true;
        return handover;
    }

    static NetHandover stream(Stream stream) {
        return new NetHandover(() -> new int[] {stream.open()});
    }

    /** One that nobody can open again. */
    static NetHandover stream(int descriptor) {
        int[] once = {descriptor};
        return stream(() -> {
            int next = once[0];
            once[0] = -1;
            if (next < 0)
                throw new IOException("net unix,fd=" + descriptor
                        + ": the stream has ended with the process that had it; with unix=PATH it would "
                        + "be connected again");
            return next;
        });
    }

    static NetHandover passt(Passt program) {
        NetHandover[] handover = new NetHandover[1];
        handover[0] = new NetHandover(() -> handover[0].next(program));
        return handover[0];
    }

    private int[] next(Passt program) throws IOException {
        if (passt != null) passt.release();
        passt = null;
        if (isLost && !budget.take(System.nanoTime()))
            throw new IOException("passt was started again " + PasstBackend.RESTARTS + " times within "
                    + PasstBackend.WITHIN_S + " s and is not any more");
        isLost = false;
        passt = program.start(() -> {
            isLost = true;
            whenLost.run();
        });
        return new int[] {passt.duplicate()};
    }

    /**
     * @param action when what was opened last is of no use any more: the device's process had better end, since its
     *     successor gets another one. Perhaps more than once, on any thread.
     */
    public void whenLost(Runnable action) {
        whenLost = action;
    }

    /** Whether what was opened last is of no use any more. */
    public boolean isLost() {
        return isLost;
    }

    /** @return descriptors that stay this object's; those of before are closed, unless they are the same */
    public int[] open() throws IOException {
        if (!keepsDescriptors) closeGiven();
        given = source.open();
        return given.clone();
    }

    private void closeGiven() {
        int[] before = given;
        given = new int[0];
        for (int descriptor : before) Descriptors.close(descriptor);
    }

    @Override
    public void close() {
        closeGiven();
        if (passt != null) passt.release();
        passt = null;
    }
}
