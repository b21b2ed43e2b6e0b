package org.nestorvm.virtio.net;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Semaphore;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.nestorvm.memory.sys.Descriptors;
import org.nestorvm.memory.sys.Errno;
import org.nestorvm.memory.sys.FaultPoints;
import org.nestorvm.memory.sys.Sockets;
import org.nestorvm.virtio.EventLoop;

/** A peer that cannot be accepted for want of descriptors waits, and its device does not spin. */
@Timeout(60)
class AcceptShortageTest {
    private static final long LEAST_PAUSE_NS = 100_000_000;

    @TempDir
    Path directory;

    @Test
    void peerIsServedWhenThereAreDescriptorsAgain() throws Exception {
        Path path = directory.resolve("net");
        Semaphore connected = new Semaphore(0);
        try (EventLoop loop = new EventLoop("test");
                StreamBackend backend = StreamBackend.listen(path.toString())) {
            NetPort port = backend.port(0);
            port.start(loop, new NetPort.Listener() {
                @Override
                public void readable() {}

                @Override
                public void writable() {}

                @Override
                public void linkChanged(boolean up) {
                    if (up) connected.release();
                }
            });
            CompletableFuture<FaultPoints.Plan> armed = new CompletableFuture<>();
            loop.exclusive(() -> loop.again(_ -> armed.complete(FaultPoints.failAll("accept4", Errno.EMFILE))));
            int peer = Sockets.stream(path);
            try (FaultPoints.Plan shortage = armed.get()) {
                Sockets.connect(peer, path.toString());
                while (!shortage.fired()) Thread.onSpinWait();
                long firstNs = System.nanoTime();
                while (shortage.reached() < 2) Thread.onSpinWait();
                assertThat(System.nanoTime() - firstNs)
                        .as("between two attempts")
                        .isGreaterThan(LEAST_PAUSE_NS);
            }
            connected.acquire();
            Descriptors.close(peer);
            port.close();
        }
    }
}
