package org.nestorvm.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Help, the manual's pages and the shells' completion. */
class ManualTest {
    @TempDir
    Path directory;

    private static String execute(String... arguments) {
        StringWriter out = new StringWriter(), err = new StringWriter();
        int status = Nestor.commandLine()
                .setOut(new PrintWriter(out))
                .setErr(new PrintWriter(err))
                .execute(arguments);
        return status + " " + err + out;
    }

    @Test
    void helpOfACommandIsThatOfItsOption() {
        assertThat(execute("help", "run"))
                .isEqualTo(execute("run", "--help"))
                .contains("Usage: nestor run", "--shutdown-timeout");
        assertThat(execute("help", "image", "create")).isEqualTo(execute("image", "create", "--help"));
        assertThat(execute("help"))
                .isEqualTo(execute("--help"))
                .contains("help", "completion", "man")
                .doesNotContain("train", "userland");
        assertThat(execute("help", "rnu"))
                .startsWith("2 nestor: 'rnu' is no command; did you mean 'run'?")
                .hasLineCount(1);
    }

    @Test
    void everyCommandHasAPageWithItsOptions() throws Exception {
        ManCommand.write(Nestor.commandLine(), directory);
        try (Stream<Path> pages = Files.list(directory)) {
            assertThat(pages.map(page -> page.getFileName().toString()))
                    .contains("nestor.1", "nestor-run.1", "nestor-image.1", "nestor-image-create.1", "nestor-device.1")
                    .doesNotContain("nestor-train.1");
        }
        String run = Files.readString(directory.resolve("nestor-run.1"));
        Nestor.commandLine()
                .getSubcommands()
                .get("run")
                .getCommandSpec()
                .options()
                .forEach(option -> assertThat(run).contains(option.longestName().replace("-", "\\-")));
        assertThat(run)
                .startsWith(".TH NESTOR-RUN 1 ")
                .contains(
                        ".SH NAME\nnestor-run \\- Runs a guest",
                        ".SH SYNOPSIS\n.ad l\nnestor run",
                        "[\\-\\-virtio\\-console[=port=NAME:PATH,...]]",
                        "[\\-\\-vhost\\-user=KIND,path=SOCKET[,queues=N][,size=N]]...",
                        ".SH EXIT STATUS\n",
                        "\\fB\\-m, \\-\\-memory SIZE\\fR\nThe guest's memory");
        assertThat(execute("man", "run")).isEqualTo("0 " + run);
    }

    @Test
    void pagesAreWithoutFaultsToGroff() throws Exception {
        assumeTrue(Files.isExecutable(Path.of("/usr/bin/groff")), "skipped: no groff here");
        ManCommand.write(Nestor.commandLine(), directory);
        NestorProcess.Result result =
                NestorProcess.run("", List.of("sh", "-c", "groff -man -ww -Wbreak -Tascii " + directory + "/*.1"));
        assertThat(result.err()).isEmpty();
        assertThat(result.out()).contains("NESTOR-RUN(1)", "NESTOR-IMAGE-CREATE(1)");
    }

    @ParameterizedTest
    @CsvSource({
        "nestor ru,run",
        "nestor ima,image",
        "nestor run --memo,--memory",
        "nestor image cre,create",
        "nestor run --engine s,soft",
        "nestor run --device t,test",
        "nestor image convert -O q,qcow2",
        "nestor image info --output j,json",
        "nestor device b,balloon",
        "nestor help im,image",
        "nestor help image cr,create",
        "nestor man comp,completion"
    })
    void bashCompletes(String line, String completed) throws Exception {
        assumeTrue(Files.isExecutable(Path.of("/bin/bash")), "skipped: no bash here");
        String script = execute("completion", "bash");
        assertThat(script).startsWith("0 ").isEqualTo(execute("completion", "ZSH"));
        Path file = Files.writeString(directory.resolve("completion"), script.substring(2));
        int last = line.split(" ").length - 1;
        String ask = ". " + file + "; COMP_WORDS=(" + line + "); COMP_CWORD=" + last + "; COMP_LINE='" + line
                + "'; _complete_nestor; echo \"${COMPREPLY[@]}\"";
        assertThat(NestorProcess.run("", List.of("bash", "-c", ask))
                        .out()
                        .strip()
                        .split(" +"))
                .contains(completed);
    }
}
