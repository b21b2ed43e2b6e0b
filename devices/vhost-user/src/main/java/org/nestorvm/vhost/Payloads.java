package org.nestorvm.vhost;

import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;

/**
 * What messages carry, field by field in the order of the specification's "Payload". Sizes are checked by
 * {@link Request#check}, values by who uses them.
 */
final class Payloads {
    private Payloads() {}

    /** "A vring state description". */
    record VringState(int index, int num) {
        static VringState of(Message message) {
            ByteBuffer fields = message.fields();
            return new VringState(fields.getInt(), fields.getInt());
        }

        byte[] bytes() {
            return Message.buffer(8).putInt(index).putInt(num).array();
        }
    }

    /** "A vring address description"; addresses are the front end's user addresses, {@code log} is guest-physical. */
    record VringAddress(int index, int flags, long descriptors, long used, long available, long log) {
        static final int F_LOG = 1;

        static VringAddress of(Message message) {
            ByteBuffer fields = message.fields();
            return new VringAddress(
                    fields.getInt(),
                    fields.getInt(),
                    fields.getLong(),
                    fields.getLong(),
                    fields.getLong(),
                    fields.getLong());
        }

        byte[] bytes() {
            return Message.buffer(40)
                    .putInt(index)
                    .putInt(flags)
                    .putLong(descriptors)
                    .putLong(used)
                    .putLong(available)
                    .putLong(log)
                    .array();
        }
    }

    /** The integer that goes with the descriptors of a vring. */
    record VringFile(int index, boolean none) {
        private static final int NO_DESCRIPTOR = 1 << 8;

        static VringFile of(Message message) throws ProtocolException {
            long value = message.u64();
            boolean none = (value & NO_DESCRIPTOR) != 0;
            if (none == (message.descriptorCount() == 1))
                throw new ProtocolException(message + " with " + message.descriptorCount()
                        + " descriptors says that there is " + (none ? "none" : "one"));
            return new VringFile((int) (value & 0xff), none);
        }

        byte[] bytes() {
            return Message.u64(index | (none ? NO_DESCRIPTOR : 0));
        }
    }

    /** A region of a "Memory regions description". */
    record MemoryRegion(long gpa, long sizeBytes, long user, long mmapOffset) {
        static final int BYTES = 32;

        private static MemoryRegion of(ByteBuffer fields) {
            return new MemoryRegion(fields.getLong(), fields.getLong(), fields.getLong(), fields.getLong());
        }

        private void put(ByteBuffer fields) {
            fields.putLong(gpa).putLong(sizeBytes).putLong(user).putLong(mmapOffset);
        }

        static List<MemoryRegion> table(Message message) throws ProtocolException {
            ByteBuffer fields = message.fields();
            int count = fields.getInt();
            fields.getInt();
            if (count != message.descriptorCount() || fields.remaining() != (long) count * BYTES) {
                throw new ProtocolException(message + ": " + count + " regions in " + fields.remaining()
                        + " bytes, with " + message.descriptorCount() + " descriptors");
            }
            List<MemoryRegion> regions = new ArrayList<>();
            for (int i = 0; i < count; i++) regions.add(of(fields));
            return regions;
        }

        static byte[] table(List<MemoryRegion> regions) {
            ByteBuffer fields = Message.buffer(8 + BYTES * regions.size())
                    .putInt(regions.size())
                    .putInt(0);
            regions.forEach(region -> region.put(fields));
            return fields.array();
        }

        /** "Single memory region description". */
        static MemoryRegion single(Message message) {
            return of(message.fields().position(8));
        }

        byte[] single() {
            ByteBuffer fields = Message.buffer(8 + BYTES).putLong(0);
            put(fields);
            return fields.array();
        }

        @Override
        public String toString() {
            return "region at guest address 0x" + Long.toHexString(gpa) + " of 0x" + Long.toHexString(sizeBytes)
                    + " bytes, user address 0x" + Long.toHexString(user) + ", offset 0x" + Long.toHexString(mmapOffset);
        }
    }

    /** "Log description". */
    record Log(long sizeBytes, long offset) {
        static Log of(Message message) {
            ByteBuffer fields = message.fields();
            return new Log(fields.getLong(), fields.getLong());
        }

        byte[] bytes() {
            return Message.buffer(16).putLong(sizeBytes).putLong(offset).array();
        }
    }

    /** "Virtio device config space". */
    record Config(int offset, int size, int flags, byte[] bytes) {
        static final int HEADER_BYTES = 12, MAX_BYTES = 256;

        static Config of(Message message) throws ProtocolException {
            ByteBuffer fields = message.fields();
            int offset = fields.getInt(), size = fields.getInt(), flags = fields.getInt();
            if (size < 0 || offset < 0 || offset > MAX_BYTES - size || fields.remaining() != size) {
                throw new ProtocolException(message + ": " + Integer.toUnsignedString(size) + " bytes at "
                        + Integer.toUnsignedString(offset) + " in a payload of " + fields.remaining());
            }
            byte[] bytes = new byte[size];
            fields.get(bytes);
            return new Config(offset, size, flags, bytes);
        }

        byte[] payload() {
            return Message.buffer(HEADER_BYTES + bytes.length)
                    .putInt(offset)
                    .putInt(size)
                    .putInt(flags)
                    .put(bytes)
                    .array();
        }
    }

    /** "Inflight description". Sent with the padding that a C compiler puts behind it. */
    record Inflight(long sizeBytes, long offset, int queues, int queueSize) {
        static Inflight of(Message message) {
            ByteBuffer fields = message.fields();
            return new Inflight(
                    fields.getLong(), fields.getLong(), fields.getShort() & 0xffff, fields.getShort() & 0xffff);
        }

        byte[] bytes() {
            return Message.buffer(24)
                    .putLong(sizeBytes)
                    .putLong(offset)
                    .putShort((short) queues)
                    .putShort((short) queueSize)
                    .array();
        }
    }
}
