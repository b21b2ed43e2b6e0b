package org.nestorvm.isolation;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.File;
import java.io.IOException;
import java.lang.module.Configuration;
import java.lang.module.ModuleFinder;
import java.lang.module.ResolvedModule;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;

/** As modules, which is how the program runs; the other tests run on the class path. */
class ModulesTest {
    private static final String MODULE = "org.nestorvm.isolation";

    @Test
    void aDeviceProcessHasNothingOfTheMonitor() throws Exception {
        Path[] path = Arrays.stream(System.getProperty("java.class.path").split(File.pathSeparator))
                .map(Path::of)
                .filter(element -> !element.endsWith("test-classes"))
                .toArray(Path[]::new);
        Configuration modules =
                ModuleLayer.boot().configuration().resolve(ModuleFinder.of(path), ModuleFinder.of(), Set.of(MODULE));
        List<String> names = modules.modules().stream()
                .map(ResolvedModule::name)
                .filter(name -> name.startsWith("org.nestorvm"))
                .sorted()
                .toList();
        assertThat(names)
                .containsExactly(
                        "org.nestorvm.disk",
                        MODULE,
                        "org.nestorvm.memory",
                        "org.nestorvm.sandbox",
                        "org.nestorvm.vhost",
                        "org.nestorvm.virtio");

        String modulePath = modules.modules().stream()
                .map(module ->
                        Path.of(module.reference().location().orElseThrow()).toString())
                .collect(Collectors.joining(File.pathSeparator));
        Process rehearsal = new ProcessBuilder(
                        JavaCommand.program(),
                        "-XX:+UseSerialGC",
                        "-Xlog:class+load",
                        "-Dslf4j.provider=org.nestorvm.isolation.log.LineLogProvider",
                        "-Dslf4j.internal.verbosity=WARN",
                        "--enable-native-access=org.nestorvm.memory",
                        "-p",
                        modulePath,
                        "-m",
                        MODULE + "/" + DeviceMain.class.getName(),
                        DeviceMain.REHEARSE)
                .redirectErrorStream(true)
                .start();
        List<String> lines = rehearsal.inputReader().lines().toList();
        assertEquals(
                0,
                rehearsal.waitFor(),
                () -> lines.stream().filter(line -> !line.contains("source:")).collect(Collectors.joining("\n")));
        assertThat(lines)
                .anyMatch(line -> line.contains("org.nestorvm.virtio.rng.RngDevice "))
                .noneMatch(line -> line.contains("org.nestorvm.vmm"))
                .noneMatch(line -> line.contains("logback"));
    }

    @Test
    void argumentsAreChecked() throws Exception {
        assertThatThrownBy(() -> DeviceKind.of("toaster"))
                .isInstanceOf(IOException.class)
                .hasMessageContaining(
                        "no device is called 'toaster'; there are rng, blk, net, vsock, console, cdrom, balloon");
        assertThatThrownBy(() -> DeviceArguments.parse(new String[] {"rng", "fd"}, 1))
                .isInstanceOf(IOException.class)
                .hasMessageContaining("'fd' is no option with a value");
        DeviceArguments arguments =
                DeviceArguments.parse(new String[] {"rng", "--fd", "x", "--files", "4,5", "--colour", "red"}, 1);
        assertThatThrownBy(() -> arguments.takeNumber("fd", -1))
                .isInstanceOf(IOException.class)
                .hasMessageContaining("--fd 'x' must be a number");
        assertArrayEquals(new int[] {4, 5}, arguments.takeNumbers("files"));
        assertThatThrownBy(() -> arguments.checkAllTaken(DeviceKind.RNG))
                .isInstanceOf(IOException.class)
                .hasMessageContaining("a device rng has no option --colour");
        assertThatThrownBy(() -> DeviceKind.BLK.open("disk0", DeviceArguments.parse(new String[] {"blk"}, 1)))
                .isInstanceOf(IOException.class)
                .hasMessageContaining("needs --file NAME, or --files");
    }
}
