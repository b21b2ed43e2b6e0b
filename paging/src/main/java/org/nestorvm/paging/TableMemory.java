package org.nestorvm.paging;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;

/** Where a pool gets its chunks: page-aligned memory of this process, filled with zeros. */
interface TableMemory {
    TableMemory HOST = new TableMemory() {
        private final Map<Long, Arena> arenas = new ConcurrentHashMap<>();

        @Override
        public long map(long sizeBytes) throws IOException {
            Arena arena = Arena.ofShared();
            try {
                long address = arena.allocate(sizeBytes, TablePool.PAGE).address();
                arenas.put(address, arena);
                return address;
            } catch (OutOfMemoryError e) {
                arena.close();
                throw new IOException("allocation of " + sizeBytes + " bytes of table pages failed", e);
            }
        }

        @Override
        public void unmap(long hostAddress, long sizeBytes) {
            arenas.remove(hostAddress).close();
        }
    };

    /** @return host address of the chunk */
    long map(long sizeBytes) throws IOException;

    void unmap(long hostAddress, long sizeBytes);
}
