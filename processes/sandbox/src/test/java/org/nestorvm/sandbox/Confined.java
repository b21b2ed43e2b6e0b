package org.nestorvm.sandbox;

import java.io.FileInputStream;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.concurrent.Callable;
import org.nestorvm.memory.sys.AnySystemCall;
import org.nestorvm.memory.sys.Descriptors;
import org.nestorvm.memory.sys.Errno;
import org.nestorvm.memory.sys.Events;
import org.nestorvm.memory.sys.MemoryCalls;
import org.nestorvm.memory.sys.Sockets;

/**
 * A process that confines itself, prints what that was, and after a line on standard input tries what an intruder
 * would. Each line is {@code what: errno}, {@code ok} where it succeeded. With an argument it makes that system call
 * only, and should not live to tell. The property {@code policy} names another policy than the plain one.
 */
final class Confined {
    private static final int MAP_NORESERVE = 0x4000;
    private static int unconnected, listening, shared;

    private Confined() {}

    public static void main(String[] arguments) throws Exception {
        unconnected = Sockets.stream("made before");
        listening = listening();
        shared = Events.eventfd("shared", 0, Events.EFD_NONBLOCK);
        OpenAhead.classes();
        Sandbox.Report report = Sandbox.enter(
                "sockets".equals(System.getProperty("policy")) ? SandboxPolicy.SOCKETS : SandboxPolicy.PLAIN);
        System.out.println("done: " + String.join("; ", report.done()));
        System.out.println("missing: " + String.join("; ", report.missing()));
        System.out.println("confined");
        System.in.read();
        if (arguments.length > 0)
            System.out.println("alive: " + errno(AnySystemCall.call(Long.decode(arguments[0]), 0, 0, 0)));
        else tryAll();
        System.out.println("end");
    }

    /** A socket to which somebody has connected already. */
    private static int listening() throws IOException {
        Path directory = Files.createTempDirectory("nestor"), path = directory.resolve("socket");
        int socket = Sockets.stream(path);
        Sockets.bind(socket, path.toString());
        Sockets.listen(path, socket, 1);
        Sockets.connect(Sockets.stream(path), path.toString());
        Files.delete(path);
        Files.delete(directory);
        return socket;
    }

    private static void tryAll() throws Exception {
        files();
        sockets();
        processes();
        memory();
        sharedDescriptions();
        java();
        whatItNeeds();
    }

    private static void files() {
        attempt("open", () -> Descriptors.open("/etc/passwd", Descriptors.O_RDONLY));
        attempt("open of a device", () -> Descriptors.open("/dev/null", Descriptors.O_RDWR));
        attempt("open of its own memory", () -> Descriptors.open("/proc/self/mem", Descriptors.O_RDWR));
        try (Arena arena = Arena.ofConfined()) {
            long path = arena.allocateFrom("/tmp/nestor-intruder").address();
            tell("creat", AnySystemCall.call(85, path, 0600, 0));
            tell("mkdir", AnySystemCall.call(83, path, 0700, 0));
            tell("unlink", AnySystemCall.call(87, path, 0, 0));
            tell("rename", AnySystemCall.call(82, path, path, 0));
            tell("readlink", AnySystemCall.call(89, path, 0, 0));
            tell("openat2", AnySystemCall.call(437, -100, path, 0));
        }
    }

    private static void sockets() {
        attempt("socket", () -> Sockets.stream("unix"));
        tell("socket of IPv4", AnySystemCall.call(41, 2, 1, 0));
        tell("socket for packets", AnySystemCall.call(41, 17, 3, 0));
        attempt("connect", () -> {
            Sockets.connect(unconnected, "/run/nestor-nobody");
            return 0;
        });
        attempt("accept", () -> Sockets.accept("a socket that listens", listening));
        tell("bind", AnySystemCall.call(49, unconnected, 0, 0));
        tell("listen", AnySystemCall.call(50, unconnected, 1, 0));
    }

    private static void processes() {
        long child = AnySystemCall.call(56, 17, 0, 0);
        if (child == 0)
            AnySystemCall.call(
                    231, 0, 0, 0); // without a filter: a copy of the JVM with one thread, which must not go on
        tell("a process by clone", child);
        tell("clone3", AnySystemCall.call(435, 0, 0, 0));
        tell("kill", AnySystemCall.call(62, 1, 0, 0));
        tell("tgkill of another", AnySystemCall.call(234, 1, 1, 0));
        tell("root again", AnySystemCall.call(117, 0, 0, 0));
        tell("dumpable again", AnySystemCall.call(157, 4, 1, 0));
        tell("a higher limit", AnySystemCall.call(160, 7, 0, 0));
    }

    private static void memory() {
        tell(
                "executable memory",
                MemoryCalls.tryMmap(
                        0,
                        4096,
                        MemoryCalls.PROT_READ | MemoryCalls.PROT_EXEC,
                        MemoryCalls.MAP_PRIVATE | MemoryCalls.MAP_ANONYMOUS,
                        -1,
                        0));
        long address = MemoryCalls.tryMmap(
                0,
                4096,
                MemoryCalls.PROT_READ | MemoryCalls.PROT_WRITE,
                MemoryCalls.MAP_PRIVATE | MemoryCalls.MAP_ANONYMOUS,
                -1,
                0);
        attempt("memory file", () -> MemoryCalls.memfdCreate("intruder", 0));
        tell(
                "shared memory",
                MemoryCalls.tryMmap(
                        0,
                        4096,
                        MemoryCalls.PROT_READ | MemoryCalls.PROT_WRITE,
                        MemoryCalls.MAP_SHARED | MemoryCalls.MAP_ANONYMOUS,
                        -1,
                        0));
        tell(
                "4 GiB of memory",
                MemoryCalls.tryMmap(
                        0,
                        4L << 30,
                        MemoryCalls.PROT_READ | MemoryCalls.PROT_WRITE,
                        MemoryCalls.MAP_PRIVATE | MemoryCalls.MAP_ANONYMOUS | MAP_NORESERVE,
                        -1,
                        0));
        tell(
                "memory made executable",
                AnySystemCall.call(10, address, 4096, MemoryCalls.PROT_READ | MemoryCalls.PROT_EXEC));
    }

    /** What the monitor writes to. */
    private static void sharedDescriptions() {
        attempt("eventfd made to wait", () -> {
            Descriptors.nonBlocking("shared", shared, false);
            return 0;
        });
        tell("eventfd made to wait by ioctl", AnySystemCall.call(16, shared, 0x5421, 0));
    }

    private static void java() {
        attempt("java file", () -> new FileInputStream("/etc/passwd").read());
        attempt("java process", () -> new ProcessBuilder("/bin/true").start().waitFor());
        attempt("java socket", () -> new java.net.Socket("127.0.0.1", 1).getPort());
    }

    /** The other side: what a device does all day still works, with classes that were not loaded before. */
    private static void whatItNeeds() throws Exception {
        Thread[] threads = new Thread[8];
        for (int i = 0; i < threads.length; i++)
            threads[i] = Thread.ofPlatform().start(Confined::work);
        for (Thread thread : threads) thread.join();
        System.gc();
        int eventfd = Events.eventfd("kick", 1, Events.EFD_NONBLOCK);
        System.out.println("eventfd: " + (Events.tryDrain(eventfd) == 1 ? "ok" : "wrong"));
        System.out.println("classes: "
                + (java.time.Year.isLeap(2024) && new java.util.zip.CRC32C().getValue() == 0 ? "ok" : "wrong"));
    }

    /** Long enough to be compiled, and with garbage. */
    private static void work() {
        long sum = 0;
        for (int i = 0; i < 200_000; i++) sum += Arrays.hashCode(new int[] {i, i + 1, i + 2});
        if (sum == 0) throw new AssertionError();
    }

    private static void attempt(String what, Callable<Integer> action) {
        try {
            tell(what, action.call());
        } catch (org.nestorvm.memory.sys.ErrnoException e) {
            tell(what, -e.errno());
        } catch (IOException e) {
            System.out.println(what + ": refused");
        } catch (Exception | Error e) {
            System.out.println(what + ": refused in the end, " + e);
        }
    }

    private static void tell(String what, long result) {
        System.out.println(what + ": " + errno(result));
    }

    private static String errno(long result) {
        return result >= 0 ? "ok" : Errno.name((int) -result);
    }
}
