package org.nestorvm.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.nestorvm.machine.DiskSpec;
import org.nestorvm.virtio.net.NetOptions;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;

class DeviceOptionsTest {
    @Command
    private static final class Holder {
        @Mixin
        private DeviceOptions devices;
    }

    private static DeviceOptions parse(String... arguments) {
        Holder holder = new Holder();
        new CommandLine(holder).parseArgs(arguments);
        return holder.devices;
    }

    @Test
    void withoutOptionsThereIsNoDevice() {
        assertThat(parse().sources()).isEmpty();
    }

    @Test
    void oneImageIsOneDiskUnlessItIsOnlyRead(@TempDir Path directory) throws IOException {
        String image = Files.createFile(directory.resolve("a.raw")).toString();
        String link = Files.createSymbolicLink(directory.resolve("b.raw"), Path.of(image))
                .toString();
        assertThatThrownBy(() -> parse("--isolate", "--disk", image, "--disk", link + ",readonly")
                        .sources())
                .isInstanceOf(CommandLine.ParameterException.class)
                .hasMessageContaining("--disk " + link + ": the image is given twice")
                .hasMessageContaining("readonly each time");
        assertThat(parse(
                                "--disk",
                                image + ",readonly",
                                "--disk",
                                link + ",readonly",
                                "--disk",
                                directory.resolve("c").toString())
                        .sources())
                .hasSize(3);
    }

    @Test
    void disksAreTakenInTheirOrder() {
        DeviceOptions devices = parse(
                "--disk",
                "a.raw",
                "--disk",
                "b,,c.qcow2,format=qcow2,readonly,serial=S1,queues=3,threads=0,isolate=on");
        assertThat(devices.disks)
                .containsExactly(
                        new DiskChoice(DiskSpec.of(Path.of("a.raw")), null),
                        new DiskChoice(new DiskSpec(Path.of("b,c.qcow2"), "qcow2", true, "S1", 3, 0), true));
        assertThat(devices.sources()).hasSize(2);
    }

    @Test
    void everyOtherDeviceIsTaken() {
        DeviceOptions devices = parse(
                "--cdrom",
                "x.iso",
                "--share",
                "dir,tag=t",
                "--share",
                "other",
                "--vhost-user",
                "blk,path=/s,queues=2",
                "--vsock",
                "/v",
                "--rng",
                "--balloon",
                "--virtio-console",
                "--net",
                "none",
                "--net",
                "user,tcp=8080:80");
        assertThat(devices.cdrom).isEqualTo(Path.of("x.iso"));
        assertThat(devices.shares)
                .containsExactly(new ShareChoice(Path.of("dir"), "t"), new ShareChoice(Path.of("other"), null));
        assertThat(devices.vhostUser).containsExactly(new VhostUserChoice("blk", 2, Path.of("/s"), 2, 256));
        assertThat(devices.nets)
                .extracting(NetOptions::kind)
                .containsExactly(NetOptions.Kind.NONE, NetOptions.Kind.USER);
        assertThat(devices.sources()).hasSize(9); // none is no device
    }

    @Test
    void devicesThatKeepARunFromRepeatingItselfAreNamed() {
        assertThat(parse("--disk", "a", "--rng", "--cdrom", "c", "--net", "none", "--balloon")
                        .unrepeatable())
                .isEmpty();
        assertThat(parse("--disk", "a,isolate=on", "--net", "user", "--vsock", "/v")
                        .unrepeatable())
                .containsExactly("--net", "--vsock", "a disk in a process of its own");
        assertThat(parse("--isolate", "--disk", "a,isolate=off").unrepeatable()).isEmpty();
        StringWriter err = new StringWriter();
        int status = Nestor.commandLine()
                .setErr(new PrintWriter(err))
                .execute("run", "--clock", "instructions", "--net", "user");
        assertThat(status + " " + err)
                .startsWith("2 nestor: with --clock instructions")
                .contains("--net");
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "--disk|a,format=vmdk|vmdk",
                "--disk|,format=raw|path",
                "--disk|a,size=3|is not known",
                "--disk|a,readonly=maybe|on or off",
                "--disk|a,queues=x|a number",
                "--disk|a,queues=65|1 to 64",
                "--disk|a,threads=65|0 to 64",
                "--disk|a,serial=123456789012345678901|20 printable",
                "--disk|a,format=raw,format=raw|given twice",
                "--share|,tag=a|path",
                "--share|a,tag=|1 to 36",
                "--vhost-user|toaster,path=/x|balloon, blk, console, fs, net, rng, scsi, vsock are",
                "--vhost-user|blk|add path=SOCKET",
                "--vhost-user|blk,path=/x,size=100|power of two",
                "--vhost-user|blk,path=/x,queues=0|1 to 256",
                "--net|wifi|not known",
                "--vsock|cid=3|path",
                "--balloon|target=1|whole pages"
            })
    void whatIsWrongIsNamed(String option, String value, String message) {
        assertThatThrownBy(() -> parse(
                        option.equals("--balloon")
                                ? new String[] {option + "=" + value}
                                : new String[] {option, value}))
                .isInstanceOf(CommandLine.ParameterException.class)
                .hasMessageContaining(message);
    }
}
