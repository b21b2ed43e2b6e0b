package org.nestorvm.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/**
 * A name with UTF-8, Latin-1 and bytes that are neither, in a locale that knows only ASCII and in one of UTF-8. A shell
 * makes the names, since Java cannot pass all of them.
 */
@Timeout(120)
class FileNamesTest {
    @TempDir
    Path directory;

    /** With {@code $name} as the file and {@code nestor} as the command, in an empty folder. */
    private String inEachLocale(String script) throws IOException, InterruptedException {
        String folder = directory.toString();
        List<String> command =
                new ArrayList<>(List.of("sh", "-c", """
            cd "$1"; shift
            round() {
                LC_ALL=$1; name=$(printf "$2"); shift 2
                export LC_ALL; mkdir work; cd work
                """ + script.replace("nestor ", "\"$@\" ") + """

                cd ..; rm -r work
            }
            for locale in C C.UTF-8; do round $locale 'd\\303\\244 \\344\\377%%41' "$@"; done""", "sh", folder));
        command.addAll(NestorProcess.command());
        NestorProcess.Result result = NestorProcess.run("", command, 110);
        assertThat(result.err()).isEmpty();
        return result.out();
    }

    @Test
    void imagesOfAnyNameAreMadeReadAndBased() throws Exception {
        String said = inEachLocale("""
            nestor image create -q "$name" 1M
            nestor image convert -q -O qcow2 "$name" "$name.q" && nestor image create -q -f qcow2 -b "$name.q" -F \
            qcow2 "$name.top" && nestor image info "$PWD/$name.top" | grep 'size.*1 MiB' >/dev/null || echo failed
            ls -A | wc -l; test -f "$name" && test -f "$name.q" && test -f "$name.top" && echo all
            """);
        assertThat(said.lines().filter(line -> line.equals("all"))).as(said).hasSize(2);
        assertThat(said.lines().filter(line -> line.strip().equals("3")))
                .as("files")
                .hasSize(2);
        assertThat(said).doesNotContain("failed");
    }

    @Test
    void guestsHaveKernelsDisksAndSocketsOfAnyName() throws Exception {
        Path guest = TinyGuest.write(directory.resolve("guest"), "up", TinyGuest.POWER_OFF);
        String said = inEachLocale("""
            cp ../guest "$name"; truncate -s 1M "$name.disk" "$name.iso"; mkdir "$name.d"
            nestor run -q --engine ENGINE -m 16M --kernel "$name" --disk "$name.disk" --vsock "$PWD/$name.d/v" \
            --cdrom "$name.iso" || echo failed
            ls "$name.d"
            """.replace("ENGINE", NestorProcess.engine()));
        assertThat(guest).exists();
        assertThat(said).isEqualTo("up".repeat(2));
    }
}
