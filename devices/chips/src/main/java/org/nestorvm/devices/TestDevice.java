package org.nestorvm.devices;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteOrder;
import java.util.function.LongConsumer;

/**
 * What test kernels such as kvm-unit-tests expect of QEMU's pc-testdev: a register of 32 bits at ports E0h, and the
 * same byte by byte at E8h, to try instructions on; a port that takes the translation of a page away (E4h); a port for
 * each interrupt line (2000h); memory that is no RAM, so that each access leaves the guest.
 */
public final class TestDevice {
    public static final int REGISTER_PORTS = 4, LINES = 24;
    public static final int MEMORY_BYTES = 1 << 16;
    private static final int CASCADE = 2, ISA_LINES = 16;
    private static final long PAGE_MASK = ~0xfffL;
    private static final VarHandle U16 = MethodHandles.byteArrayViewVarHandle(short[].class, ByteOrder.LITTLE_ENDIAN);
    private static final VarHandle U32 = MethodHandles.byteArrayViewVarHandle(int[].class, ByteOrder.LITTLE_ENDIAN);
    private static final VarHandle U64 = MethodHandles.byteArrayViewVarHandle(long[].class, ByteOrder.LITTLE_ENDIAN);

    private final IrqLine[] lines = new IrqLine[LINES];
    private final LongConsumer unmapPage;
    private final byte[] memory = new byte[MEMORY_BYTES];
    private int register;

    /** @param unmapPage takes the guest-physical address of a page, which need not be memory */
    public TestDevice(InterruptRouter interrupts, LongConsumer unmapPage) {
        this.unmapPage = unmapPage;
        for (int n = 0; n < LINES; n++) {
            lines[n] = n == CASCADE || n >= ISA_LINES ? interrupts.gsi(n) : interrupts.isa(n);
        }
    }

    /** Ports E0h to E3h, as wide as the guest likes; ports E8h to EBh, if the bus cuts accesses to them into bytes. */
    public PortDevice register() {
        return new PortDevice() {
            @Override
            public int read(int offset, int size) {
                synchronized (TestDevice.this) {
                    return register >>> 8 * offset;
                }
            }

            @Override
            public void write(int offset, int size, int value) {
                int mask = -1 >>> 32 - 8 * size << 8 * offset;
                synchronized (TestDevice.this) {
                    register = register & ~mask | value << 8 * offset & mask;
                }
            }
        };
    }

    /** Ports E4h to E7h: four bytes, the address of a page. */
    public PortDevice unmap() {
        return new WriteOnly() {
            @Override
            public void write(int offset, int size, int value) {
                if (size == Integer.BYTES) unmapPage.accept(Integer.toUnsignedLong(value) & PAGE_MASK);
            }
        };
    }

    /** Ports 2000h to 2017h: 0 releases the line of that number, anything else asserts it. */
    public PortDevice lines() {
        return new WriteOnly() {
            @Override
            public void write(int offset, int size, int value) {
                lines[offset].set(value != 0);
            }
        };
    }

    /** At FF000000h. Two processors' accesses may tear, as those of a device may. */
    public MmioDevice memory() {
        return new MmioDevice() {
            @Override
            public long read(long offset, int size) {
                int at = (int) offset;
                return switch (size) {
                    case 1 -> memory[at];
                    case 2 -> (short) U16.get(memory, at);
                    case 4 -> (int) U32.get(memory, at);
                    default -> (long) U64.get(memory, at);
                };
            }

            @Override
            public void write(long offset, int size, long value) {
                int at = (int) offset;
                switch (size) {
                    case 1 -> memory[at] = (byte) value;
                    case 2 -> U16.set(memory, at, (short) value);
                    case 4 -> U32.set(memory, at, (int) value);
                    default -> U64.set(memory, at, value);
                }
            }
        };
    }

    private abstract static class WriteOnly implements PortDevice {
        @Override
        public final int read(int offset, int size) {
            return -1;
        }
    }
}
