package org.nestorvm.boot.guest;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.List;

/**
 * A command for the default guest, as a second archive after the guest's initramfs: Linux unpacks both, and files of
 * the second replace those of the first. The guest then mounts what is shared, runs the command with its streams on
 * ports of a virtio console, and reports the command's status; see the scripts {@code command-init} and
 * {@code command-agent}.
 *
 * <p>Arguments, environment and paths are bytes without a zero byte, as they are to Linux.
 *
 * @param arguments the program's name and its arguments
 * @param environment all of it, {@code NAME=value} each
 * @param folder the working directory, absolute
 * @param root whether the command's root is the shared folder {@link #ROOT_TAG}; otherwise it is the initramfs
 * @param folderAccess whether the working directory is the shared folder {@link #FOLDER_TAG}
 * @param share whether there is another shared folder, for {@code /share}
 * @param input where standard input is; so with the others
 */
public record GuestCommand(
        List<byte[]> arguments,
        List<byte[]> environment,
        byte[] folder,
        boolean root,
        Access folderAccess,
        boolean share,
        Stream input,
        Stream output,
        Stream errors) {
    /** Of the shared folders. */
    public static final String ROOT_TAG = "nestor-root", FOLDER_TAG = "nestor-folder";
    /** Names of the console's ports. */
    public static final String STDIN = "nestor.stdin",
            STDOUT = "nestor.stdout",
            STDERR = "nestor.stderr",
            CONTROL = "nestor.control";

    private static final String DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

    /** What the command may do with its working directory. */
    public enum Access {
        NOT_SHARED,
        READ_ONLY,
        READ_WRITE
    }

    /** A port with a pipe before it, or the guest's hvc0. */
    public enum Stream {
        PORT,
        TERMINAL
    }

    /** The archive. */
    public byte[] initramfs() throws IOException {
        Initramfs files = new Initramfs();
        files.file("init", 0755, DefaultGuest.script("command-init"));
        files.file("command/agent", 0755, DefaultGuest.script("command-agent"))
                .file("command/udhcpc", 0755, DefaultGuest.script("udhcpc"));
        return files.file("command/settings", 0644, settings())
                .file("command/start", 0755, start())
                .file("command/exec", 0755, Launcher.elf())
                .toArray();
    }

    private byte[] settings() {
        Script script = new Script();
        script.line("root=" + (root ? "shared" : "initramfs")).line("share=" + (share ? "yes" : ""));
        script.add("folder=")
                .quoted(folderAccess == Access.NOT_SHARED ? new byte[0] : folder)
                .line("");
        script.line("folder_mode=" + (folderAccess == Access.READ_ONLY ? "ro" : "rw"));
        return script.line("terminal_in=" + word(input))
                .line("terminal_out=" + word(output))
                .line("terminal_err=" + word(errors))
                .toArray();
    }

    private static String word(Stream stream) {
        return stream == Stream.TERMINAL ? "yes" : "";
    }

    /** Looks for the program where the command's own PATH says, and replaces itself with it. */
    private byte[] start() {
        Script script =
                new Script().add("cd ").quoted(folder).line(" || exit 126").add("set --");
        for (byte[] argument : arguments) script.add(" ").quoted(argument);
        script.line("").add("path=").quoted(path()).line("").line("""
            program=$1
            case $1 in
              */*) ;;
              *)
                program=
                IFS=:
                for each in $path; do
                  if [ -x "${each:-.}/$1" ] && [ ! -d "${each:-.}/$1" ]; then program=${each:-.}/$1; break; fi
                done
                unset IFS
                ;;
            esac
            if [ -z "$program" ] || [ ! -e "$program" ]; then
              echo "nestor: $1: not found in the guest (PATH is $path)" >&2
              exit 127
            fi
            if [ -d "$program" ] || [ ! -x "$program" ]; then
              echo "nestor: $1: is no program that can be executed" >&2
              exit 126
            fi
            base=
            [ ! -d /run/nestor/command ] || base=/run/nestor""").add("exec env -i");
        for (byte[] variable : environment) script.add(" ").quoted(variable);
        return script.line(" \"$base/command/exec\" \"$program\" \"$@\"").toArray();
    }

    private byte[] path() {
        for (byte[] variable : environment) {
            String text = new String(variable, StandardCharsets.ISO_8859_1);
            if (text.startsWith("PATH="))
                return text.substring("PATH=".length()).getBytes(StandardCharsets.ISO_8859_1);
        }
        return DEFAULT_PATH.getBytes(StandardCharsets.US_ASCII);
    }

    /** A shell script, byte by byte. */
    private static final class Script {
        private final ByteArrayOutputStream bytes = new ByteArrayOutputStream();

        Script add(String text) {
            bytes.writeBytes(text.getBytes(StandardCharsets.UTF_8));
            return this;
        }

        Script line(String text) {
            return add(text).add("\n");
        }

        /** One word, whatever is in it. */
        Script quoted(byte[] text) {
            bytes.write('\'');
            for (byte each : text) {
                if (each == '\'') add("'\\''");
                else bytes.write(each);
            }
            bytes.write('\'');
            return this;
        }

        byte[] toArray() {
            return bytes.toByteArray();
        }
    }
}
