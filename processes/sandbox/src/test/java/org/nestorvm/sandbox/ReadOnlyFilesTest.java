package org.nestorvm.sandbox;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.FileTime;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Arrays;
import java.util.concurrent.FutureTask;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.nestorvm.memory.sys.Errno;
import org.nestorvm.memory.sys.Seccomp;

/** A thread that has entered tries everything, as does a program that it starts; other threads are free. */
class ReadOnlyFilesTest {
    private static final int ALLOW = Seccomp.SECCOMP_RET_ALLOW, REFUSE = Seccomp.SECCOMP_RET_ERRNO | Errno.EROFS;

    @TempDir
    Path folder;

    private interface Attempt {
        void run() throws IOException;
    }

    private static void refused(String what, Attempt attempt) {
        try {
            attempt.run();
        } catch (IOException e) {
            assertThat(e).as(what).hasMessageContaining("Read-only file system");
            return;
        }
        throw new AssertionError(what + " was allowed");
    }

    @Test
    void theKernelRefusesEachWayOfWriting() throws Exception {
        Path file = Files.writeString(folder.resolve("file"), "text"), other = folder.resolve("other");
        FutureTask<Integer> task = new FutureTask<>(() -> {
            ReadOnlyFiles.enterThisThread();
            refused(
                    "open",
                    () -> Files.newOutputStream(file, StandardOpenOption.WRITE).close());
            refused(
                    "append",
                    () -> Files.newOutputStream(file, StandardOpenOption.APPEND).close());
            refused("create", () -> Files.createFile(other));
            refused("mkdir", () -> Files.createDirectory(other));
            refused("symlink", () -> Files.createSymbolicLink(other, file));
            refused("link", () -> Files.createLink(other, file));
            refused("rename", () -> Files.move(file, other));
            refused("unlink", () -> Files.delete(file));
            refused("chmod", () -> Files.setPosixFilePermissions(file, PosixFilePermissions.fromString("rwxrwxrwx")));
            refused("utimes", () -> Files.setLastModifiedTime(file, FileTime.fromMillis(0)));
            refused("chown", () -> Files.setAttribute(file, "unix:uid", Files.getAttribute(file, "unix:uid")));
            assertEquals("text", Files.readString(file));
            return new ProcessBuilder(
                            "/bin/sh",
                            "-c",
                            "echo x >" + other + " || mkdir " + other + " || rm " + file + " || exit 5")
                    .start()
                    .waitFor();
        });
        Thread.ofPlatform().start(task);
        assertEquals(5, task.get());
        assertEquals("text", Files.readString(file));
        assertThat(Files.writeString(other, "free")).exists();
    }

    private static int answer(int number, long... arguments) {
        return new BpfMachine(ReadOnlyFiles.program())
                .run(SyscallFilter.AUDIT_ARCH_X86_64, number, Arrays.copyOf(arguments, 6));
    }

    @Test
    void flagsDecideAboutOpen() {
        for (int call : new int[] {ReadOnlyFiles.OPEN, ReadOnlyFiles.OPENAT, ReadOnlyFiles.OPEN_BY_HANDLE_AT}) {
            int at = call == ReadOnlyFiles.OPEN ? 1 : 2;
            for (int flags : new int[] {0, 0x80000, 0x10000, ReadOnlyFiles.O_PATH, ReadOnlyFiles.O_PATH | 2})
                assertEquals(ALLOW, answer(call, arguments(at, flags)), "flags " + flags);
            for (int flags : new int[] {1, 2, 3, ReadOnlyFiles.O_CREAT, ReadOnlyFiles.O_TRUNC, 0x410002})
                assertEquals(REFUSE, answer(call, arguments(at, flags)), "flags " + flags);
        }
        for (int call : ReadOnlyFiles.REFUSED) assertEquals(REFUSE, answer(call));
        assertEquals(SyscallFilter.NOT_THERE, answer(437));
        assertEquals(REFUSE, answer(ReadOnlyFiles.IOCTL, 3, 0x40086602));
        assertEquals(ALLOW, answer(ReadOnlyFiles.IOCTL, 3, 0x80086601));
        assertEquals(SyscallFilter.KILL, answer(SyscallFilter.X32_BIT | 2));
        assertEquals(SyscallFilter.KILL, new BpfMachine(ReadOnlyFiles.program()).run(0x40000003, 5));
    }

    private static long[] arguments(int at, long value) {
        long[] arguments = new long[6];
        arguments[at] = value;
        return arguments;
    }
}
