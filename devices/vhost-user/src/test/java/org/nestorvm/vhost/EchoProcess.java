package org.nestorvm.vhost;

import java.io.File;
import java.io.IOException;
import java.nio.file.Path;
import java.util.concurrent.TimeUnit;
import org.nestorvm.memory.DescriptorChannel;
import org.nestorvm.memory.DescriptorListener;

/** A back end in a process of its own, which connects to us; started again when it has died. */
final class EchoProcess implements Connector, AutoCloseable {
    private final DescriptorListener listener;
    private volatile Process process;
    private volatile int count;

    EchoProcess(DescriptorListener listener) {
        this.listener = listener;
    }

    @Override
    public DescriptorChannel connect(int failures) throws IOException, InterruptedException {
        Connector.pause(failures);
        if (process != null) process.waitFor();
        count++;
        process = new ProcessBuilder(
                        Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                        "-XX:TieredStopAtLevel=1",
                        "-XX:+UseSerialGC",
                        "-Xshare:auto",
                        "-Xmx64m",
                        "--enable-native-access=ALL-UNNAMED",
                        "-cp",
                        System.getProperty("java.class.path", "."),
                        EchoProcess.class.getName(),
                        listener.path().toString())
                .redirectErrorStream(true)
                .redirectOutput(ProcessBuilder.Redirect.INHERIT)
                .start();
        return listener.accept();
    }

    int count() {
        return count;
    }

    /** In the middle of the next requests. */
    void killSoon() {
        Process victim = process;
        Thread.ofPlatform().daemon().start(() -> {
            try {
                TimeUnit.MILLISECONDS.sleep(System.nanoTime() % 10);
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
            }
            victim.destroyForcibly();
        });
    }

    @Override
    public void close() {
        if (process != null) process.destroyForcibly();
    }

    /** The process: requests wait for others for a millisecond, so that some are always under way. */
    public static void main(String[] arguments) throws Exception {
        EchoDevice device = new EchoDevice(1, 6);
        Thread.ofPlatform().daemon().start(() -> {
            while (true) {
                try {
                    Thread.sleep(1);
                } catch (InterruptedException e) {
                    return;
                }
                device.finish(0);
            }
        });
        try (BackEnd backEnd = new BackEnd(device, true)) {
            backEnd.serve(DescriptorChannel.connect(new File(arguments[0]).toPath()));
        }
        device.close();
    }
}
