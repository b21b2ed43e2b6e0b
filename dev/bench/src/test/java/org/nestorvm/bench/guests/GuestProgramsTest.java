package org.nestorvm.bench.guests;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.util.Map;
import java.util.ServiceLoader;
import java.util.TreeMap;
import org.junit.jupiter.api.Test;
import org.nestorvm.paging.EntryFormat;
import org.nestorvm.vmm.Engine;

class GuestProgramsTest {
    @Test
    void eachProgramEndsWithItsResult() throws Exception {
        Engine soft = ServiceLoader.load(Engine.class).stream()
                .map(ServiceLoader.Provider::get)
                .filter(e -> e.name().equals("soft"))
                .findAny()
                .orElse(null);
        assumeTrue(soft != null && soft.unavailableBecause() == null, "no software processor here");
        Map<String, String> results = new TreeMap<>();
        for (Map.Entry<String, GuestImage> e : GuestPrograms.all(1e-3).entrySet()) {
            GuestRun.Result r = GuestRun.run(soft, EntryFormat.NPT, e.getValue());
            results.put(e.getKey(), r.output());
            assertTrue(r.instructions() > 0);
        }
        assertEquals("0000000000000000", results.get("nothing"));
        assertEquals(hex(148933), results.get("sieve")); // primes below two million
        assertEquals(hex(6765), results.get("fib")); // the twentieth Fibonacci number
        assertEquals(hex(5001), results.get("syscall"));
        assertEquals(1000, Long.parseUnsignedLong(results.get("page-fault"), 16) & 0xffffffffL);
        assertEquals(results.get("memcpy-rep"), results.get("memcpy-sse"));
    }

    private static String hex(long value) {
        return String.format("%016x", value);
    }
}
