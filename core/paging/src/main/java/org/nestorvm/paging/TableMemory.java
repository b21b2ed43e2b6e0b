package org.nestorvm.paging;

import static org.nestorvm.memory.sys.MemoryCalls.MAP_ANONYMOUS;
import static org.nestorvm.memory.sys.MemoryCalls.MAP_PRIVATE;
import static org.nestorvm.memory.sys.MemoryCalls.PROT_READ;
import static org.nestorvm.memory.sys.MemoryCalls.PROT_WRITE;

import java.io.IOException;
import org.nestorvm.memory.sys.ErrnoException;
import org.nestorvm.memory.sys.MemoryCalls;

/** Where a pool gets its chunks: page-aligned memory of this process, filled with zeros. */
interface TableMemory {
    /** Anonymous private memory: the guest has no way to it, and no other process either. */
    TableMemory HOST = new TableMemory() {
        @Override
        public long map(long sizeBytes) throws ErrnoException {
            return MemoryCalls.mmap(
                    "nested page table pages", sizeBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        }

        @Override
        public void unmap(long hostAddress, long sizeBytes) {
            try {
                MemoryCalls.munmap("nested page table pages", hostAddress, sizeBytes);
            } catch (ErrnoException e) {
                throw new IllegalStateException(
                        "chunk of table pages was not mapped: hostAddress=0x" + Long.toHexString(hostAddress), e);
            }
        }
    };

    /** @return host address of the chunk */
    long map(long sizeBytes) throws IOException;

    void unmap(long hostAddress, long sizeBytes);
}
