package org.nestorvm.boot.guest;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.nestorvm.boot.BootException;
import org.nestorvm.memory.sys.Privileges;

/** The fetch, with an apt of our own on the path: it copies packages made here and counts how often it runs. */
class DefaultGuestTest {
    private static final String KERNEL_PACKAGE = "linux-image-6.1.0-7-cloud-amd64";
    private static final String MODULES = "./lib/modules/6.1.0-7-cloud-amd64/kernel/";

    @TempDir
    Path directory;

    private Path programs, cache, calls;

    @BeforeEach
    void makeApt() throws IOException {
        programs = Files.createDirectories(directory.resolve("programs"));
        cache = directory.resolve("cache/nestor");
        calls = directory.resolve("calls");
        Path repository = Files.createDirectories(directory.resolve("repository"));
        TestDeb.write(
                repository.resolve(KERNEL_PACKAGE + "_6.1.7-1_amd64.deb"),
                ".xz",
                Map.of(
                        "./boot/vmlinuz-6.1.0-7-cloud-amd64",
                        "the kernel",
                        MODULES + "drivers/block/virtio_blk.ko",
                        "\0license=GPL\0alias=virtio:d00000002v*\0depends=virtio,virtio-ring\0",
                        MODULES + "drivers/virtio/virtio.ko",
                        "\0depends=\0",
                        MODULES + "drivers/new/virtio-new.ko",
                        "\0alias=virtio:d0000002Av*\0alias=virtio:d0000002Bv*\0depends=virtio\0",
                        MODULES + "drivers/virtio/virtio-ring.ko",
                        "\0depends=virtio\0",
                        MODULES + "sound/noise.ko",
                        "the noise"));
        TestDeb.write(
                repository.resolve("busybox-static_1%3a1.35-4_amd64.deb"),
                ".xz",
                Map.of("./bin/busybox", "the busybox"));
        program("apt-cache", "printf '%s\\n  Depends: " + KERNEL_PACKAGE + "\\n' \"$2\"");
        program(
                "apt-get",
                "echo \"$@\" >>" + calls + "; echo 'dlstatus:1:50.0:Retrieving file 1 of 2'; /bin/cp " + repository
                        + "/*.deb .");
    }

    private void program(String name, String script) throws IOException {
        Path file = Files.writeString(programs.resolve(name), "#!/bin/sh\n" + script + "\n");
        Files.setPosixFilePermissions(file, PosixFilePermissions.fromString("rwxr-xr-x"));
    }

    private DefaultGuest guest() {
        return new DefaultGuest(cache, "/nowhere::" + programs);
    }

    private List<String> cached() throws IOException {
        if (!Files.exists(cache)) return List.of();
        try (Stream<Path> files = Files.list(cache)) {
            return files.map(file -> file.getFileName().toString()).toList();
        }
    }

    @Test
    void guestIsMadeOnceFromTheTwoPackages() throws IOException {
        List<Double> progress = new ArrayList<>();
        DefaultGuest.GuestFiles files = guest().get((done, what) -> progress.add(done));
        assertThat(files.kernel()).hasContent("the kernel");
        assertThat(new String(Files.readAllBytes(files.initrd()), StandardCharsets.ISO_8859_1))
                .startsWith("070701")
                .contains("the busybox", "inittab", DefaultGuest.READY);
        assertThat(files.versions()).contains(KERNEL_PACKAGE + "_6.1.7-1", "busybox-static_1%3a1.35-4");
        assertThat(progress).isSorted().contains(0.4).endsWith(1.0);
        assertThat(cached()).containsExactly("guest-" + DefaultGuest.RECIPE);
        assertThat(guest().get((done, what) -> {
                    throw new AssertionError("fetched again");
                }))
                .isEqualTo(files);
        assertThat(Files.readAllLines(calls))
                .hasSize(1)
                .first()
                .asString()
                .startsWith("download")
                .contains(KERNEL_PACKAGE, "busybox-static");
    }

    @Test
    void driversAndWhatTheyNeedAreInTheGuest() throws IOException {
        String root =
                new String(Files.readAllBytes(guest().get((done, what) -> {}).initrd()), StandardCharsets.ISO_8859_1);
        assertThat(root)
                .contains("lib/modules/6.1.0-7-cloud-amd64/virtio_blk.ko", "virtio_ring.ko", "virtio.ko")
                .doesNotContain("noise");
        assertThat(root)
                .contains("virtio_blk.ko: virtio_ring.ko virtio.ko\n", "virtio_ring.ko: virtio.ko\n", "virtio.ko:\n");
    }

    /** Also those that nobody has thought of. */
    @Test
    void everyDriverOfAVirtioDeviceIsFoundByItsType() throws IOException {
        String root =
                new String(Files.readAllBytes(guest().get((done, what) -> {}).initrd()), StandardCharsets.ISO_8859_1);
        assertThat(root)
                .contains(
                        "modules.alias",
                        "alias virtio:d00000002v* virtio_blk\n",
                        "alias virtio:d0000002Av* virtio_new\nalias virtio:d0000002Bv* virtio_new\n",
                        "virtio_new.ko: virtio.ko\n");
    }

    @Test
    void twoRunsAtOnceBothGetTheGuest() throws Exception {
        CountDownLatch together = new CountDownLatch(2);
        Progress meet = (done, what) -> {
            if (done != 0.8) return; // both have downloaded and are about to unpack
            together.countDown();
            try {
                together.await();
            } catch (InterruptedException e) {
                throw new AssertionError(e);
            }
        };
        List<Object> results = new ArrayList<>();
        Thread other = Thread.ofPlatform().start(() -> {
            try {
                results.add(guest().get(meet));
            } catch (BootException e) {
                results.add(e);
            }
        });
        DefaultGuest.GuestFiles mine = guest().get(meet);
        other.join();
        assertThat(results).containsExactly(mine);
        assertThat(cached()).containsExactly("guest-" + DefaultGuest.RECIPE);
    }

    @Test
    void failedDownloadLeavesNothingAndSaysWhatToPass() throws IOException {
        program("apt-get", "echo 'W: not this'; echo 'E: Unable to fetch some archives'; echo more; exit 100");
        assertThatThrownBy(() -> guest().get((done, what) -> {}))
                .isInstanceOf(BootException.class)
                .hasMessage("default guest: apt-get download failed (E: Unable to fetch some archives); run apt-get "
                        + "update, or pass --kernel FILE and --initrd FILE");
        assertThat(cached()).isEmpty();
    }

    @Test
    void brokenPackageLeavesNothing() throws IOException {
        program("apt-get", "echo junk >" + KERNEL_PACKAGE + "_1_amd64.deb; echo junk >busybox-static_1_amd64.deb");
        assertThatThrownBy(() -> guest().get((done, what) -> {}))
                .isInstanceOf(BootException.class)
                .hasMessageContaining("--kernel FILE");
        assertThat(cached()).isEmpty();
    }

    @Test
    void hostWithoutAptIsToldWhatToPass() {
        assertThatThrownBy(() -> new DefaultGuest(cache, "/nowhere").get((done, what) -> {}))
                .hasMessage("default guest: this host has no apt-cache to fetch it with; pass --kernel FILE and "
                        + "--initrd FILE");
    }

    @Test
    void aptThatDoesNotKnowThePackageIsToldToUpdate() throws IOException {
        program("apt-cache", "exit 0");
        assertThatThrownBy(() -> guest().get((done, what) -> {}))
                .hasMessageContaining("linux-image-cloud-amd64")
                .hasMessageContaining("apt-get update");
    }

    @Test
    void cacheThatCannotBeMadeIsNamed() throws IOException {
        Files.writeString(directory.resolve("cache"), "a file");
        assertThatThrownBy(() -> guest().get((done, what) -> {}))
                .isInstanceOf(BootException.class)
                .hasMessageContaining("XDG_CACHE_HOME")
                .hasMessageNotContaining("\n");
    }

    @Test
    void cacheFolderThatCannotBeMadeIsReplacedByOneOfTheUsersOwn() throws IOException {
        Map<String, String> nowhere = Map.of("XDG_CACHE_HOME", "/proc/nowhere");
        Path own = directory.resolve("nestor-" + Privileges.geteuid());
        assertThat(DefaultGuest.usableCacheFolder(nowhere, "/home/u", directory))
                .isEqualTo(own);
        assertThat(DefaultGuest.usableCacheFolder(Map.of(), "?", directory))
                .as("no entry in the list of users")
                .isEqualTo(own);
        assertThat(Files.getPosixFilePermissions(own)).isEqualTo(PosixFilePermissions.fromString("rwx------"));
        assertThat(DefaultGuest.usableCacheFolder(Map.of("XDG_CACHE_HOME", directory + "/c"), "/home/u", directory))
                .isEqualTo(directory.resolve("c/nestor"));
        Files.setPosixFilePermissions(own, PosixFilePermissions.fromString("rwxrwxrwx"));
        assertThatThrownBy(() -> DefaultGuest.usableCacheFolder(nowhere, "/home/u", directory))
                .isInstanceOf(BootException.class)
                .hasMessageContaining(own + " is not a folder that only this user can write; remove it");
        Files.delete(own);
        Files.createSymbolicLink(own, directory.resolve("c"));
        assertThatThrownBy(() -> DefaultGuest.usableCacheFolder(nowhere, "/home/u", directory))
                .hasMessageContaining("is not a folder that only this user can write");
    }

    @Test
    void fullDiskIsNamedInsteadOfApt() throws IOException {
        assertThatThrownBy(() -> DefaultGuest.checkRoom(directory, Long.MAX_VALUE))
                .isInstanceOf(BootException.class)
                .hasMessageContaining("the disk that holds " + directory + " has ")
                .hasMessageContaining("; make room there");
        program("apt-get", "echo 'E: Error writing to output file - write (28: No space left on device)'; exit 100");
        assertThatThrownBy(() -> guest().get((done, what) -> {}))
                .hasMessageContaining("a disk is full")
                .hasMessageContaining("make room")
                .hasMessageNotContaining("apt-get update");
    }

    @Test
    void cacheFolderFollowsTheBaseDirectorySpecification() {
        assertThat(DefaultGuest.cacheFolder(Map.of("XDG_CACHE_HOME", "/c"), "/home/u"))
                .isEqualTo(Path.of("/c/nestor"));
        assertThat(DefaultGuest.cacheFolder(Map.of("XDG_CACHE_HOME", "relative"), "/home/u"))
                .isEqualTo(Path.of("/home/u/.cache/nestor"));
        assertThat(DefaultGuest.cacheFolder(Map.of(), "/home/u")).isEqualTo(Path.of("/home/u/.cache/nestor"));
    }

    /** The host's own apt; run with {@code -Dnestor.test.fetch=true}. */
    @Test
    void realPackagesMakeAGuest() throws IOException {
        assumeTrue(
                Boolean.getBoolean("nestor.test.fetch"), "skipped: downloads 28 MB; -Dnestor.test.fetch=true runs it");
        assumeTrue(Files.isExecutable(Path.of("/usr/bin/apt-get")), "skipped: this host has no apt-get");
        DefaultGuest.GuestFiles files = new DefaultGuest(cache, "/usr/bin").get((done, what) -> {});
        assertThat(files.kernel()).isNotEmptyFile();
        assertThat(Files.size(files.initrd())).isGreaterThan(1 << 20);
    }
}
