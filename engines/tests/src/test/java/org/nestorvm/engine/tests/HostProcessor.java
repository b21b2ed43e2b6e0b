package org.nestorvm.engine.tests;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.stream.Stream;

/** The processor under the engine kvm, for tests that have to know whose it is. */
public final class HostProcessor {
    public static final boolean AMD = line("vendor_id").contains("AuthenticAMD");

    /** QEMU emulates it: the host is a machine of QEMU's without KVM (scripts/kvm-lab). */
    public static final boolean QEMU = line("model name").contains("QEMU TCG CPU");

    private HostProcessor() {}

    private static String line(String key) {
        try (Stream<String> lines = Files.lines(Path.of("/proc/cpuinfo"))) {
            return lines.filter(line -> line.startsWith(key)).findFirst().orElse("");
        } catch (IOException e) {
            return "";
        }
    }
}
