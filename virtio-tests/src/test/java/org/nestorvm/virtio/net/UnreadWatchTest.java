package org.nestorvm.virtio.net;

import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;

class UnreadWatchTest {
    private final UnreadWatch watch = new UnreadWatch(3);

    private boolean hangs(int... unsent) {
        boolean last = false;
        for (int bytes : unsent) {
            assertFalse(last, "too early");
            last = watch.look(bytes, 0);
        }
        return last;
    }

    @Test void whatIsThereAndDoesNotBecomeLess() {
        assertTrue(hangs(0, 100, 100, 100));
    }

    @Test void thoughMoreComes() {
        assertTrue(hangs(100, 200, 200));
    }

    @Test void whoReadsBetweenTwoLooksWorks() {
        assertFalse(hangs(100, 200, 150, 150, 10, 10, 0, 100, 100));
        assertTrue(watch.isSuspicious());
        assertFalse(hangs(0));
        assertFalse(watch.isSuspicious());
    }

    @Test void whoWaitsForUsWorks() {
        for (int i = 0; i < 10; i++) assertFalse(watch.look(100, 1));
        assertTrue(hangs(100, 100, 100));
    }

    @Test void aFailedLookSaysNothing() {
        for (int i = 0; i < 10; i++) assertFalse(watch.look(-9, -9));
    }
}
