package org.nestorvm.devices;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicBoolean;
import org.junit.jupiter.api.Test;

class BusTest {
    private final List<String> seen = new ArrayList<>();
    private final PortBus ports = new PortBus();
    private final MmioBus mmio = new MmioBus();

    private PortDevice port(String name, int answer) {
        return new PortDevice() {
            @Override
            public int read(int offset, int size) {
                seen.add(name + " r" + size + "@" + offset);
                return answer;
            }

            @Override
            public void write(int offset, int size, int value) {
                seen.add(name + " w" + size + "@" + offset + "=" + Integer.toHexString(value));
            }
        };
    }

    private MmioDevice registers(String name, long answer) {
        return new MmioDevice() {
            @Override
            public long read(long offset, int size) {
                seen.add(name + " r" + size + "@" + offset);
                return answer;
            }

            @Override
            public void write(long offset, int size, long value) {
                seen.add(name + " w" + size + "@" + offset + "=" + Long.toHexString(value));
            }
        };
    }

    /** What nobody claims reads all ones and swallows writes, at every size and at the ends of the spaces. */
    @Test
    void p42_unclaimedReadsAllOnes() {
        assertEquals(0xff, ports.read(0x80, 1));
        assertEquals(0xffff, ports.read(0x80, 2));
        assertEquals(-1, ports.read(0xfffe, 4));
        ports.write(0xffff, 4, 7);
        for (int size : new int[] {1, 2, 4, 8}) assertEquals(-1L >>> 64 - 8 * size, mmio.read(0xfec0_0000L, size));
        assertEquals(-1, mmio.read(Long.MAX_VALUE, 8));
        assertEquals(-1, mmio.read(-8, 8));
        mmio.write(-1, 8, 7);
    }

    @Test
    void accessesWiderThanTheDeviceAreCut() {
        ports.add("bytes", 0x3f8, 8, 1, port("bytes", 0x1a5));
        assertEquals(0xa5a5a5a5, ports.read(0x3f8, 4));
        ports.write(0x3fc, 2, 0x1234);
        assertThat(seen)
                .containsExactly(
                        "bytes r1@0", "bytes r1@1", "bytes r1@2", "bytes r1@3", "bytes w1@4=34", "bytes w1@5=12");
    }

    @Test
    void anAccessThatLeavesTheDeviceReachesItsNeighbours() {
        ports.add("low", 0x60, 1, 1, port("low", 0x11));
        ports.add("high", 0x61, 1, 1, port("high", 0x22));
        assertEquals(0xffff2211, ports.read(0x60, 4));
        mmio.add("registers", 0x1000, 16, 4, registers("registers", 0x77777777L));
        assertEquals(0xffffffff77777777L, mmio.read(0x100c, 8));
        mmio.write(0x1008, 8, 0x1122334455667788L);
        assertThat(seen)
                .containsExactly(
                        "low r1@0",
                        "high r1@0",
                        "registers r4@12",
                        "registers w4@8=55667788",
                        "registers w4@12=11223344");
    }

    @Test
    void overlapIsRefused() {
        ports.add("a", 0x3f8, 8, 1, port("a", 0));
        assertThatThrownBy(() -> ports.add("b", 0x3ff, 1, 1, port("b", 0)))
                .hasMessageContaining("b [0x3ff, 0x3ff] overlaps a [0x3f8, 0x3ff]");
        ports.add("c", 0x3f7, 1, 1, port("c", 0));
        assertThatThrownBy(() -> ports.add("d", 0xffff, 2, 1, port("d", 0)))
                .isInstanceOf(IllegalArgumentException.class);
        mmio.add("top", 0xfffff000L, 0x1000, 4, registers("top", 0));
        assertThatThrownBy(() -> mmio.add("over", 0xffffe000L, 0x1001, 4, registers("over", 0)))
                .isInstanceOf(IllegalArgumentException.class);
    }

    @Test
    void rangesComeAndGo() {
        mmio.add("bar", 0xe0000000L, 0x1000, 4, registers("bar", 5));
        assertEquals(5, mmio.read(0xe0000ffcL, 4));
        mmio.remove(0xe0000000L);
        assertEquals(0xffffffffL, mmio.read(0xe0000ffcL, 4));
        mmio.add("bar", 0xe0000800L, 0x1000, 4, registers("bar", 5));
        assertEquals(5, mmio.read(0xe0000ffcL, 4));
    }

    /** A virtual CPU sees the device or nothing, never a broken map, while another one moves it. */
    @Test
    void lookupDuringChange() throws InterruptedException {
        ports.add("fixed", 0x10, 1, 1, port("fixed", 0x42));
        AtomicBoolean stop = new AtomicBoolean();
        Thread mover = Thread.ofPlatform().start(() -> {
            PortDevice device = registersOf(0x43);
            while (!stop.get()) {
                ports.add("moving", 0x20, 4, 1, device);
                ports.remove(0x20);
            }
        });
        PortDevice quiet = registersOf(0x42);
        ports.remove(0x10);
        ports.add("fixed", 0x10, 1, 1, quiet);
        for (int i = 0; i < 200_000; i++) {
            assertEquals(0x42, ports.read(0x10, 1));
            assertThat(ports.read(0x21, 1)).isIn(0x43, 0xff);
        }
        stop.set(true);
        mover.join();
    }

    private static PortDevice registersOf(int value) {
        return new PortDevice() {
            @Override
            public int read(int offset, int size) {
                return value;
            }

            @Override
            public void write(int offset, int size, int written) {}
        };
    }
}
