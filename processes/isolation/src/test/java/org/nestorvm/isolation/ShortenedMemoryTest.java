package org.nestorvm.isolation;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.nestorvm.memory.AddressSpace;
import org.nestorvm.memory.Mapping;
import org.nestorvm.memory.MemoryObject;
import org.nestorvm.memory.sys.Descriptors;
import org.nestorvm.memory.sys.Events;
import org.nestorvm.memory.sys.HostMemory;
import org.nestorvm.memory.sys.MemoryCalls;
import org.nestorvm.virtio.DeviceEvents;
import org.nestorvm.virtio.DeviceMemory;
import org.nestorvm.virtio.DeviceSession;
import org.nestorvm.virtio.Features;
import org.nestorvm.virtio.QueueSetup;

/**
 * A front end whose memory file takes no seals makes it shorter while a device uses it: the next access to the ring is
 * SIGBUS.
 */
@Timeout(60)
class ShortenedMemoryTest {
    private static final int PAGE = 4096, PAGES = 16, SIZE = 8;
    /** Guest-physical addresses; all behind the first page, which stays. */
    private static final int RING = PAGE, AVAILABLE = 2 * PAGE, USED = 3 * PAGE, BUFFER = 4 * PAGE;

    private static final short VIRTQ_DESC_F_WRITE = 2;

    private final Semaphore interrupts = new Semaphore(0);
    private final CompletableFuture<String> reset = new CompletableFuture<>();

    @Test
    void theDeviceSaysInOneLineWhatHasHappened() throws Exception {
        int file = MemoryCalls.memfdCreate("no seals", MemoryCalls.MFD_CLOEXEC);
        Descriptors.ftruncate("no seals", file, (long) PAGES * PAGE);
        MemoryObject object = MemoryObject.adoptForeign("no seals", file);
        Mapping mapping = AddressSpace.map(object, false);
        int kick = Events.eventfd("kick", 0, Events.EFD_NONBLOCK);
        try (IsolatedDevice rng = IsolatedDevice.rng("rng0", RestartPolicy.NEVER)) {
            DeviceMemory memory = new DeviceMemory(
                    List.of(new DeviceMemory.Region(
                            0, (long) PAGES * PAGE, mapping.hostAddress(), object.descriptor(), 0)),
                    null);
            rng.activate(new DeviceSession(Features.VERSION_1, memory, events()));
            offer(mapping.hostAddress(), 1);
            rng.startQueue(new QueueSetup(0, SIZE, RING, AVAILABLE, USED, 0, kick));
            assertTrue(interrupts.tryAcquire(30, TimeUnit.SECONDS), "no answer while the file was whole");
            offer(mapping.hostAddress(), 2);
            Descriptors.ftruncate(object, object.descriptor(), PAGE);
            Events.trySignal(kick, 1);
            reset.get(30, TimeUnit.SECONDS);
            while (!rng.process().lastWords().contains("has become shorter")) Thread.onSpinWait();
            assertThat(rng.process().lastWords())
                    .contains("rng0", "MFD_ALLOW_SEALING")
                    .doesNotContain("Exception", "InternalError");
        } finally {
            mapping.unmap();
            object.release();
            Descriptors.close(kick);
        }
    }

    private static void offer(long hostAddress, int count) {
        HostMemory.putLong(hostAddress + RING, BUFFER);
        HostMemory.putInt(hostAddress + RING + 8, 64);
        HostMemory.putShort(hostAddress + RING + 12, VIRTQ_DESC_F_WRITE);
        HostMemory.putShort(hostAddress + AVAILABLE + 2, (short) count);
    }

    private DeviceEvents events() {
        return new DeviceEvents() {
            @Override
            public void interrupt(int queue) {
                interrupts.release();
            }

            @Override
            public void configChanged() {}

            @Override
            public void needsReset(String why) {
                reset.complete(why);
            }
        };
    }
}
