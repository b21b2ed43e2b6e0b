package org.nestorvm.virtio.console;

import static org.assertj.core.api.Assertions.assertThat;

import java.net.UnixDomainSocketAddress;
import java.nio.channels.SocketChannel;
import java.nio.file.Path;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Semaphore;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.nestorvm.memory.sys.Errno;
import org.nestorvm.memory.sys.FaultPoints;
import org.nestorvm.virtio.EventLoop;
import org.nestorvm.virtio.UnixListener;

/** A program that cannot be accepted for want of descriptors waits, and the console does not spin. */
@Timeout(60)
class SocketEndTest {
    private static final long LEAST_PAUSE_NS = 100_000_000;

    @TempDir
    Path directory;

    @Test
    void programIsServedWhenThereAreDescriptorsAgain() throws Exception {
        Path path = directory.resolve("port");
        Semaphore connected = new Semaphore(0);
        try (EventLoop loop = new EventLoop("test")) {
            SocketEnd end = new SocketEnd("port", UnixListener.listen("console", path), () -> {}, connected::release);
            end.listen(loop);
            CompletableFuture<FaultPoints.Plan> armed = new CompletableFuture<>();
            loop.exclusive(() -> loop.again(_ -> armed.complete(FaultPoints.failAll("accept4", Errno.EMFILE))));
            try (FaultPoints.Plan shortage = armed.get();
                    SocketChannel program = SocketChannel.open(UnixDomainSocketAddress.of(path))) {
                while (!shortage.fired()) Thread.onSpinWait();
                long firstNs = System.nanoTime();
                while (shortage.reached() < 2) Thread.onSpinWait();
                assertThat(System.nanoTime() - firstNs)
                        .as("between two attempts")
                        .isGreaterThan(LEAST_PAUSE_NS);
                shortage.close();
                connected.acquire();
            }
            end.close();
        }
    }
}
