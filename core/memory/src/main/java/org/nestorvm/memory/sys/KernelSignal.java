package org.nestorvm.memory.sys;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/**
 * Signals an eventfd without write(2), and so without waiting. O_NONBLOCK belongs to the file description: a process
 * with which it is shared can clear the flag and fill the counter, and then write(2) waits for good. io_submit(2) with
 * IOCB_FLAG_RESFD has the kernel signal the eventfd as its own devices do, and that never waits: a full counter stays
 * full. What is submitted is a read of no bytes from a file in memory, which is complete when the call returns.
 *
 * <p>One context serves all threads. Its ring of completions is in this process's memory (struct aio_ring in the
 * kernel's fs/aio.c, whose magic number allows a program to move {@code head} itself): nobody reads them, so
 * {@code head} is set to {@code tail}. Two threads that do this at once may leave an entry or two, which the next call
 * takes away.
 */
final class KernelSignal {
    // asm/unistd_64.h
    private static final long SYS_IO_SETUP = 206, SYS_IO_SUBMIT = 209;
    // struct iocb, linux/aio_abi.h
    private static final int IOCB_BYTES = 64, AIO_LIO_OPCODE = 16, AIO_FILDES = 20, AIO_FLAGS = 56, AIO_RESFD = 60;
    private static final short IOCB_CMD_PREAD = 0;
    private static final int IOCB_FLAG_RESFD = 1;
    // struct aio_ring
    private static final int RING_HEAD = 8, RING_TAIL = 12, RING_MAGIC = 16, MAGIC = 0xa10a10a1;
    private static final int RETRIES = 1000;

    /** The context and the file of the whole process; made when they are first needed, never given back. */
    private static final class Context {
        static final int FILE = MemoryCalls.tryMemfdCreate("nestor-signal", MemoryCalls.MFD_CLOEXEC);
        static final long RING = FILE < 0 ? 0 : setUp();

        private static long setUp() {
            CallState state = CallState.get();
            state.value.set(Libc.LONG, 0, 0);
            if (SystemCall.call(SYS_IO_SETUP, 1, state.value.address(), 0) != 0) return 0;
            long ring = state.value.get(Libc.LONG, 0);
            return HostMemory.getInt(ring + RING_MAGIC) == MAGIC ? ring : 0;
        }
    }

    /** A thread's struct iocb, and behind it the array of one pointer to it. */
    private static final ThreadLocal<MemorySegment> REQUEST = ThreadLocal.withInitial(KernelSignal::request);

    private KernelSignal() {}

    private static MemorySegment request() {
        MemorySegment request = Arena.ofAuto().allocate(IOCB_BYTES + Long.BYTES, Long.BYTES);
        request.set(Libc.SHORT, AIO_LIO_OPCODE, IOCB_CMD_PREAD);
        request.set(Libc.INT, AIO_FILDES, Context.FILE);
        request.set(Libc.INT, AIO_FLAGS, IOCB_FLAG_RESFD);
        request.set(Libc.LONG, IOCB_BYTES, request.address());
        return request;
    }

    /** Whether this kernel does it: tried on an eventfd that is full and would make write(2) wait. */
    static boolean isThere() {
        if (!System.getProperty("os.arch").equals("amd64") || Context.RING == 0) return false;
        try {
            int eventfd = Events.eventfd("probe", 0, 0);
            try {
                return Events.trySignal(eventfd, -2) == 0 && trySignal(eventfd) == 0;
            } finally {
                Descriptors.close(eventfd);
            }
        } catch (ErrnoException e) {
            return false;
        }
    }

    /** Adds 1. @return 0 or a negated errno: -EINVAL when it is no eventfd */
    static int trySignal(int eventfd) {
        MemorySegment request = REQUEST.get();
        request.set(Libc.INT, AIO_RESFD, eventfd);
        long array = request.address() + IOCB_BYTES;
        long result;
        int tries = 0;
        do { // EAGAIN: more threads are here than the ring has places
            result = SystemCall.call(SYS_IO_SUBMIT, Context.RING, 1, array);
            HostMemory.putInt(Context.RING + RING_HEAD, HostMemory.getInt(Context.RING + RING_TAIL));
        } while (result == -Errno.EAGAIN && ++tries < RETRIES);
        return result == 1 ? 0 : (int) result;
    }
}
