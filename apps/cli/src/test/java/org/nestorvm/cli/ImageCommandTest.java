package org.nestorvm.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class ImageCommandTest {
    @TempDir
    Path directory;

    /** @return status, standard error and standard output */
    private static String image(Object... arguments) {
        StringWriter err = new StringWriter(), out = new StringWriter();
        String[] all = new String[arguments.length + 1];
        all[0] = "image";
        for (int i = 0; i < arguments.length; i++) all[i + 1] = arguments[i].toString();
        int status = Nestor.commandLine()
                .setErr(new PrintWriter(err))
                .setOut(new PrintWriter(out))
                .execute(all);
        return status + " " + err + out;
    }

    private Path file(String name) {
        return directory.resolve(name);
    }

    @Test
    void imageIsMadeToldOfCheckedAndResized() {
        assertThat(image("create", "-f", "qcow2", "-o", "cluster_size=4K,lazy_refcounts=on", file("a.qcow2"), "1.5G"))
                .startsWith("0 nestor: made ")
                .contains("qcow2, 1.5 GiB (1610612736 bytes)");
        assertThat(image("info", file("a.qcow2")))
                .startsWith("0 ")
                .contains(
                        "file format: qcow2\n",
                        "virtual size: 1.5 GiB (1610612736 bytes)\n",
                        "cluster_size: 4096\n",
                        "lazy refcounts: true\n");
        assertThat(image("info", "--output", "json", file("a.qcow2")))
                .contains("\"virtual-size\": 1610612736", "\"compat\": \"1.1\"", "\"cluster-size\": 4096");
        assertThat(image("resize", file("a.qcow2"), "+512M")).contains("2 GiB (2147483648 bytes)");
        assertThat(image("resize", file("a.qcow2"), "1G"))
                .startsWith("1 nestor: ")
                .contains("a.qcow2", "--shrink")
                .satisfies(said -> assertThat(said.lines()).hasSize(1));
        assertThat(image("resize", "--shrink", file("a.qcow2"), "-1G"))
                .startsWith("0 ")
                .contains("1 GiB");
        assertThat(image("check", file("a.qcow2"))).startsWith("0 no errors\n");
        assertThat(image("check", "--output", "json", file("a.qcow2"))).contains("\"corruptions\": 0", "\"leaks\": 0");
    }

    @Test
    void convertedImagesHoldTheSame() throws IOException {
        byte[] content = new byte[1 << 20];
        new Random(1).nextBytes(content);
        Files.write(file("a.raw"), content);
        assertThat(image("convert", "-O", "qcow2", "-c", "-o", "compression_type=zstd", file("a.raw"), file("b.qcow2")))
                .isEqualTo("0 ");
        assertThat(image("convert", "-f", "qcow2", "-O", "raw", file("b.qcow2"), file("c.raw")))
                .isEqualTo("0 ");
        assertThat(Files.readAllBytes(file("c.raw"))).isEqualTo(content);
    }

    @Test
    void overlayTakesSizeAndContentFromItsBackingFile() throws IOException {
        Files.write(file("base.raw"), new byte[3 << 20]);
        assertThat(image("create", "-f", "qcow2", "-b", "base.raw", "-F", "raw", file("top.qcow2")))
                .contains("3 MiB");
        assertThat(image("info", file("top.qcow2")))
                .contains(
                        "backing file: base.raw (actual path: " + file("base.raw") + ")\n",
                        "backing file format: raw\n");
    }

    @Test
    void snapshotsAreMadeListedAppliedAndDeleted() throws IOException {
        image("create", "-f", "qcow2", file("a.qcow2"), "1M");
        assertThat(image("snapshot", file("a.qcow2"))).isEqualTo("0 ");
        assertThat(image("snapshot", "-c", "before the update", file("a.qcow2")))
                .isEqualTo("0 ");
        assertThat(image("snapshot", "-c", "second", file("a.qcow2"))).isEqualTo("0 ");
        assertThat(image("snapshot", "-l", file("a.qcow2")))
                .startsWith("0 Snapshot list:\nID        TAG               VM SIZE")
                .containsPattern(
                        "1         before the update      0 B 20[0-9-]+ [0-9:]+ 00:00:00.000          0\n2      "
                                + "   second ");
        assertThat(image("snapshot", "-a", "1", file("a.qcow2"))).isEqualTo("0 ");
        assertThat(image("snapshot", "-d", "second", file("a.qcow2"))).isEqualTo("0 ");
        assertThat(image("snapshot", file("a.qcow2")))
                .contains("before the update")
                .doesNotContain("second");
        assertThat(image("snapshot", "-a", "second", file("a.qcow2")))
                .startsWith("1 nestor: ")
                .contains("no snapshot 'second'");
        assertThat(image("snapshot", "-l", "-c", "x", file("a.qcow2"))).startsWith("2 nestor: ");
        assertThat(image("info", "--output", "json", file("a.qcow2"))).contains("\"vm-clock-nsec\": 0");
    }

    @Test
    void overlayIsCommittedRebasedAndCompared() throws IOException {
        byte[] content = new byte[1 << 20];
        new Random(1).nextBytes(content);
        Files.write(file("base.raw"), content);
        image("create", "-f", "qcow2", "-b", "base.raw", "-F", "raw", file("top.qcow2"));
        assertThat(image("compare", "-f", "qcow2", "-F", "raw", file("top.qcow2"), file("base.raw")))
                .isEqualTo("0 Images are identical.\n");
        assertThat(image("compare", "-q", "-f", "qcow2", "-F", "raw", file("top.qcow2"), file("base.raw")))
                .isEqualTo("0 ");
        assertThat(image("compare", file("top.qcow2"), file("base.raw")))
                .startsWith("2 nestor: ")
                .contains("guessed", "say format=qcow2 (nestor image: -f qcow2)");
        assertThat(image("compare", file("base.raw"), file("top.qcow2")))
                .startsWith("2 nestor: ")
                .contains("guessed", "-F qcow2");
        assertThat(image("compare", file("nowhere"), file("base.raw")))
                .startsWith("2 nestor: ")
                .satisfies(said -> assertThat(said.lines()).hasSize(1));
        Files.write(file("other.raw"), new byte[1 << 19]);
        assertThat(image("compare", "-F", "raw", file("base.raw"), file("other.raw")))
                .isEqualTo("1 Warning: Image size mismatch!\nContent mismatch at offset 0!\n");
        assertThat(image("compare", "-s", file("base.raw"), file("other.raw")))
                .isEqualTo("1 Strict mode: Image size mismatch!\n");
        assertThat(image("rebase", "-f", "qcow2", "-b", "other.raw", "-F", "raw", file("top.qcow2")))
                .isEqualTo("0 ");
        assertThat(image("compare", "-f", "qcow2", "-F", "raw", file("top.qcow2"), file("base.raw")))
                .isEqualTo("0 Images are identical.\n");
        assertThat(image("commit", "-f", "qcow2", file("top.qcow2"))).isEqualTo("0 Image committed.\n");
        assertThat(Files.readAllBytes(file("other.raw"))).isEqualTo(content);
        assertThat(image("rebase", "-u", "-b", "", file("top.qcow2"))).isEqualTo("0 ");
        assertThat(image("info", file("top.qcow2"))).doesNotContain("backing");
        assertThat(image("commit", file("top.qcow2"))).startsWith("1 nestor: ").contains("no backing file");
    }

    @Test
    void mapTellsPlacesInTheWordsOfQemuImg() throws IOException {
        Files.write(file("base.raw"), new byte[65_536 * 2]);
        image("create", "-f", "qcow2", "-b", "base.raw", "-F", "raw", file("top.qcow2"), "256K");
        assertThat(image("map", "-f", "qcow2", file("top.qcow2")))
                .isEqualTo("0 Offset          Length          Mapped to       File\n"
                        + "0               0x20000         0               " + file("base.raw") + "\n");
        assertThat(image("map", "-f", "qcow2", "--output", "json", file("top.qcow2")))
                .isEqualTo("""
            0 [{ "start": 0, "length": 131072, "depth": 1, "present": true, "zero": false, "data": true, \
            "compressed": false, "offset": 0},
            { "start": 131072, "length": 131072, "depth": 0, "present": false, "zero": true, "data": false, \
            "compressed": false}]
            """);
        assertThat(image("map", "-f", "qcow2", "--start-offset", "64K", "--max-length", "4K", file("top.qcow2")))
                .contains("0x10000         0x1000          0x10000         ");
        Files.write(file("noise"), "some text that packs well ".repeat(5000).getBytes());
        image("convert", "-f", "raw", "-O", "qcow2", "-c", file("noise"), file("packed.qcow2"));
        assertThat(image("map", file("packed.qcow2")))
                .startsWith("1 nestor: ")
                .contains("packed.qcow2", "--output json")
                .satisfies(said -> assertThat(said.lines()).hasSize(1));
        assertThat(image("map", "--output", "json", file("packed.qcow2"))).contains("\"compressed\": true}]");
    }

    /** By its own name, by another one, and through others that have it below them. */
    @Test
    void noImageGetsItselfBelowItself() throws IOException {
        for (String name : new String[] {"a", "b", "c"}) image("create", "-f", "qcow2", file(name), "1M");
        Files.createSymbolicLink(file("link"), file("a"));
        assertCycle("a: cannot be its own backing file", "rebase", "-u", "-b", "a", "-F", "qcow2", file("a"));
        assertCycle("a: cannot be its own backing file", "rebase", "-u", "-b", file("link"), "-F", "raw", file("a"));
        assertCycle("a: cannot be its own backing file", "rebase", "-b", "./a", file("a"));
        assertCycle("a: cannot be its own", "create", "-f", "qcow2", "-b", "a", "-F", "qcow2", file("a"));
        assertThat(image("rebase", "-u", "-b", "b", "-F", "qcow2", file("a"))).isEqualTo("0 ");
        assertThat(image("rebase", "-u", "-b", "c", "-F", "qcow2", file("b"))).isEqualTo("0 ");
        for (String name : new String[] {"a", "b"}) {
            String said = "c: is below " + name + ", which so cannot be its backing file";
            assertCycle(said, "rebase", "-u", "-b", name, "-F", "qcow2", file("c"));
            assertCycle(said, "rebase", "-b", name, "-F", "qcow2", file("c"));
            assertCycle(said, "create", "-f", "qcow2", "-b", name, "-F", "qcow2", file("c"), "1M");
        }
        assertThat(image("info", file("c"))).contains("1 MiB").doesNotContain("backing");
        assertThat(image("map", "-f", "qcow2", file("a"))).startsWith("0 ");
    }

    /** A backing file that is not there yet may become the image. */
    @Test
    void imageThatIsYetToBeMadeIsNoBackingFileOfItsBackingFile() {
        image("create", "-f", "qcow2", file("a"), "1M");
        assertThat(image("rebase", "-u", "-b", "later", "-F", "qcow2", file("a")))
                .isEqualTo("0 ");
        assertCycle("later: is below a", "create", "-f", "qcow2", "-b", "a", "-F", "qcow2", file("later"), "1M");
        assertThat(file("later")).doesNotExist();
    }

    private static void assertCycle(String part, Object... arguments) {
        assertThat(image(arguments))
                .startsWith("1 nestor: ")
                .contains(part, "; name another image")
                .satisfies(said -> assertThat(said.lines()).hasSize(1));
    }

    @Test
    void damageIsFoundAndMended() throws IOException {
        image("create", "-f", "qcow2", "-o", "preallocation=metadata", file("a.qcow2"), "1M");
        try (FileChannel channel = FileChannel.open(file("a.qcow2"), StandardOpenOption.WRITE)) {
            channel.write(ByteBuffer.wrap(new byte[] {0, 0}), 2 * 65536 + 2 * 5); // a refcount of data
            channel.write(ByteBuffer.wrap(new byte[] {0, 9}), 2 * 65536 + 2 * 100); // and one of nothing
        }
        assertThat(image("check", file("a.qcow2")))
                .startsWith(ImageCommand.CORRUPT + " ")
                .contains("1 leaked clusters");
        assertThat(image("check", "-r", "leaks", file("a.qcow2")))
                .startsWith(ImageCommand.CORRUPT + " ")
                .contains("(1 freed)");
        assertThat(image("check", "-r", "all", file("a.qcow2")))
                .startsWith("0 ")
                .contains("mended");
        assertThat(image("check", file("a.qcow2"))).startsWith("0 no errors");
    }

    @ParameterizedTest
    @CsvSource({
        "create -f vmdk F 1G,'vmdk'",
        "create -f qcow2 F 12X,'no size'",
        "create -f qcow2 -o cluster_size=3K F 1G,'power of two'",
        "create -f qcow2 -o colour=red F 1G,'colour'",
        "create F,'needs a size'",
        "create F -5,'-5'",
        "create -b x F 1G,'pass -f qcow2'",
        "create -f qcow2 -b x -F vmdk F 1G,'vmdk'",
        "create -f qcow2 -o preallocation=full -b x F 1G,'preallocation'",
        "convert -O vmdk F G,'vmdk'",
        "convert -f vmdk F G,'vmdk'",
        "convert -c F G,'-O qcow2'",
        "convert -O qcow2 -c -o refcount_bits=1 F G,'refcount_bits'",
        "convert -O qcow2 -o backing_file=x F G,'create -b'",
        "info -f vmdk F,'vmdk'",
        "info --output xml F,'xml'",
        "check -r some F,'some'",
        "map --start-offset -5 F,'--start-offset: \'\'-5\'\' is no size'",
        "map --start-offset=1.5 F,'is no size'",
        "map --max-length 9E F,'too large'",
        "resize F 5X,'\'\'5X\'\' is no size'",
        "resize F --5,'\'\'-5\'\' is no size'",
        "resize F 9E,'too large'",
        "rebase -b x -F vmdk F,'vmdk'",
        "compare -F vmdk F G,'vmdk'",
        "commit -f vmdk F,'vmdk'",
        "snapshot -f vmdk F,'vmdk'"
    })
    void wrongOptionsAreOneLineAndStatusTwo(String arguments, String part) {
        assertError(2, arguments, part);
    }

    @ParameterizedTest
    @CsvSource({"info F,'no such file'", "convert F G,'check the path'", "resize F 5G,'no such file'"})
    void errorsAreOneLineAndStatusOne(String arguments, String part) {
        assertError(1, arguments, part);
    }

    private void assertError(int status, String arguments, String part) {
        Object[] words = arguments
                .replaceAll(" F( |$)", " " + file("f") + "$1")
                .replaceAll(" G$", " " + file("g"))
                .split(" ");
        assertThat(image(words))
                .startsWith(status + " nestor: ")
                .contains(part)
                .satisfies(said -> assertThat(said.lines()).hasSize(1));
        assertThat(file("f")).doesNotExist();
    }

    @Test
    void commandIsNeeded() {
        assertThat(image()).startsWith("2 nestor: a command is missing; there are create");
        assertThat(image("info", "--output", "xml", file("f")))
                .startsWith("2 nestor: ")
                .contains("xml");
    }
}
