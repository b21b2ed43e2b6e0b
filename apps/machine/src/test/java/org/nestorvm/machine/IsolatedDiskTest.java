package org.nestorvm.machine;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.nestorvm.isolation.IsolatedDevice;

/**
 * A guest writes to a file system on a disk whose process is killed again and again: it sees no error, and everything
 * is there. {@code -Dnestor.kills=N} kills it N times instead of a few.
 */
class IsolatedDiskTest {
    private static final String SCRIPT = """
        mke2fs /dev/vda >/dev/null 2>&1
        mount -t ext4 /dev/vda /tmp
        for round in $(seq 1 ROUNDS); do
          dd if=/dev/urandom of=/tmp/$round bs=64k count=16 conv=fsync 2>/dev/null &
          say kill $round
          wait
          sha256sum /tmp/$round >>/tmp/sums
          rm -f /tmp/$((round - 20))
        done
        sync
        echo 3 >/proc/sys/vm/drop_caches
        say wrong "$(tail -n 20 /tmp/sums | sha256sum -c 2>&1 | grep -v -c ': OK$')"
        say right "$(tail -n 20 /tmp/sums | sha256sum -c 2>&1 | grep -c ': OK$')"
        say errors "$(dmesg | grep -i 'vda\\|ext4\\|jbd2\\|hung' | grep -c -i 'error\\|abort\\|blocked')"
        umount /tmp
        """;

    @TempDir
    Path directory;

    @Test
    @Timeout(value = 30, unit = TimeUnit.MINUTES)
    void p34_killedDeviceProcessLosesNothing() throws Exception {
        int kills = Integer.getInteger("nestor.kills", 5);
        Path image = directory.resolve("disk");
        try (RandomAccessFile sparse = new RandomAccessFile(image.toFile(), "rw")) {
            sparse.setLength(64 << 20);
        }
        AtomicInteger killed = new AtomicInteger();
        List<Integer> processes = new ArrayList<>();
        Map<String, String> said = CheckedGuest.with(directory, SCRIPT.replace("ROUNDS", Integer.toString(kills)))
                .run(
                        config -> config.withDevice(
                                Devices.isolatedDisk("disk", new DiskSpec(image, "raw", false, null, null, null))),
                        (machine, line) -> {
                            if (!line.startsWith("kill ")) return;
                            IsolatedDevice disk = (IsolatedDevice)
                                    machine.devices().getFirst().device();
                            processes.add(disk.process().pid());
                            disk.process().kill();
                            killed.incrementAndGet();
                        });
        assertEquals(kills, killed.get());
        assertThat(processes).doesNotHaveDuplicates();
        assertThat(said)
                .containsEntry("wrong", "0")
                .containsEntry("right", Integer.toString(Math.min(20, kills)))
                .containsEntry("errors", "0");
        checkFileSystem(image);
    }

    private static void checkFileSystem(Path image) throws IOException, InterruptedException {
        Path program = Path.of("/sbin/e2fsck");
        if (!Files.isExecutable(program)) return;
        Process check = new ProcessBuilder(program.toString(), "-fn", image.toString())
                .redirectErrorStream(true)
                .start();
        String output = new String(check.getInputStream().readAllBytes());
        assertEquals(0, check.waitFor(), output);
    }
}
