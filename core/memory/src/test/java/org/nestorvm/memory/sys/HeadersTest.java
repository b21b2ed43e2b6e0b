package org.nestorvm.memory.sys;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.lang.reflect.Field;
import java.lang.reflect.Modifier;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Every constant that has the name of a header's macro has its value: a C program prints them, where there is a
 * compiler.
 */
class HeadersTest {
    private static final List<Class<?>> TABLES = List.of(
            Errno.class,
            Descriptors.class,
            MemoryCalls.class,
            Events.class,
            Sockets.class,
            SocketMessages.class,
            Processes.class,
            FileLocks.class,
            FileStatus.class,
            Seccomp.class,
            Landlock.class,
            Spawn.class,
            Capabilities.class);
    /** Names of our own, which no header has or which it has as a structure. */
    private static final String OURS =
            "MFD_NAME_MAX|PATH_MAX_BYTES|DESCRIPTORS_MAX|PAGE_BYTES|UNLIMITED|SUN_PATH|PACKED|.*_BYTES|STX_.*|F_"
                    + "TYPE|F_BSIZE|MSG_IOV.*|MSG_CONTROL.*|MSG_FLAGS|CMSG_.*"
                    + "|UCRED_.*|IT_VALUE_.*|TV_NSEC|NS_PER_SECOND|IOV_LEN|RLIM_MAX|L_.*|POLLFD_.*|EPOLL_DATA|SY"
                    + "S_.*|SC_PAGESIZE|FPROG_.*|ATTR_.*|BENEATH_.*|STILL_RUNNING|DATA_.*|HIGHEST";
    /** Younger than the headers of Debian 12. */
    private static final String YOUNGER = "MFD_NOEXEC_SEAL|F_SEAL_EXEC|LANDLOCK_.*";

    @Test
    void numbersMatchTheHeaders(@TempDir Path directory) throws Exception {
        assumeTrue(
                Files.isExecutable(Path.of("/usr/bin/gcc")) && Files.exists(Path.of("/usr/include/linux/mman.h")),
                "no C compiler here (gcc, libc6-dev)");
        Map<String, Long> ours = constants();
        Map<String, Long> theirs = printedByC(directory, ours);
        assertThat(theirs).hasSizeGreaterThan(100);
        theirs.forEach((name, value) -> assertEquals(value, ours.get(name), name));
        ours.keySet().removeAll(theirs.keySet());
        assertThat(ours.keySet()).allMatch(name -> name.matches(OURS + "|" + YOUNGER));
    }

    @Test
    void structuresMatchTheHeaders(@TempDir Path directory) throws Exception {
        assumeTrue(
                Files.isExecutable(Path.of("/usr/bin/gcc")) && Files.exists(Path.of("/usr/include/linux/mman.h")),
                "no C compiler here (gcc, libc6-dev)");
        String[][] rows = {
            {"sizeof(struct msghdr)", "56"},
            {"offsetof(struct msghdr, msg_iov)", "16"},
            {"offsetof(struct msghdr, msg_iovlen)", "24"},
            {"offsetof(struct msghdr, msg_control)", "32"},
            {"offsetof(struct msghdr, msg_controllen)", "40"},
            {"offsetof(struct msghdr, msg_flags)", "48"},
            {"sizeof(struct cmsghdr)", "16"},
            {"offsetof(struct cmsghdr, cmsg_level)", "8"},
            {"offsetof(struct cmsghdr, cmsg_type)", "12"},
            {"sizeof(struct flock)", "32"},
            {"offsetof(struct flock, l_start)", "8"},
            {"offsetof(struct flock, l_len)", "16"},
            {"sizeof(struct statx)", "256"},
            {"offsetof(struct statx, stx_mode)", "28"},
            {"offsetof(struct statx, stx_size)", "40"},
            {"offsetof(struct statx, stx_blocks)", "48"},
            {"sizeof(struct statfs)", "120"},
            {"offsetof(struct statfs, f_bsize)", "8"},
            {"sizeof(struct sockaddr_un)", "110"},
            {"sizeof(struct epoll_event)", Integer.toString(Events.EPOLL_EVENT_BYTES)},
            {"sizeof(struct pollfd)", "8"},
            {"sizeof(struct ucred)", "12"},
            {"sizeof(struct itimerspec)", "32"},
            {"offsetof(struct itimerspec, it_value.tv_sec)", "16"},
            {"offsetof(struct itimerspec, it_value.tv_nsec)", "24"},
            {"sizeof(struct rlimit)", "16"},
            {"offsetof(struct timespec, tv_nsec)", "8"},
            {"sizeof(struct sock_filter)", "8"},
            {"sizeof(struct sock_fprog)", "16"},
            {"offsetof(struct sock_fprog, filter)", "8"},
            {"sizeof(struct landlock_path_beneath_attr)", "12"},
            {"sizeof(struct iocb)", "64"},
            {"offsetof(struct iocb, aio_lio_opcode)", "16"},
            {"offsetof(struct iocb, aio_fildes)", "20"},
            {"offsetof(struct iocb, aio_flags)", "56"},
            {"offsetof(struct iocb, aio_resfd)", "60"},
            {"sizeof(struct __user_cap_header_struct)", "8"},
            {"sizeof(struct __user_cap_data_struct)", "12"},
            {"offsetof(struct __user_cap_data_struct, inheritable)", "8"},
            {"sizeof(posix_spawn_file_actions_t)", "80"},
            {"sizeof(posix_spawnattr_t)", "336"},
            {"sizeof(sigset_t)", "128"}
        };
        StringBuilder body = new StringBuilder();
        for (String[] row : rows)
            body.append("printf(\"%ld\\n\", (long) ").append(row[0]).append(");\n");
        List<String> printed = compileAndRun(directory, body.toString());
        for (int i = 0; i < rows.length; i++) assertEquals(rows[i][1], printed.get(i), rows[i][0]);
    }

    private static Map<String, Long> constants() throws IllegalAccessException {
        Map<String, Long> found = new TreeMap<>();
        for (Class<?> table : TABLES) {
            for (Field field : table.getDeclaredFields()) {
                if (!Modifier.isStatic(field.getModifiers())
                        || !field.getType().isPrimitive()
                        || field.getType() == boolean.class) continue;
                field.setAccessible(true);
                if (!field.getName().equals("CLOSED") && !field.isSynthetic())
                    found.put(field.getName(), ((Number) field.get(null)).longValue());
            }
        }
        return found;
    }

    private static Map<String, Long> printedByC(Path directory, Map<String, Long> names) throws Exception {
        StringBuilder body = new StringBuilder();
        for (Map.Entry<String, Long> entry : names.entrySet()) {
            if (entry.getKey().matches(OURS)) continue;
            // Signed or not is a matter of C's literal; int constants are compared as 32 bits.
            String type = entry.getValue() == (int) (long) entry.getValue() ? "int" : "long";
            body.append("#ifdef ")
                    .append(entry.getKey())
                    .append("\nprintf(\"")
                    .append(entry.getKey())
                    .append(" %ld\\n\", (long) (")
                    .append(type)
                    .append(") ")
                    .append(entry.getKey())
                    .append(");\n#endif\n");
        }
        Map<String, Long> printed = new TreeMap<>();
        for (String line : compileAndRun(directory, body.toString()))
            printed.put(line.split(" ")[0], Long.valueOf(line.split(" ")[1]));
        return printed;
    }

    private static List<String> compileAndRun(Path directory, String body) throws IOException, InterruptedException {
        StringBuilder source = new StringBuilder("#define _GNU_SOURCE\n");
        for (String header : List.of(
                "stdio.h",
                "stddef.h",
                "errno.h",
                "fcntl.h",
                "poll.h",
                "signal.h",
                "unistd.h",
                "sys/epoll.h",
                "sched.h",
                "sys/eventfd.h",
                "sys/file.h",
                "sys/ioctl.h",
                "sys/mman.h",
                "sys/prctl.h",
                "sys/resource.h",
                "sys/socket.h",
                "sys/stat.h",
                "sys/timerfd.h",
                "sys/uio.h",
                "sys/un.h",
                "sys/vfs.h",
                "linux/falloc.h",
                "linux/magic.h",
                "linux/memfd.h",
                "linux/seccomp.h",
                "linux/filter.h",
                "linux/landlock.h",
                "linux/capability.h",
                "linux/aio_abi.h",
                "spawn.h",
                "sys/wait.h")) {
            source.append("#include <").append(header).append(">\n");
        }
        // Enumerators, which #ifdef does not see unless the header also defines them.
        source.append("int main(void) {\n").append(body).append("return 0; }\n");
        Path file = Files.writeString(directory.resolve("constants.c"), source);
        Path program = directory.resolve("constants");
        assertEquals(
                0,
                new ProcessBuilder("/usr/bin/gcc", "-o", program.toString(), file.toString())
                        .inheritIO()
                        .start()
                        .waitFor());
        Process run = new ProcessBuilder(program.toString()).start();
        List<String> lines = run.inputReader().lines().toList();
        assertEquals(0, run.waitFor());
        return lines;
    }
}
