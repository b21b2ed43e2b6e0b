package org.nestorvm.virtio.vsock;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.IOException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.channels.ServerSocketChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class VsockPathTest {
    @TempDir
    Path directory;

    private VsockDevice device() throws IOException {
        return new VsockDevice(
                "vsock", VsockOptions.parse(directory.resolve("v").toString()));
    }

    @Test
    void socketIsItsOwnersAndGoesWithTheDevice() throws IOException {
        Path path = directory.resolve("v");
        try (VsockDevice _ = device()) {
            assertEquals("rw-------", PosixFilePermissions.toString(Files.getPosixFilePermissions(path)));
            assertThatThrownBy(this::device)
                    .isInstanceOf(IOException.class)
                    .hasMessage("vsock path " + path
                            + " is in use, a program listens there: end it, or choose another path");
            assertThat(path).exists();
        }
        assertThat(path).doesNotExist();
    }

    @Test
    void socketFileThatIsLeftOverIsReplacedAndNothingElse() throws IOException {
        Path path = directory.resolve("v");
        ServerSocketChannel.open(StandardProtocolFamily.UNIX)
                .bind(UnixDomainSocketAddress.of(path))
                .close();
        assertThat(path).exists();
        device().close();
        Files.writeString(path, "precious");
        assertThatThrownBy(this::device)
                .isInstanceOf(IOException.class)
                .hasMessage("vsock path " + path + " exists and is not a socket: remove it, or choose another path");
        assertThat(path).hasContent("precious");
    }

    @Test
    void fileThatSomebodyElseHasPutThereStays() throws IOException {
        Path path = directory.resolve("v");
        try (VsockDevice _ = device()) {
            Files.delete(path);
            Files.writeString(path, "another's");
        }
        assertThat(path).hasContent("another's");
    }

    @Test
    void optionsAreAPathOrKeysWithValues() throws IOException {
        assertEquals(new VsockOptions(3, Path.of("/run/v"), 1024), VsockOptions.parse("/run/v"));
        assertEquals(new VsockOptions(42, Path.of("v"), 7), VsockOptions.parse("cid=42,path=v,connections=7"));
        assertEquals("v_4294967295", VsockOptions.parse("v").pathOf(-1));
        assertThatThrownBy(() -> new VsockOptions(2, Path.of("v"), 1)).isInstanceOf(IllegalArgumentException.class);
        assertThatThrownBy(() -> new VsockOptions(3, Path.of("x".repeat(97)), 1))
                .isInstanceOf(IllegalArgumentException.class);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "cid=2,path=v|vsock cid=2: must be a number from 3 to 4294967294",
                "cid=4294967295,path=v|vsock cid=4294967295: must be a number from 3 to 4294967294",
                "cid=x,path=v|vsock cid=x: must be a number from 3 to 4294967294",
                "path=v,connections=0|vsock connections=0: must be a number from 1 to 16384",
                "cid=3|vsock \"cid=3\" has no path: add path=PATH, the Unix socket at which programs of the "
                        + "host connect",
                "path=v,speed=1|vsock option \"speed=1\" is not known: write cid=N, path=PATH or connections=N, "
                        + "with commas between",
                "path=|vsock path \"\" has 0 bytes: a path of a Unix socket, with _PORT behind it, leaves 1 to 96",
                "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx|"
                        + "vsock path "
                        + "\"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
                        + "xxxxxxxxxxxxxx\" has 97 bytes: a path of a Unix socket, with _PORT behind it, leaves 1 to 96"
            })
    void whatIsWrongIsToldInOneLine(String text, String message) {
        assertThatThrownBy(() -> VsockOptions.parse(text))
                .isInstanceOf(IOException.class)
                .hasMessage(message);
    }
}
