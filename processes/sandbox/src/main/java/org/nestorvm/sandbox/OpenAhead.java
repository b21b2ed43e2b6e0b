package org.nestorvm.sandbox;

import java.io.File;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.stream.Stream;

/**
 * Opens what the JVM would open later and cannot any more: every jar of the class path or module path, so that classes
 * can still be read out of them, and the JDK's own image. Classes that lie in directories, as in a build tree, are
 * loaded at once, since each is a file.
 */
public final class OpenAhead {
    private static final String CLASS = ".class";

    private OpenAhead() {}

    /** Before {@link Sandbox#enter}. */
    public static void classes() throws IOException {
        // A search for what nobody has goes through all, and they stay open.
        ClassLoader.getSystemClassLoader()
                .getResources("META-INF/nestor/nothing")
                .hasMoreElements();
        for (String property : new String[] {"java.class.path", "jdk.module.path"}) {
            for (String element : System.getProperty(property, "").split(File.pathSeparator)) {
                Path path = Path.of(element);
                if (!element.isEmpty() && Files.isDirectory(path)) loadAll(path);
            }
        }
    }

    private static void loadAll(Path directory) throws IOException {
        try (Stream<Path> files = Files.walk(directory)) {
            for (Path file :
                    (Iterable<Path>) files.filter(path -> path.toString().endsWith(CLASS))::iterator)
                load(directory.relativize(file).toString());
        }
    }

    private static void load(String file) {
        try {
            Class.forName(
                    file.substring(0, file.length() - CLASS.length()).replace(File.separatorChar, '.'),
                    false,
                    ClassLoader.getSystemClassLoader());
        } catch (ClassNotFoundException | LinkageError e) {
            // What cannot be loaded now (module-info, a class whose superclass is in no jar here) could not have been
            // later.
        }
    }
}
