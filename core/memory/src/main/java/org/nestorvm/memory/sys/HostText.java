package org.nestorvm.memory.sys;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.net.URI;
import java.nio.ByteBuffer;
import java.nio.CharBuffer;
import java.nio.charset.CharsetDecoder;
import java.nio.charset.CoderResult;
import java.nio.charset.CodingErrorAction;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * Names of files and words of a command line are bytes to Linux, and strings to Java, which decodes them as the locale
 * says and loses what it cannot decode. Here a string carries any bytes: it is their UTF-8, and a byte that is no part
 * of UTF-8 is the lone surrogate U+DC00 + byte. Such a string means the same file in every locale.
 *
 * <p>A {@link Path} of this platform is made of bytes. Its only constructor that takes bytes is the one of a file URI,
 * whose escapes are bytes; {@link Path#toUri} is the way back.
 */
public final class HostText {
    private static final char ESCAPE = '\uDC00';
    private static final Path COMMAND_LINE = Path.of("/proc/self/cmdline");
    private static final Path ROOT = Path.of("/");
    private static final boolean UTF8 = "UTF-8".equalsIgnoreCase(System.getProperty("sun.jnu.encoding"));
    private static final String UNRESERVED = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.~/";

    private HostText() {}

    public static String text(byte... bytes) {
        CharsetDecoder decoder = StandardCharsets.UTF_8.newDecoder().onMalformedInput(CodingErrorAction.REPORT);
        ByteBuffer in = ByteBuffer.wrap(bytes);
        CharBuffer out = CharBuffer.allocate(bytes.length); // a byte never becomes two characters
        for (; ; ) {
            CoderResult result = decoder.decode(in, out, true);
            if (result.isUnderflow()) return out.flip().toString();
            for (int i = 0; i < result.length(); i++) out.put((char) (ESCAPE + (in.get() & 0xff)));
        }
    }

    /** What {@link #text(byte...)} was made from. */
    public static byte[] bytes(String text) {
        if (text.chars().noneMatch(HostText::isEscape)) return text.getBytes(StandardCharsets.UTF_8);
        ByteArrayOutputStream bytes = new ByteArrayOutputStream(text.length());
        text.codePoints().forEach(point -> {
            if (isEscape(point)) bytes.write(point - ESCAPE);
            else bytes.writeBytes(Character.toString(point).getBytes(StandardCharsets.UTF_8));
        });
        return bytes.toByteArray();
    }

    /** Among code points; among characters also the second half of a pair. */
    private static boolean isEscape(int point) {
        return point >= ESCAPE + 0x80 && point <= ESCAPE + 0xff;
    }

    private static boolean isAscii(String text) {
        return text.chars().allMatch(c -> c < 0x80);
    }

    /** The file that the text names, in any locale. */
    public static Path path(String text) {
        if (isAscii(text)) return Path.of(text);
        Path path = Path.of(text.startsWith("/") ? "/" : "");
        for (String name : text.split("/+")) {
            if (!name.isEmpty())
                path = path.resolve(
                        isAscii(name)
                                ? Path.of(name)
                                : Path.of(URI.create("file:///" + escaped(name)))
                                        .getFileName());
        }
        return path;
    }

    private static String escaped(String name) {
        StringBuilder escaped = new StringBuilder();
        for (byte b : bytes(name)) {
            if (UNRESERVED.indexOf(b) >= 0) escaped.append((char) b);
            else escaped.append('%').append(Character.forDigit(b >> 4 & 15, 16)).append(Character.forDigit(b & 15, 16));
        }
        return escaped.toString();
    }

    /** What {@link #path} makes the path from. */
    public static String text(Path path) {
        String decoded = path.toString();
        if (isAscii(decoded) || UTF8 && decoded.indexOf('\uFFFD') < 0) return decoded;
        StringBuilder text = new StringBuilder(path.isAbsolute() ? "/" : "");
        for (Path name : path)
            text.append(text.isEmpty() || text.charAt(text.length() - 1) == '/' ? "" : "/")
                    .append(name(name));
        return text.toString();
    }

    private static String name(Path name) {
        String uri = ROOT.resolve(name).toUri().getRawPath();
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        for (int i = 1; i < uri.length(); i++) {
            char c = uri.charAt(i);
            if (c == '%') {
                bytes.write(Integer.parseInt(uri, i + 1, i + 3, 16));
                i += 2;
            } else if (c != '/') { // behind the name of a folder
                bytes.write(c);
            }
        }
        return text(bytes.toByteArray());
    }

    /**
     * The arguments of main, without what was lost when the JVM decoded them. They are the last words of the process's
     * command line.
     */
    public static String[] arguments(String... decoded) {
        if (Arrays.stream(decoded).allMatch(HostText::isAscii)) return decoded;
        try {
            List<String> words = words(Files.readAllBytes(COMMAND_LINE));
            return words.size() < decoded.length
                    ? decoded
                    : words.subList(words.size() - decoded.length, words.size()).toArray(String[]::new);
        } catch (IOException e) {
            return decoded; // no /proc: what can be decoded works
        }
    }

    private static List<String> words(byte[] line) {
        List<String> words = new ArrayList<>();
        for (int from = 0, to; from < line.length; from = to + 1) {
            for (to = from; to < line.length && line[to] != 0; to++) continue;
            words.add(text(Arrays.copyOfRange(line, from, to)));
        }
        return words;
    }
}
