package org.nestorvm.isolation;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.nestorvm.memory.sys.Capabilities;
import org.nestorvm.memory.sys.Descriptors;
import org.nestorvm.memory.sys.Privileges;
import org.nestorvm.memory.sys.Processes;
import org.nestorvm.memory.sys.Spawn;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * What device processes are started into, as far as the host allows: namespaces without a network, without anybody's
 * System V objects and message queues, with a host name of their own; and for root no capability but those that a
 * process needs to open its files and to give up root ({@code Sandbox}).
 *
 * <p>A JVM has several threads when its first line runs, and then it is too late: namespaces and bounding sets belong
 * to threads. So the thread that starts the processes has them, and its children are born with them. Who is not root
 * needs a user namespace, which only a process of one thread can make: unshare(1) does it before it becomes the JVM.
 */
final class Surroundings {
    private static final Logger LOG = LoggerFactory.getLogger(Surroundings.class);
    private static final int ROOT = 0;
    private static final Path UNSHARE = Path.of("/usr/bin/unshare"), TRUE = Path.of("/bin/true");
    private static final List<String> NAMESPACES = List.of("unshare", "--user", "--net", "--ipc", "--uts", "--");
    private static final int CLONES = Processes.CLONE_NEWNET | Processes.CLONE_NEWIPC | Processes.CLONE_NEWUTS;
    private static final long KEPT = 1L << Capabilities.CAP_DAC_OVERRIDE
            | 1L << Capabilities.CAP_SETGID
            | 1L << Capabilities.CAP_SETUID
            | 1L << Capabilities.CAP_SYS_CHROOT;

    private static boolean entered, byProgram;

    private Surroundings() {}

    /**
     * On the thread that starts all device processes, and nothing else: a network card's backend, for one, is started
     * by another.
     */
    private static void enter() {
        if (entered) return;
        entered = true;
        if (Privileges.geteuid() == ROOT) {
            attempt("namespaces of their own", () -> Processes.unshare(CLONES));
            attempt("a smaller bounding set of capabilities", () -> Capabilities.limitPrograms(KEPT));
        } else {
            byProgram = canUnshare();
        }
    }

    private interface Step {
        void take() throws IOException;
    }

    private static void attempt(String what, Step step) {
        try {
            step.take();
        } catch (IOException e) {
            LOG.debug("device processes are without {}: {}", what, e.getMessage());
        }
    }

    /** Whether unshare(1) is here and the host lets this user make namespaces. */
    private static boolean canUnshare() {
        if (!Files.isExecutable(UNSHARE) || !Files.isExecutable(TRUE)) return false;
        int nothing = -1;
        try {
            nothing = Descriptors.open("/dev/null", Descriptors.O_RDWR);
            List<String> command = new ArrayList<>(NAMESPACES);
            command.add(TRUE.toString());
            int status = Processes.reap(
                    Spawn.start(UNSHARE.toString(), command, List.of(), nothing, nothing, nothing), true);
            if (status != 0)
                LOG.debug(
                        "device processes are without namespaces of their own: unshare(1) ended with status {}",
                        status);
            return status == 0;
        } catch (IOException e) {
            LOG.debug("device processes are without namespaces of their own: {}", e.getMessage());
            return false;
        } finally {
            if (nothing >= 0) Descriptors.close(nothing);
        }
    }

    /** Starts a JVM in them. As {@link Spawn#start}. */
    static int start(String java, List<String> arguments, List<String> environment, int... descriptors)
            throws IOException {
        enter();
        if (!byProgram) return Spawn.start(java, arguments, environment, descriptors);
        List<String> command = new ArrayList<>(NAMESPACES);
        command.add(java);
        command.addAll(arguments.subList(1, arguments.size()));
        return Spawn.start(UNSHARE.toString(), command, environment, descriptors);
    }
}
