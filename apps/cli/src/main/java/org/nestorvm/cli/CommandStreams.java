package org.nestorvm.cli;

import java.io.FileDescriptor;
import java.io.FileInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import org.nestorvm.boot.guest.GuestCommand;
import org.nestorvm.virtio.console.Channel;

/**
 * The command's end of three streams and of a control port, on which both sides write lines: {@code up} and {@code exit
 * STATUS} come from the guest, {@code signal NAME} and {@code broken stdout|stderr} go there. The command is over when
 * its status is known and its output has been written.
 */
final class CommandStreams {
    /** Told of the guest's end of the command, on any thread. */
    interface Listener {
        void finished();
    }

    private static final int CHUNK = 32 * 1024, LONGEST_LINE = 4096;

    private final Listener listener;
    private final List<Channel> channels = new ArrayList<>();
    private final Channel control = new Channel(GuestCommand.CONTROL, new Lines(), new OutputEvents(null, null));
    private Channel input; // null where a terminal is the input
    private int open;
    private boolean up;
    private Integer status;

    /** @param terminalInput, terminalOutput, terminalErrors streams that go another way */
    CommandStreams(Listener listener, boolean terminalInput, boolean terminalOutput, boolean terminalErrors) {
        this.listener = listener;
        if (!terminalInput)
            channels.add(
                    input = new Channel(
                            GuestCommand.STDIN, OutputStream.nullOutputStream(), new OutputEvents(null, null)));
        if (!terminalOutput) output(GuestCommand.STDOUT, "stdout", StandardStream.STDOUT);
        if (!terminalErrors) output(GuestCommand.STDERR, "stderr", StandardStream.STDERR);
        channels.add(control);
    }

    private void output(String port, String word, int descriptor) {
        open++;
        StandardStream to = new StandardStream(descriptor);
        channels.add(new Channel(port, to, new OutputEvents(word, to)));
    }

    List<Channel> channels() {
        return channels;
    }

    /** Begins to read standard input; the machine is there. */
    void start() {
        if (input != null)
            Thread.ofPlatform()
                    .name("command-input")
                    .daemon()
                    .start(() -> pump(new FileInputStream(FileDescriptor.in)));
    }

    private void pump(InputStream in) {
        byte[] bytes = new byte[CHUNK];
        try {
            for (int count; (count = in.read(bytes)) >= 0; ) if (!input.put(bytes, count)) return;
        } catch (IOException e) {
            // a descriptor that cannot be read has no more than one that is at its end
        } catch (InterruptedException e) {
            return;
        }
        input.endInput();
    }

    /** @return false when the guest does not listen yet, or not any more */
    boolean signal(String name) {
        return hasBegun() && say("signal " + name);
    }

    private boolean say(String line) {
        byte[] bytes = (line + "\n").getBytes(StandardCharsets.US_ASCII);
        return control.offer(bytes, 0, bytes.length) == bytes.length;
    }

    /** Null unless the command has ended and its output has been written. */
    synchronized Integer status() {
        return open == 0 ? status : null;
    }

    synchronized boolean hasBegun() {
        return up;
    }

    private void hear(String line) {
        synchronized (this) {
            if (line.equals("up")) up = true;
            else if (line.matches("exit [0-9]{1,3}")) status = Integer.valueOf(line.substring("exit ".length()));
        }
        tellWhenFinished();
    }

    private void tellWhenFinished() {
        if (status() != null) listener.finished();
    }

    private final class OutputEvents implements Channel.Events {
        private final String word;
        private final StandardStream stream;

        /** @param word the stream's, null for one that ends with the machine */
        OutputEvents(String word, StandardStream stream) {
            this.word = word;
            this.stream = stream;
        }

        @Override
        public void ended() {
            if (word == null) return;
            synchronized (CommandStreams.this) {
                open--;
            }
            tellWhenFinished();
        }

        @Override
        public void broken() {
            if (word == null) return;
            if (!stream.isReaderGone()) System.err.println("nestor: " + Nestor.cause(stream.failure()));
            say("broken " + word);
        }
    }

    /** What the guest writes on the control port. It decides how long a line is, so a long one is cut. */
    private final class Lines extends OutputStream {
        private final StringBuilder line = new StringBuilder();

        @Override
        public void write(int value) {
            if (value == '\n') {
                hear(line.toString());
                line.setLength(0);
            } else if (line.length() < LONGEST_LINE) {
                line.append((char) (value & 0xff));
            }
        }
    }
}
