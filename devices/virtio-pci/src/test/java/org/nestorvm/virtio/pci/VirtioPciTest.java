package org.nestorvm.virtio.pci;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTimeoutPreemptively;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.time.Duration;
import java.util.Arrays;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.nestorvm.devices.PciFunction;
import org.nestorvm.memory.sys.Descriptors;
import org.nestorvm.memory.sys.Events;
import org.nestorvm.virtio.ConfigSpace;
import org.nestorvm.virtio.DeviceSession;
import org.nestorvm.virtio.Features;
import org.nestorvm.virtio.QueueSetup;
import org.nestorvm.virtio.VirtioDevice;
import org.nestorvm.virtio.rng.RngDevice;
import org.nestorvm.virtio.testkit.DriverMemory;
import org.nestorvm.virtio.testkit.DriverQueue;
import org.nestorvm.virtio.testkit.Used;

/** An entropy device on the bus, used as a guest uses it. */
@Timeout(60)
class VirtioPciTest {
    private static final long FEATURES = Features.VERSION_1;
    private final PciDriver.Messages messages = new PciDriver.Messages();
    private final Semaphore lineRose = new Semaphore(0);
    private volatile boolean line;
    private DriverMemory memory;
    private VirtioPci function;
    private PciDriver guest;

    @BeforeEach
    void plugIn() throws Exception {
        make(false);
    }

    private void make(boolean onCallersThread) throws Exception {
        memory = new DriverMemory();
        VirtioPci.Wires wires =
                new VirtioPci.Wires(memory.memory(), messages::send, this::setLine, null, onCallersThread);
        function = new VirtioPci(new RngDevice("rng", (bytes, length) -> Arrays.fill(bytes, (byte) 7)), wires, 11);
        guest = new PciDriver(memory, function);
    }

    private void setLine(boolean level) {
        if (level && !line) lineRose.release();
        line = level;
    }

    @AfterEach
    void pullOut() throws Exception {
        function.close();
        memory.close();
    }

    private DriverQueue start(int vector) {
        assertTrue(guest.negotiate(FEATURES));
        DriverQueue queue = guest.addQueue(0, 16, FEATURES, vector);
        guest.driverOk();
        return queue;
    }

    private static Used await(DriverQueue queue) {
        Used used = queue.take();
        while (used == null) {
            Thread.onSpinWait();
            used = queue.take();
        }
        return used;
    }

    @Test
    void identityIsThatOfTheSpecification() {
        assertEquals(0x1044_1af4, guest.config(PciFunction.VENDOR_ID, 4));
        assertEquals(1, guest.config(PciFunction.REVISION, 1));
        assertThat(guest.structures.keySet())
                .contains(PciDriver.COMMON, PciDriver.NOTIFY, PciDriver.ISR, PciDriver.PCI_ACCESS)
                .doesNotContain(PciDriver.DEVICE);
        assertEquals(FEATURES, guest.offered() & FEATURES);
    }

    @Test
    void p39_identityIsReadOnlyWritesMergeAndWindowsTellTheirSize() {
        for (int offset = 0; offset < 256; offset += 4) {
            int before = guest.config(offset, 4);
            guest.setConfig(offset, 4, -1);
            if (offset == PciFunction.VENDOR_ID
                    || offset == 8
                    || offset == PciFunction.SUBSYSTEM_VENDOR
                    || offset == PciFunction.CAPABILITIES) assertEquals(before, guest.config(offset, 4));
        }
        assertEquals(-0x4000, guest.config(PciFunction.BAR0, 4));
        assertEquals(-0x1000, guest.config(PciFunction.BAR0 + 4, 4));
        assertEquals(0, guest.config(PciFunction.BAR0 + 8, 4));
        guest.setConfig(PciFunction.BAR0, 4, (int) PciDriver.WINDOWS);
        guest.setConfig(PciFunction.BAR0 + 2, 1, 0x34);
        assertEquals(0xf034_0000, guest.config(PciFunction.BAR0, 4));
    }

    @Test
    void featuresMustBeOfferedAndOfThisVersion() {
        assertTrue(guest.negotiate(Features.VERSION_1));
        assertFalse(guest.negotiate(0));
        assertFalse(guest.negotiate(Features.VERSION_1 | 1L << 50));
    }

    @ParameterizedTest
    @ValueSource(longs = {Features.VERSION_1, Features.VERSION_1 | Features.RING_PACKED | Features.EVENT_IDX})
    void requestComesBackWithAMessage(long features) throws Exception {
        guest.setVector(1, false);
        guest.enableMsix(true);
        assertTrue(guest.negotiate(features));
        DriverQueue queue = guest.addQueue(0, 16, features, 1);
        guest.driverOk();
        queue.offer(new byte[0], 100);
        guest.notify(0);
        assertEquals(PciDriver.MESSAGE + 1, messages.await());
        assertEquals(100, await(queue).written());
        assertThat(memory.read(queue.lastBuffers().getFirst().gpa(), 100)).containsOnly(7);
        assertFalse(line);
        assertEquals(0, guest.isr());
    }

    @Test
    void requestComesBackWithALevelWithoutMessages() throws Exception {
        DriverQueue queue = start(CommonConfig.QUEUE_SIZE);
        queue.offer(new byte[0], 4);
        guest.notify(0);
        assertTrue(lineRose.tryAcquire(30, TimeUnit.SECONDS));
        assertEquals(1 << 3, guest.config(PciFunction.STATUS, 2) & 1 << 3);
        guest.setConfig(PciFunction.COMMAND, 2, PciFunction.COMMAND_MEMORY | PciFunction.COMMAND_INTX_OFF);
        assertFalse(line);
        guest.setConfig(PciFunction.COMMAND, 2, PciFunction.COMMAND_MEMORY);
        assertTrue(line);
        assertEquals(1, guest.isr());
        assertFalse(line);
        assertEquals(0, guest.isr());
        assertTrue(messages.none());
    }

    @Test
    void maskedVectorWaitsUntilItIsUnmasked() throws Exception {
        guest.setVector(1, true);
        guest.enableMsix(true);
        DriverQueue queue = start(1);
        queue.offer(new byte[0], 4);
        guest.notify(0);
        await(queue);
        while (guest.pendingBits() == 0) Thread.onSpinWait(); // the interrupt follows the used ring
        assertEquals(2, guest.pendingBits());
        assertTrue(messages.none());
        guest.setVector(1, false);
        assertEquals(PciDriver.MESSAGE + 1, messages.await());
        assertEquals(0, guest.pendingBits());
    }

    @Test
    void vectorThatIsNotThereIsNone() {
        assertTrue(guest.negotiate(FEATURES));
        guest.addQueue(0, 16, FEATURES, 2);
        assertEquals(0xffff, guest.common(CommonConfig.QUEUE_MSIX_VECTOR, 2));
        guest.setCommon(CommonConfig.CONFIG_MSIX_VECTOR, 2, 1);
        assertEquals(1, guest.common(CommonConfig.CONFIG_MSIX_VECTOR, 2));
    }

    @ParameterizedTest
    @ValueSource(longs = {1L << 40, -1, 8, 16 << 20, (16 << 20) - 16})
    void p36_queueThatIsNotMemoryNeedsAResetAndNoMore(long descriptors) throws Exception {
        guest.setVector(0, false);
        guest.enableMsix(true);
        assertTrue(guest.negotiate(FEATURES));
        guest.setCommon(CommonConfig.CONFIG_MSIX_VECTOR, 2, 0);
        guest.place(0, 16, descriptors, 0x1000, 0x2000, 1);
        guest.driverOk();
        guest.notify(0);
        assertEquals(CommonConfig.NEEDS_RESET, guest.status() & CommonConfig.NEEDS_RESET);
        DriverQueue queue = start(CommonConfig.QUEUE_SIZE);
        assertEquals(0, guest.status() & CommonConfig.NEEDS_RESET);
        queue.offer(new byte[0], 4);
        guest.notify(0);
        assertEquals(4, await(queue).written());
    }

    @Test
    void p36_queueSizeIsAPowerOfTwoUpToTheDevices() {
        assertTrue(guest.negotiate(FEATURES));
        DriverQueue queue = DriverQueue.create(memory, 0, 16, FEATURES);
        var setup = queue.setup(-1);
        guest.place(0, 24, setup.descriptors(), setup.driver(), setup.device(), 0);
        guest.driverOk();
        assertEquals(CommonConfig.NEEDS_RESET, guest.status() & CommonConfig.NEEDS_RESET);
        guest.setStatus(0);
        guest.setCommon(CommonConfig.QUEUE_SIZE, 2, 128);
        assertEquals(64, guest.common(CommonConfig.QUEUE_SIZE, 2));
    }

    @Test
    void oneQueueIsResetAloneAndStartedElsewhere() throws Exception {
        long features = FEATURES | Features.RING_RESET;
        assertTrue(guest.negotiate(features));
        DriverQueue first = guest.addQueue(0, 16, features, 0xffff);
        guest.driverOk();
        guest.setCommon(CommonConfig.QUEUE_RESET, 2, 1);
        assertEquals(0, guest.common(CommonConfig.QUEUE_RESET, 2));
        assertEquals(0, guest.common(CommonConfig.QUEUE_ENABLE, 2));
        first.offer(new byte[0], 4);
        guest.notify(0);
        DriverQueue second = guest.addQueue(0, 8, features, 0xffff);
        second.offer(new byte[0], 9);
        guest.notify(0);
        assertEquals(9, await(second).written());
        assertNull(first.take());
    }

    @Test
    void p34_pausedDeviceDoesNothing() throws Exception {
        DriverQueue queue = start(0xffff);
        queue.offer(new byte[0], 4);
        guest.notify(0);
        assertEquals(4, await(queue).written());
        function.pause();
        queue.offer(new byte[0], 5);
        guest.notify(0);
        assertNull(queue.take());
        assertArrayStaysZero(queue.lastBuffers().getFirst().gpa());
        function.resume();
        assertEquals(5, await(queue).written());
    }

    private void assertArrayStaysZero(long gpa) {
        assertThat(memory.read(gpa, 5)).containsOnly(0);
    }

    @Test
    void notificationIsServedBeforeTheWriteIsOverWhereTheCallerDoesIt() throws Exception {
        pullOut();
        make(true);
        DriverQueue queue = start(0xffff);
        queue.offer(new byte[0], 4);
        guest.notify(0);
        assertEquals(new Used(0, 4), queue.take());
    }

    /**
     * A device whose process was taken over: it has the doorbell, serves nothing, and makes whoever writes to the
     * doorbell or reads from it wait.
     */
    private static final class TakenOver implements VirtioDevice {
        private int kick;

        @Override
        public int type() {
            return RngDevice.TYPE;
        }

        @Override
        public String name() {
            return "taken over";
        }

        @Override
        public long features() {
            return FEATURES | Features.RING_RESET;
        }

        @Override
        public int queueCount() {
            return 1;
        }

        @Override
        public int maxQueueSize(int queue) {
            return 16;
        }

        @Override
        public ConfigSpace config() {
            return new ConfigSpace(0);
        }

        @Override
        public void activate(DeviceSession session) {}

        @Override
        public void startQueue(QueueSetup setup) throws IOException {
            kick = setup.kick();
            Events.trySignal(kick, -2);
            Descriptors.nonBlocking("kick", kick, false);
        }

        @Override
        public int stopQueue(int queue) {
            Events.tryDrainShared(kick);
            return 0;
        }

        @Override
        public void deactivate() {}

        @Override
        public void notified(int queue) {}

        @Override
        public void close() {}
    }

    @Test
    void aDeviceThatWasTakenOverCannotMakeTheGuestsProcessorWait() throws Exception {
        pullOut();
        memory = new DriverMemory();
        function = new VirtioPci(
                new TakenOver(), new VirtioPci.Wires(memory.memory(), messages::send, this::setLine, null, false), 11);
        guest = new PciDriver(memory, function);
        assertTimeoutPreemptively(Duration.ofSeconds(20), () -> {
            start(0xffff);
            guest.notify(0); // full
            function.pause();
            function.resume(); // empty
            guest.notify(0);
        });
    }

    @Test
    void windowInConfigurationSpaceReachesTheStructures() {
        int at = guest.structures.get(PciDriver.PCI_ACCESS).at();
        guest.setConfig(at + 4, 1, 0);
        guest.setConfig(at + 8, 4, CommonConfig.DEVICE_STATUS);
        guest.setConfig(at + 12, 4, 1);
        guest.setConfig(at + 16, 4, CommonConfig.ACKNOWLEDGE);
        assertEquals(CommonConfig.ACKNOWLEDGE, guest.status());
        assertEquals(CommonConfig.ACKNOWLEDGE, guest.config(at + 16, 1));
        guest.setConfig(at + 8, 4, CommonConfig.NUM_QUEUES);
        guest.setConfig(at + 12, 4, 2);
        assertEquals(1, guest.config(at + 16, 4));
        guest.setConfig(at + 12, 4, 3); // no such access
        assertEquals(1, guest.config(at + 16, 4));
    }

    @Test
    void p39_statusBitsAreNotTakenBackButByAReset() {
        DriverQueue queue = start(1);
        int started = guest.status();
        guest.setStatus(CommonConfig.ACKNOWLEDGE | CommonConfig.DRIVER);
        assertEquals(started, guest.status());
        guest.setCommon(CommonConfig.DRIVER_FEATURE_SELECT, 4, 0);
        guest.setCommon(CommonConfig.DRIVER_FEATURE, 4, -1); // too late
        guest.setStatus(started);
        queue.offer(new byte[0], 4);
        guest.notify(0);
        assertEquals(new Used(0, 4), await(queue));
        assertEquals(started, guest.status());
    }

    @Test
    void deviceStartsOnlyWithFeaturesThatWereAgreedOn() {
        guest.setStatus(
                CommonConfig.ACKNOWLEDGE | CommonConfig.DRIVER | CommonConfig.FEATURES_OK | CommonConfig.DRIVER_OK);
        assertEquals(CommonConfig.ACKNOWLEDGE | CommonConfig.DRIVER, guest.status());
        DriverQueue queue = start(1); // goes on from there
        queue.offer(new byte[0], 4);
        guest.notify(0);
        assertEquals(new Used(0, 4), await(queue));
    }

    @Test
    void resetForgetsEverything() throws Exception {
        DriverQueue queue = start(1);
        queue.offer(new byte[0], 4);
        guest.notify(0);
        await(queue);
        guest.setStatus(0);
        assertEquals(0, guest.status());
        assertEquals(0, guest.isr());
        assertEquals(0xffff, guest.common(CommonConfig.QUEUE_MSIX_VECTOR, 2));
        assertEquals(0, guest.common(CommonConfig.QUEUE_ENABLE, 2));
        assertEquals(64, guest.common(CommonConfig.QUEUE_SIZE, 2));
        guest.notify(0); // too late, and harmless
    }
}
