package org.nestorvm.cli;

import java.io.FileDescriptor;
import java.io.FileInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.util.Arrays;
import java.util.concurrent.ArrayBlockingQueue;
import org.nestorvm.machine.Machine;
import sun.misc.Signal;
import sun.misc.SignalHandler;

/**
 * The user's end of the guest's serial port, across restarts of the guest. Input waits while there is no machine, or
 * none that takes it. Whoever reads from a terminal never waits, so that the monitor's own keys work beside a guest
 * that does not read; a pipe is read no faster than the guest takes it.
 */
final class ConsoleLink implements AutoCloseable {
    private static final int STDIN = 0;
    private static final char BELL = 7;
    private static final byte CTRL_D = 4;
    private static final long END_OF_FILE_MS = 500, LONGEST_END_OF_FILE_MS = 8000;
    private static final String HELP = "\r\nnestor: Ctrl-A x leaves, Ctrl-A a sends Ctrl-A, Ctrl-A h shows this\r\n";

    /** Chunks that wait for the guest: a megabyte, more than anybody pastes. */
    private static final int WAITING = 256, CHUNK = 4096;
    /** The UART says only when asked whether it has room again. */
    private static final long ROOM_POLL_MS = 10;
    /** The kernel does not tell when a shell brings this process to the foreground without having stopped it. */
    private static final long FOREGROUND_POLL_MS = 200;

    private final OutputStream output;
    private final boolean onTerminal;
    private volatile RawTerminal terminal; // null while it is not ours
    private final ArrayBlockingQueue<byte[]> waiting;
    private Machine machine;

    private ConsoleLink(OutputStream output, boolean onTerminal) {
        this(output, onTerminal, new ArrayBlockingQueue<>(WAITING));
    }

    private ConsoleLink(OutputStream output, boolean onTerminal, ArrayBlockingQueue<byte[]> waiting) {
        this.output = output;
        this.onTerminal = onTerminal;
        this.waiting = waiting;
        Thread.ofPlatform().name("console-typing").daemon().start(this::deliver);
    }

    /**
     * @param standardOutput where the guest's output goes with {@code stdio}
     * @param endOfFile whether the guest is told of the end of standard input by Ctrl-D, as a shell on its serial port
     *     takes it; otherwise it waits for more
     */
    static ConsoleLink open(ConsoleChoice choice, OutputStream standardOutput, boolean endOfFile) throws IOException {
        return switch (choice) {
            case ConsoleChoice.None() -> new ConsoleLink(OutputStream.nullOutputStream(), false);
            case ConsoleChoice.UnixSocket(var path) -> {
                ArrayBlockingQueue<byte[]> waiting = new ArrayBlockingQueue<>(WAITING); // before the first client
                SocketConsole socket =
                        SocketConsole.listen(path, (bytes, length) -> waiting.put(Arrays.copyOf(bytes, length)));
                yield new ConsoleLink(socket, false, waiting);
            }
            case ConsoleChoice.Stdio() -> stdio(standardOutput, endOfFile);
        };
    }

    private static ConsoleLink stdio(OutputStream standardOutput, boolean endOfFile) throws IOException {
        ConsoleLink link = new ConsoleLink(standardOutput, RawTerminal.isTerminal(STDIN));
        if (link.onTerminal) {
            // In the background a read fails instead of stopping the process; and nobody else stops it either.
            for (String stops : new String[] {"TTIN", "TTOU"}) Signal.handle(new Signal(stops), SignalHandler.SIG_IGN);
            Signal.handle(new Signal("CONT"), _ -> link.takeTerminal());
            link.takeTerminal();
        }
        InputStream in = new FileInputStream(FileDescriptor.in);
        Thread.ofPlatform().name("console-input").daemon().start(() -> {
            link.pump(in);
            if (endOfFile && !link.onTerminal) link.typeEndOfFile();
        });
        return link;
    }

    /** Makes the terminal raw while this process is in its foreground. @return whether it is */
    private synchronized boolean takeTerminal() {
        if (!RawTerminal.inForeground(STDIN)) return false;
        try {
            if (terminal == null) terminal = RawTerminal.enter(STDIN);
            else terminal.apply();
            return true;
        } catch (IOException e) {
            return false; // it has been hung up
        }
    }

    private void pump(InputStream in) {
        try {
            if (onTerminal) pumpTerminal(in);
            else pumpPipe(in);
        } catch (IOException | InterruptedException e) {
            return; // nothing more can be typed; the guest goes on
        }
    }

    /** A pipe at its end says so to each program that reads it; so the character comes again, more and more rarely. */
    private void typeEndOfFile() {
        try {
            for (long pauseMs = END_OF_FILE_MS; ; pauseMs = Math.min(2 * pauseMs, LONGEST_END_OF_FILE_MS)) {
                if (waiting.isEmpty()) waiting.put(new byte[] {CTRL_D});
                Thread.sleep(pauseMs);
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    private void pumpPipe(InputStream in) throws IOException, InterruptedException {
        byte[] bytes = new byte[CHUNK];
        for (int count; (count = in.read(bytes)) > 0; ) waiting.put(Arrays.copyOf(bytes, count));
    }

    private void pumpTerminal(InputStream in) throws IOException, InterruptedException {
        EscapeFilter filter = new EscapeFilter(new Keys());
        byte[] bytes = new byte[CHUNK];
        for (; ; ) {
            while (terminal == null && !takeTerminal() || !RawTerminal.inForeground(STDIN))
                Thread.sleep(FOREGROUND_POLL_MS);
            int count;
            try {
                count = in.read(bytes);
            } catch (IOException e) {
                if (RawTerminal.inForeground(STDIN)) throw e;
                continue;
            }
            if (count <= 0) return;
            if (!waiting.offer(Arrays.copyOf(bytes, filter.filter(bytes, count)))) System.err.print(BELL);
        }
    }

    private void deliver() {
        try {
            for (; ; ) type(waiting.take());
        } catch (InterruptedException e) {
            return;
        }
    }

    /** The machine may change on the way: what the old one has not taken the next one gets. */
    private synchronized void type(byte[] bytes) throws InterruptedException {
        for (int done = 0; done < bytes.length; ) {
            int accepted = machine == null ? 0 : machine.offer(bytes, done, bytes.length - done);
            done += accepted;
            if (accepted == 0) wait(ROOM_POLL_MS);
        }
    }

    private final class Keys implements EscapeFilter.Actions {
        @Override
        public void leave() {
            Machine running = current();
            if (running != null) running.stop();
            else System.exit(0);
        }

        @Override
        public void help() {
            System.err.print(HELP);
        }
    }

    private synchronized Machine current() {
        return machine;
    }

    OutputStream output() {
        return output;
    }

    boolean onTerminal() {
        return terminal != null;
    }

    /** From now on input goes to this machine. */
    synchronized void connect(Machine to) {
        machine = to;
        notifyAll();
    }

    synchronized void disconnect() {
        machine = null;
    }

    @Override
    public void close() throws IOException {
        RawTerminal taken = terminal;
        if (taken != null) taken.close();
        if (output instanceof SocketConsole socket) socket.close();
    }
}
