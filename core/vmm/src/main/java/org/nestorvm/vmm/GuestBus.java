package org.nestorvm.vmm;

/**
 * What the guest reaches that is not memory. Called by an engine on the virtual CPU's thread, possibly by several at
 * once. An implementation never throws: an address nobody claims reads all ones and swallows writes.
 */
public interface GuestBus {
    /** IN. @param size 1, 2 or 4 bytes; the value is in the low bytes */
    int portRead(int port, int size);

    /** OUT. @param size 1, 2 or 4 bytes */
    void portWrite(int port, int size, int value);

    /** @param size 1, 2, 4 or 8 bytes */
    long mmioRead(long gpa, int size);

    /** @param size 1, 2, 4 or 8 bytes */
    void mmioWrite(long gpa, int size, long value);

    /** Nothing is there. */
    GuestBus EMPTY = new GuestBus() {
        @Override
        public int portRead(int port, int size) {
            return -1;
        }

        @Override
        public void portWrite(int port, int size, int value) {}

        @Override
        public long mmioRead(long gpa, int size) {
            return -1;
        }

        @Override
        public void mmioWrite(long gpa, int size, long value) {}
    };
}
