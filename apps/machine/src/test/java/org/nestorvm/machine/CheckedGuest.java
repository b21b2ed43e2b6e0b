package org.nestorvm.machine;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.function.BiConsumer;
import java.util.function.UnaryOperator;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.nestorvm.boot.BootException;
import org.nestorvm.boot.guest.DefaultGuest;
import org.nestorvm.boot.guest.Initramfs;
import org.nestorvm.vmm.Engine;

/**
 * The default guest with a script of the test's in place of the shell: each line {@code say NAME TEXT} of it becomes an
 * entry of the result.
 */
final class CheckedGuest {
    private static final Pattern SAID = Pattern.compile("(?m)^@@ (\\S+) ?(.*?)\\r?$");
    private static final String PROLOGUE =
            "#!/bin/sh\nexport PATH=/usr/sbin:/usr/bin:/sbin:/bin\nsay() { echo \"@@ $*\"; }\n";

    /** Less than the time limits of the tests, which would not say what stood still. */
    private static final long PATIENCE_MS = 270_000;

    private static final String COMMAND_LINE = "console=ttyS0 quiet loglevel=1 mitigations=off";

    private final Path kernel, initrd;

    private CheckedGuest(Path kernel, Path initrd) {
        this.kernel = kernel;
        this.initrd = initrd;
    }

    /** Skips the test where the guest cannot be fetched. @param folder for the initramfs */
    static CheckedGuest with(Path folder, String script) throws IOException {
        return with(folder, script, Map.of());
    }

    /** @param files more of them, by their paths */
    static CheckedGuest with(Path folder, String script, Map<String, byte[]> files) throws IOException {
        DefaultGuest.GuestFiles guest;
        try {
            guest = new DefaultGuest(
                            DefaultGuest.cacheFolder(System.getenv(), System.getProperty("user.home")),
                            System.getenv("PATH"))
                    .get((done, what) -> {});
        } catch (BootException e) {
            assumeTrue(false, "packages cannot be had: " + e.getMessage());
            throw e;
        }
        // The kernel unpacks archives one after the other; what comes later replaces what was there.
        Initramfs changes = new Initramfs()
                .file("etc/inittab", 0644, "ttyS0::once:/checks\n")
                .file("checks", 0755, PROLOGUE + script + "\n/etc/links-down\npoweroff -f\n");
        files.forEach((path, content) -> changes.file(path, 0755, content));
        Path initrd = folder.resolve("initramfs");
        Files.write(initrd, Files.readAllBytes(guest.initrd()));
        Files.write(initrd, changes.toArray(), StandardOpenOption.APPEND);
        return new CheckedGuest(guest.kernel(), initrd);
    }

    MachineConfig config() {
        return MachineConfig.kernel("checked", engine(), kernel, initrd.toString(), COMMAND_LINE);
    }

    /** Runs it to its power-off. @return what it said */
    Map<String, String> run(UnaryOperator<MachineConfig> devices) throws Exception {
        return run(devices, (machine, said) -> {});
    }

    /** @param hears each line that the guest says, as it says it; called on the console's thread */
    Map<String, String> run(UnaryOperator<MachineConfig> devices, BiConsumer<Machine, String> hears) throws Exception {
        Machine[] running = new Machine[1];
        ByteArrayOutputStream console = new ByteArrayOutputStream() {
            private int lineStart;

            @Override
            public synchronized void write(byte[] bytes, int offset, int length) {
                for (int i = 0; i < length; i++) {
                    write(bytes[offset + i]);
                    if (bytes[offset + i] != '\n') continue;
                    String line = new String(buf, lineStart, count - lineStart, StandardCharsets.UTF_8).strip();
                    lineStart = count;
                    if (line.startsWith("@@ ")) hears.accept(running[0], line.substring(3));
                }
            }
        };
        try (Machine machine = Machine.create(devices.apply(config()).withConsole(console))) {
            running[0] = machine;
            CompletableFuture<String> standing = new CompletableFuture<>();
            Thread watch = Thread.ofPlatform().daemon().name("stand-still").start(() -> watch(machine, standing));
            Outcome outcome = machine.run();
            watch.interrupt();
            watch.join();
            assertEquals(
                    Outcome.Kind.POWERED_OFF,
                    outcome.kind(),
                    () -> outcome.detail() + "\n" + standing.getNow("") + "\nThe console:\n" + console);
        }
        return said(console.toString(StandardCharsets.UTF_8));
    }

    /** Ends a guest that has not ended by itself, when it has been seen where it and its devices stand. */
    private static void watch(Machine machine, CompletableFuture<String> standing) {
        try {
            Thread.sleep(PATIENCE_MS);
        } catch (InterruptedException e) {
            return; // it has ended
        }
        standing.complete("Not at its end after " + PATIENCE_MS / 1000 + " s. " + StandStill.describe());
        machine.stop();
    }

    /**
     * The same in QEMU, interpreted. Room for a second processor makes it keep the guest's barriers, without which a
     * notification can be lost to a device that runs beside it: for one it leaves them all out.
     *
     * @param devices what is added to its command
     */
    Map<String, String> runInQemu(Path qemu, List<String> devices) throws Exception {
        List<String> command = new ArrayList<>(List.of(
                qemu.toString(),
                "-accel",
                "tcg",
                "-cpu",
                "max",
                "-machine",
                "q35,memory-backend=memory",
                "-m",
                "256M",
                "-smp",
                "1,maxcpus=2",
                "-object",
                "memory-backend-memfd,id=memory,size=256M,share=on",
                "-display",
                "none",
                "-serial",
                "stdio",
                "-no-reboot",
                "-nodefaults",
                "-kernel",
                kernel.toString(),
                "-initrd",
                initrd.toString(),
                "-append",
                COMMAND_LINE));
        command.addAll(devices);
        Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
        try {
            process.getOutputStream().close();
            String console = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
            assertEquals(0, process.waitFor(), console);
            return said(console);
        } finally {
            process.destroyForcibly();
        }
    }

    /** What stands in the output of a guest with such a script. */
    static Map<String, String> said(String console) {
        Map<String, String> said = new LinkedHashMap<>();
        Matcher line = SAID.matcher(console);
        while (line.find()) said.put(line.group(1), line.group(2));
        assertFalse(said.isEmpty(), console);
        return said;
    }

    static Engine engine() {
        return Engines.all().stream()
                .filter(engine -> engine.name().equals("soft"))
                .findAny()
                .orElseThrow();
    }
}
