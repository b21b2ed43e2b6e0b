package org.nestorvm.engine.soft.ops.sse;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;

public class SseApproximateTest {
    /** The manual's promise: a relative error of at most 1.5 * 2^-12. */
    private static final double BOUND = 1.5 / 4096;

    @Test
    void errorsStayBelowTheBound() {
        var random = new SplittableRandom(1);
        for (int n = 0; n < 1_000_000; n++) {
            int bits = random.nextInt(0x00800000, 0x7e000000);
            double v = Float.intBitsToFloat(bits);
            float reciprocal = Float.intBitsToFloat(SseApproximate.compute(false, bits)),
                    root = Float.intBitsToFloat(SseApproximate.compute(true, bits));
            assertTrue(Math.abs(reciprocal * v - 1) <= BOUND, () -> "1 / " + v);
            assertTrue(Math.abs(root * Math.sqrt(v) - 1) <= BOUND, () -> "1 / sqrt " + v);
        }
    }

    @Test
    void zerosAndDenormalsGiveInfinity() {
        for (int bits : new int[] {0, 1, 0x007fffff}) {
            assertEquals(0x7f800000, SseApproximate.compute(false, bits));
            assertEquals(0x7f800000, SseApproximate.compute(true, bits));
            assertEquals(0xff800000, SseApproximate.compute(false, bits | 0x80000000));
            assertEquals(0xff800000, SseApproximate.compute(true, bits | 0x80000000));
        }
    }

    @Test
    void specialValues() {
        assertEquals(0, SseApproximate.compute(false, 0x7f800000));
        assertEquals(0x80000000, SseApproximate.compute(false, 0xff800000));
        assertEquals(0xffc00000, SseApproximate.compute(true, 0xbf800000));
        assertEquals(0x7fc00001, SseApproximate.compute(false, 0x7f800001));
        assertEquals(0, SseApproximate.compute(false, 0x7f000000 | 0x7fffff));
    }
}
