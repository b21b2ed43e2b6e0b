package org.nestorvm.isolation;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;

/**
 * The JVM's AOT cache of device processes: classes that are loaded and linked already, which all device processes map
 * and share.
 */
public final class DeviceCache {
    private DeviceCache() {}

    /** Where this program looks for it; null when it has none. */
    public static Path file() {
        String cache = System.getProperty(JavaCommand.AOT_CACHE);
        return cache == null ? null : Path.of(cache);
    }

    /**
     * Records one, with the java and the modules that device processes will have. @return what the JVM said when it
     * could not
     */
    public static List<String> record(Path file) throws IOException, InterruptedException {
        Files.deleteIfExists(file);
        List<String> command = JavaCommand.withoutCache(DeviceKind.RNG);
        command.set(0, JavaCommand.program());
        command.add(1, "-XX:AOTCacheOutput=" + file);
        command.add(DeviceMain.REHEARSE);
        Process rehearsal =
                new ProcessBuilder(command).redirectErrorStream(true).start();
        List<String> lines = rehearsal.inputReader().lines().toList();
        return rehearsal.waitFor() == 0 && Files.exists(file) ? List.of() : lines;
    }
}
