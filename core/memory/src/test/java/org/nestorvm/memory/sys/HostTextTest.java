package org.nestorvm.memory.sys;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Bytes, strings and paths; the locale is the one that the tests run in, and ImageCommand's and RunCommand's tests take
 * others.
 */
class HostTextTest {
    @Property(tries = 500)
    void everyStringOfBytesComesBack(@ForAll byte[] bytes) {
        assertArrayEquals(bytes, HostText.bytes(HostText.text(bytes)));
    }

    @Test
    void textThatIsUtf8IsItself() {
        for (String text : new String[] {"", "plain", "d\u00e4.raw", "\u20ac\ud83d\ude00", "\ud840\udc80"}) {
            assertEquals(text, HostText.text(text.getBytes(StandardCharsets.UTF_8)));
            assertArrayEquals(text.getBytes(StandardCharsets.UTF_8), HostText.bytes(text));
        }
        assertEquals("a\udce4b", HostText.text((byte) 'a', (byte) 0xe4, (byte) 'b'));
        assertEquals(
                "\udced\udca0\udc80",
                HostText.text((byte) 0xed, (byte) 0xa0, (byte) 0x80),
                "a surrogate in UTF-8 is not UTF-8");
    }

    @Test
    void pathsKeepEveryByte(@TempDir Path folder) throws Exception {
        for (String name :
                new String[] {"plain", "d\u00e4.raw", "d\udce4.raw", "%41 ?#", "\udcff\udcfe", "\ufffd", "a\\b"}) {
            Path relative = HostText.path(name), file = HostText.path(folder + "/" + name);
            assertEquals(name, HostText.text(relative));
            assertEquals(folder + "/" + name, HostText.text(file));
            assertEquals(file, folder.resolve(relative));
            Files.writeString(file, name.length() + "");
            int descriptor = Descriptors.open(HostText.text(file), Descriptors.O_RDONLY);
            Descriptors.close(descriptor);
            assertEquals(1, Files.size(file));
        }
        assertEquals("../\udce4/./x", HostText.text(HostText.path("../\udce4/./x/")));
        assertEquals("/", HostText.text(HostText.path("/")));
        Files.createDirectory(HostText.path(folder + "/\udcc0"));
        assertEquals(
                folder + "/\udcc0",
                HostText.text(HostText.path(folder + "/\udcc0")),
                "a folder's URI ends with a slash");
        assertTrue(Files.isDirectory(HostText.path(folder + "/\udcc0/")));
    }
}
