package org.nestorvm.memory.sys;

/**
 * ioctl(2), and the numbering of asm-generic/ioctl.h: bits 0-7 number, 8-15 type, 16-29 size of the argument, 30-31
 * direction. The argument is an integer or the host address of a structure. Allocates nothing.
 */
public final class Ioctl {
    private static final int WRITE = 1, READ = 2;
    private static final int SIZE_LIMIT = 1 << 14;
    private static final LibcFunction IOCTL = LibcFunction.variadic("ioctl");

    private Ioctl() {}

    /** _IO: no argument, or one that is a number. */
    public static int io(int type, int number) {
        return request(0, type, number, 0);
    }

    /** _IOR: the kernel writes the structure. */
    public static int ior(int type, int number, long sizeBytes) {
        return request(READ, type, number, sizeBytes);
    }

    /** _IOW: the kernel reads the structure. */
    public static int iow(int type, int number, long sizeBytes) {
        return request(WRITE, type, number, sizeBytes);
    }

    /** _IOWR: both. */
    public static int iowr(int type, int number, long sizeBytes) {
        return request(READ | WRITE, type, number, sizeBytes);
    }

    private static int request(int direction, int type, int number, long sizeBytes) {
        if ((type | number) >>> 8 != 0 || sizeBytes < 0 || sizeBytes >= SIZE_LIMIT) {
            throw new IllegalArgumentException(
                    "no ioctl number: type=" + type + " number=" + number + " size=" + sizeBytes);
        }
        return direction << 30 | (int) sizeBytes << 16 | type << 8 | number;
    }

    /**
     * @return what the driver answers, at least 0, or a negated errno: -{@link Errno#EINTR} and -{@link Errno#EAGAIN}
     *     are everyday answers of KVM_RUN
     */
    public static int tryIoctl(int descriptor, int request, long argument) {
        return IOCTL.tryInt(descriptor, Integer.toUnsignedLong(request), argument);
    }

    /** @param name of the request, for the message: {@code KVM_CREATE_VM} */
    public static int ioctl(String name, Object object, int descriptor, int request, long argument)
            throws ErrnoException {
        FaultPoints.call(name, object);
        return Libc.check(name, object, tryIoctl(descriptor, request, argument));
    }
}
