package org.nestorvm.machine;

/** What the user can do about an OutOfMemoryError: HotSpot's messages tell which limit was met. */
public final class HeapLimit {
    private HeapLimit() {}

    /** One line with the limit and the mend. */
    public static String explain(OutOfMemoryError error) {
        String message = String.valueOf(error.getMessage());
        if (message.contains("native thread"))
            return "the host gives this process no more threads or memory (" + message
                    + "); raise `ulimit -u`, `ulimit -v` or the container's limit of processes";
        if (message.contains("Java heap space") || message.contains("GC overhead") || message.contains("array size"))
            return "the Java heap of " + (Runtime.getRuntime().maxMemory() >> 20) + " MiB is too small (" + message
                    + "); raise it with NESTOR_JAVA_OPTIONS=-Xmx512m, or leave -Xmx out";
        return "the JVM is out of memory (" + message
                + "); give this process more, or change the options in NESTOR_JAVA_OPTIONS";
    }
}
