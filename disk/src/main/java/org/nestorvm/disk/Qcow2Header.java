package org.nestorvm.disk;

final class Qcow2Header {
    static final int MAGIC = 'Q' << 24 | 'F' << 16 | 'I' << 8 | 0xfb;
}
