package org.nestorvm.devices;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

/** As Linux's driver uses it: it asks for the events, later writes one of them. */
class PvPanicTest {
    private final List<String> events = new ArrayList<>();
    private final PvPanic device = new PvPanic(() -> events.add("panicked"), () -> events.add("crash kernel"));

    @Test
    void offersBothEvents() {
        assertEquals(3, device.read(0, 1));
    }

    @Test
    void eachEventIsToldOnce() {
        for (int i = 0; i < 3; i++) device.write(0, 1, 2);
        for (int i = 0; i < 3; i++) device.write(0, 1, 1);
        assertEquals(List.of("crash kernel", "panicked"), events);
    }

    @Test
    void otherBitsAreNoEvents() {
        device.write(0, 1, 0xfc);
        device.write(0, 1, 0);
        assertEquals(List.of(), events);
    }
}
