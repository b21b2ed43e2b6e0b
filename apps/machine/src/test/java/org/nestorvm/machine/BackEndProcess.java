package org.nestorvm.machine;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.FutureTask;
import java.util.concurrent.TimeUnit;
import org.nestorvm.isolation.ForegroundDevice;

/** {@code nestor device}: a device of ours in a confined process, for one front end. */
final class BackEndProcess {
    final Path socket;
    private final FutureTask<Integer> status;

    private BackEndProcess(Path socket, FutureTask<Integer> status) {
        this.socket = socket;
        this.status = status;
    }

    static BackEndProcess start(Path socket, String... arguments) throws Exception {
        List<String> all = new ArrayList<>(List.of(arguments));
        all.addAll(List.of("--socket", socket.toString()));
        FutureTask<Integer> status = new FutureTask<>(() -> ForegroundDevice.run(all.toArray(String[]::new)));
        Thread.ofPlatform().daemon().start(status);
        while (!Files.exists(socket)) {
            if (status.isDone()) throw new AssertionError("it has ended with " + status.get());
            Thread.sleep(20);
        }
        return new BackEndProcess(socket, status);
    }

    /** Its front end has gone. */
    void assertEnded() throws Exception {
        assertEquals(0, status.get(60, TimeUnit.SECONDS));
    }
}
