package org.nestorvm.cli;

import java.io.FileDescriptor;
import java.io.FileInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.util.Arrays;
import java.util.concurrent.ArrayBlockingQueue;
import org.nestorvm.machine.Machine;

/**
 * The user's end of the guest's serial port, across restarts of the guest. Input waits while there is no machine, or none that takes it. Whoever reads from a
 * terminal never waits, so that the monitor's own keys work beside a guest that does not read; a pipe is read no faster than the guest takes it.
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

    private final OutputStream output;
    private final RawTerminal terminal;
    private final ArrayBlockingQueue<byte[]> waiting;
    private Machine machine;

    private ConsoleLink(OutputStream output, RawTerminal terminal) {
        this(output, terminal, new ArrayBlockingQueue<>(WAITING));
    }

    private ConsoleLink(OutputStream output, RawTerminal terminal, ArrayBlockingQueue<byte[]> waiting) {
        this.output = output;
        this.terminal = terminal;
        this.waiting = waiting;
        Thread.ofPlatform().name("console-typing").daemon().start(this::deliver);
    }

    /**
     * @param standardOutput where the guest's output goes with {@code stdio}
     * @param endOfFile whether the guest is told of the end of standard input by Ctrl-D, as a shell on its serial port takes it; otherwise it waits for more
     */
    static ConsoleLink open(ConsoleChoice choice, OutputStream standardOutput, boolean endOfFile) throws IOException {
        return switch (choice) {
            case ConsoleChoice.None() -> new ConsoleLink(OutputStream.nullOutputStream(), null);
            case ConsoleChoice.UnixSocket(var path) -> {
                ArrayBlockingQueue<byte[]> waiting = new ArrayBlockingQueue<>(WAITING);        // before the first client
                SocketConsole socket = SocketConsole.listen(path, (bytes, length) -> waiting.put(Arrays.copyOf(bytes, length)));
                yield new ConsoleLink(socket, null, waiting);
            }
            case ConsoleChoice.Stdio() -> stdio(standardOutput, endOfFile);
        };
    }

    private static ConsoleLink stdio(OutputStream standardOutput, boolean endOfFile) throws IOException {
        RawTerminal terminal = RawTerminal.isTerminal(STDIN) ? RawTerminal.enter(STDIN) : null;
        ConsoleLink link = new ConsoleLink(standardOutput, terminal);
        Thread.ofPlatform().name("console-input").daemon().start(() -> {
            link.pump(new FileInputStream(FileDescriptor.in));
            if (endOfFile && terminal == null) link.typeEndOfFile();
        });
        return link;
    }

    private void pump(InputStream in) {
        EscapeFilter filter = terminal == null ? null : new EscapeFilter(new Keys());
        byte[] bytes = new byte[CHUNK];
        try {
            for (int count; (count = in.read(bytes)) > 0; ) {
                if (filter == null) waiting.put(Arrays.copyOf(bytes, count));
                else if (!waiting.offer(Arrays.copyOf(bytes, filter.filter(bytes, count)))) System.err.print(BELL);
            }
        } catch (IOException | InterruptedException e) {
            return;                                                // nothing more can be typed; the guest goes on
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

    private void deliver() {
        try {
            for (;;) type(waiting.take());
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
        if (terminal != null) terminal.close();
        if (output instanceof SocketConsole socket) socket.close();
    }
}
