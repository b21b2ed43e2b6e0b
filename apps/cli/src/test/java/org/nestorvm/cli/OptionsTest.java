package org.nestorvm.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.nestorvm.machine.MachineConfig;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;

class OptionsTest {
    @TempDir
    Path directory;

    @Command
    private static final class Holder {
        @Mixin
        private RunOptions options;
    }

    private static RunOptions parse(String... arguments) {
        Holder holder = new Holder();
        new CommandLine(holder).setCaseInsensitiveEnumValuesAllowed(true).parseArgs(arguments);
        return holder.options;
    }

    /** @return status and standard error of the whole command */
    private static String execute(String... arguments) {
        StringWriter err = new StringWriter(), out = new StringWriter();
        int status = Nestor.commandLine()
                .setErr(new PrintWriter(err))
                .setOut(new PrintWriter(out))
                .execute(arguments);
        return status + " " + err + out;
    }

    @Test
    void defaultsAreThoseOfTheManual() {
        RunOptions options = parse();
        assertThat(options.engine).isEqualTo(RunOptions.EngineName.AUTO);
        assertThat(options.memoryBytes).isEqualTo(512L << 20);
        assertThat(options.cpus).isEqualTo(1);
        assertThat(options.kernel).isNull();
        assertThat(options.nestedPaging).isEqualTo(RunOptions.NestedPaging.EPT);
        assertThat(options.console).isEqualTo(new ConsoleChoice.Stdio());
        assertThat(options.clock).isEqualTo(RunOptions.ClockSource.HOST);
        assertThat(options.onReset).isEqualTo(RunOptions.OnReset.EXIT);
        assertThat(options.irqchip).isEqualTo(MachineConfig.Irqchip.SPLIT);
        assertThat(options.panic).isEqualTo(RunOptions.PanicSign.DEVICE);
        assertThat(options.timeout).isNull();
        assertThat(options.debugExit || options.trace || options.quiet).isFalse();
    }

    @Test
    void everyOptionIsTaken() {
        RunOptions options = parse(
                "--engine",
                "soft",
                "--memory",
                "2G",
                "--cpus",
                "2",
                "--kernel",
                "k",
                "--initrd",
                "i",
                "--append",
                "a b",
                "--nested-paging",
                "npt",
                "--console",
                "unix=/tmp/s",
                "--clock",
                "instructions",
                "--on-reset",
                "reboot",
                "--panic",
                "console",
                "--timeout",
                "1.5",
                "--debug-exit",
                "--trace",
                "-q");
        assertThat(options.engine).isEqualTo(RunOptions.EngineName.SOFT);
        assertThat(options.memoryBytes).isEqualTo(2L << 30);
        assertThat(options.console).isEqualTo(new ConsoleChoice.UnixSocket(Path.of("/tmp/s")));
        assertThat(options.append).isEqualTo("a b");
        assertThat(options.nestedPaging).isEqualTo(RunOptions.NestedPaging.NPT);
        assertThat(options.onReset).isEqualTo(RunOptions.OnReset.REBOOT);
        assertThat(options.panic).isEqualTo(RunOptions.PanicSign.CONSOLE);
        assertThat(options.timeout).isEqualTo(Duration.ofMillis(1500));
        assertThat(options.debugExit && options.trace && options.quiet).isTrue();
    }

    @ParameterizedTest
    @CsvSource({"512M,536870912", "64,67108864", "1g,1073741824", "2048K,2097152"})
    void sizesHaveSuffixes(String text, long bytes) {
        assertThat(parse("-m", text).memoryBytes).isEqualTo(bytes);
    }

    @ParameterizedTest
    @CsvSource({
        "--memory,12X,'no size'",
        "--memory,-1M,'no size'",
        "--console,tty,'no console'",
        "--console,unix=,'no console'",
        "--cpus,two,'two'",
        "--engine,fast,'fast'",
        "--clock,mine,'mine'",
        "--speed,9,'--speed'",
        "--irqchip,outside,'outside'",
        "--timeout,0,'number of seconds above 0'",
        "--timeout,-1,'no time limit'",
        "--timeout,1h,'no time limit'",
        "--panic,never,'never'",
        "--device,floppy,'--device: \'\'floppy\'\' is not known; test is'",
        "--engine,fast,'--engine: \'\'fast\'\' is not known; auto, kvm and soft are'",
        "--irqchip,fast,'--irqchip: \'\'fast\'\' is not known; split and kernel are'",
        "--cpus,two,'--cpus: \'\'two\'\' is no number'",
        "--cpus,99999999999,'--cpus: \'\'99999999999\'\' is out of range'",
        "--disk,'a.raw,format=vmdk','nestor: --disk a.raw: format \'\'vmdk\'\' is not known; raw and qcow2 are'",
        "--vhost-user,foo,'nestor: --vhost-user \'\'foo\'\': \'\'foo\'\' is no kind'",
        "--net,'user,tcp=99999:80','--net: tcp=99999:80: port 99999 is out of range; ports are 1 to 65535'",
        "--net,'user,udp=1:123456','port 123456 is out of range; ports are 1 to 65535'",
        "--net,'user,udp=0','port 0 is out of range; ports are 1 to 65535'"
    })
    void wrongValuesAreOneLineAndStatusTwo(String option, String value, String part) {
        assertThat(execute("run", option, value))
                .startsWith("2 nestor: ")
                .contains(part)
                .satisfies(said -> assertThat(said.lines()).hasSize(1));
    }

    @ParameterizedTest
    @CsvSource({
        "--cpus,65,'--cpus 65 is out of range; a guest has 1 to 64'",
        "--cpus,0,'--cpus 0 is out of range'",
        "--memory,0,'\'\'0\'\' is out of range'",
        "-m,4096K,pass",
        "-m,1001K,'multiple of 4K from 1M to 128G'",
        "-m,99999999T,'\'\'99999999T\'\' is out of range; a guest\'\'s memory is a multiple of 4K from 1M to 128G'",
        "-m,99999999999999999999999,'is out of range'",
        "--initrd,i,'without a kernel; pass --kernel'",
        "--shutdown-timeout,-1,'--shutdown-timeout -1 is out of range'",
        "--cpus,2 --clock instructions,'--clock instructions with --cpus 2: only one'",
        "--net,'unix=/x,server,isolate=on','neither listens'"
    })
    void whatNoGuestCanHaveIsStatusTwo(String option, String value, String part) {
        List<String> words = new ArrayList<>(List.of("run", "--engine", "soft", "--console", "none", option));
        words.addAll(List.of(value.split(" ")));
        if (!option.equals("--initrd")) words.addAll(List.of("--kernel", "/no/kernel"));
        if (part.equals("pass"))
            assertThat(execute(words.toArray(String[]::new))).startsWith("1 nestor: --kernel /no/kernel");
        else
            assertThat(execute(words.toArray(String[]::new)))
                    .startsWith("2 nestor: ")
                    .contains(part)
                    .satisfies(said -> assertThat(said.lines()).hasSize(1));
    }

    @ParameterizedTest
    @CsvSource({
        "runn,'\'\'runn\'\' is no command; did you mean \'\'run\'\'? `nestor --help` lists'",
        "trian,'is no command; `nestor --help`'",
        "run --memroy 5,'\'\'--memroy\'\' is no option of `nestor run`; did you mean \'\'--memory\'\'?'",
        "run --disc=x,'did you mean \'\'--disk\'\'?'",
        "image cerate x,'did you mean \'\'create\'\'?'",
        "image inf x,'did you mean \'\'info\'\'?'",
        "completion bash words,'one word too many'",
        "run words,'comes after --'",
        "image create -f vmdk x 1G,'not known'",
        "image create x 1X,'no size'",
        "image create x,'needs a size'",
        "image create -f qcow2 -o cluster_size=3 x 1M,'power of two'",
        "device,'which device'",
        "device foo,'no device is called'",
        "device rng --socket,'no option with a value'"
    })
    void mistakesAreStatusTwoWithWhatWasMeant(String words, String part) {
        assertThat(execute(words.split(" ")))
                .startsWith("2 nestor: ")
                .contains(part)
                .satisfies(said -> assertThat(said.lines()).hasSize(1));
    }

    /** Of every option and argument there is: a converter's words, without capitals and without the whole syntax. */
    @Test
    void enumerationsAreWrittenInSmallLetters() {
        assertThat(execute("completion", "fish")).contains("'fish' is not known; bash and zsh are");
        assertThat(execute("image", "info", "--output", "xml", "f")).contains("'xml' is not known; human and json are");
        assertThat(execute("image", "check", "-r", "none", "f")).contains("'none' is not known; leaks and all are");
        assertThat(execute("image", "convert", "-O", "vmdk", "f", "g"))
                .contains("'vmdk' is not known; raw and qcow2 are");
        assertThat(execute("userland", "--set", "no", "f")).contains("'no' is not known; small and full are");
    }

    @Test
    void commandIsNeeded() {
        assertThat(execute()).startsWith("2 nestor: a command is missing; `nestor run`");
        assertThat(execute("walk")).startsWith("2 nestor: ").contains("walk");
    }

    @ParameterizedTest
    @CsvSource({
        "--,no command follows --",
        "--read-only,--read-only is for a command",
        "--root /nonexistent,--root /nonexistent is",
        "--no-host-root,--no-host-root is for a command",
        "--verbose,--verbose is for a command"
    })
    void whatIsForACommandNeedsOne(String words, String part) {
        assertThat(execute(("run " + words).split(" ")))
                .startsWith("2 nestor: ")
                .contains(part, "-- COMMAND");
    }

    @Test
    void chipsInTheKernelNeedKvm() {
        assertThat(execute("run", "--engine", "soft", "--irqchip", "kernel"))
                .startsWith("2 nestor: --irqchip kernel with --engine soft")
                .contains("; pass --engine kvm");
        assertThat(execute("run", "--irqchip", "kernel", "--clock", "instructions"))
                .startsWith("2 nestor: --irqchip kernel with --clock instructions");
    }

    @Test
    void countedTimeNeedsTheSoftEngine() {
        assertThat(execute("run", "--engine", "kvm", "--clock", "instructions"))
                .startsWith("2 nestor: --clock instructions with --engine kvm")
                .contains("; pass --engine soft");
    }

    @ParameterizedTest
    @CsvSource({
        "console=ttyS0,true",
        "quiet console=ttyS0 root=/dev/vda,true",
        "console=hvc0 console=ttyS0,true",
        "console=ttyS0 console=hvc0,false",
        "quiet,false",
        "'',false"
    })
    void whatIsTypedGoesToTheLastConsoleThatTheCommandLineNames(String commandLine, boolean serial) {
        assertThat(RunCommand.typesOnSerialPort(commandLine)).isEqualTo(serial);
    }

    @Test
    void helpAndVersionAreOrdinaryOutput() {
        assertThat(execute("run", "--help"))
                .startsWith("0 Usage: nestor run")
                .contains("--nested-paging", "--debug-exit", "Status:");
        assertThat(execute("--version")).startsWith("0 nestor").contains("Java");
    }

    @Test
    void virtualizationIsSeenInTheProcessorsFlags() throws IOException {
        assertThat(EngineChoice.hasVirtualization(
                        Files.writeString(directory.resolve("a"), "flags\t\t: fpu vmx sse\n")))
                .isTrue();
        assertThat(EngineChoice.hasVirtualization(
                        Files.writeString(directory.resolve("b"), "flags\t\t: fpu svm_lock sse\nvmx flags\t: x\n")))
                .isFalse();
        assertThat(EngineChoice.hasVirtualization(directory.resolve("none"))).isTrue();
    }
}
