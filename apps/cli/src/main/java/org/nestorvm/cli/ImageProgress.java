package org.nestorvm.cli;

import java.nio.file.Path;
import java.util.function.DoubleConsumer;

/** The bar of a long image command, on standard error: on a terminal, or where it was asked for. */
final class ImageProgress implements DoubleConsumer, AutoCloseable {
    private static final int STDERR = 2;

    private final ProgressBar bar;
    private final String file;

    /** @param asked by -p */
    ImageProgress(String title, Path file, boolean asked, boolean quiet) {
        boolean terminal = RawTerminal.isTerminal(STDERR);
        bar = !quiet && (terminal || asked) ? new ProgressBar(System.err, terminal, "nestor: " + title) : null;
        this.file = file.getFileName().toString();
    }

    @Override
    public synchronized void accept(double done) {
        if (bar != null) bar.at(done, file);
    }

    @Override
    public void close() {
        if (bar != null) bar.end();
    }
}
