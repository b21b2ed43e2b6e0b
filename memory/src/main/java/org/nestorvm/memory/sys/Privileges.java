package org.nestorvm.memory.sys;

import static org.nestorvm.memory.sys.Libc.INT;
import static org.nestorvm.memory.sys.Libc.LONG;

import java.lang.foreign.Arena;
import java.lang.invoke.MethodHandle;

/** Who a process is and what it sees of the file system. The C library applies the changes of user and group to every thread. */
public final class Privileges {
    private static final MethodHandle GETEUID = Libc.bind("geteuid", INT);
    private static final MethodHandle SETGROUPS = Libc.bind("setgroups", INT, LONG, LONG);
    private static final MethodHandle SETRESGID = Libc.bind("setresgid", INT, INT, INT, INT);
    private static final MethodHandle SETRESUID = Libc.bind("setresuid", INT, INT, INT, INT);
    private static final MethodHandle UMASK = Libc.bind("umask", INT, INT);
    private static final MethodHandle MKDIR = Libc.bind("mkdir", INT, LONG, INT);
    private static final MethodHandle RMDIR = Libc.bind("rmdir", INT, LONG);
    private static final MethodHandle CHDIR = Libc.bind("chdir", INT, LONG);
    private static final MethodHandle CHROOT = Libc.bind("chroot", INT, LONG);

    private Privileges() {
    }

    public static int geteuid() {
        CallState state = CallState.get();
        try {
            return (int) GETEUID.invokeExact(state.errno);
        } catch (Throwable t) {
            throw Libc.broken("geteuid", t);
        }
    }

    /** Leaves every supplementary group. */
    public static void clearGroups() throws ErrnoException {
        CallState state = CallState.get();
        int result;
        try {
            result = state.result((int) SETGROUPS.invokeExact(state.errno, 0L, 0L));
        } catch (Throwable t) {
            throw Libc.broken("setgroups", t);
        }
        Libc.check("setgroups", "no groups", result);
    }

    /** Real, effective and saved group. */
    public static void setresgid(int gid) throws ErrnoException {
        Libc.check("setresgid", gid, setId(SETRESGID, gid));
    }

    /** Real, effective and saved user. From root to another: capabilities are gone, and so is the parent-death signal. */
    public static void setresuid(int uid) throws ErrnoException {
        Libc.check("setresuid", uid, setId(SETRESUID, uid));
    }

    private static int setId(MethodHandle call, int id) {
        CallState state = CallState.get();
        try {
            return state.result((int) call.invokeExact(state.errno, id, id, id));
        } catch (Throwable t) {
            throw Libc.broken("setresuid", t);
        }
    }

    /** @return the one before */
    public static int umask(int mask) {
        CallState state = CallState.get();
        try {
            return (int) UMASK.invokeExact(state.errno, mask);
        } catch (Throwable t) {
            throw Libc.broken("umask", t);
        }
    }

    public static void mkdir(String path, int mode) throws ErrnoException {
        CallState state = CallState.get();
        int result;
        try (Arena arena = Arena.ofConfined()) {
            result = state.result((int) MKDIR.invokeExact(state.errno, Libc.string(arena, path), mode));
        } catch (Throwable t) {
            throw Libc.broken("mkdir", t);
        }
        Libc.check("mkdir", path, result);
    }

    public static void rmdir(String path) throws ErrnoException {
        Libc.check("rmdir", path, path(RMDIR, path));
    }

    public static void chdir(String path) throws ErrnoException {
        Libc.check("chdir", path, path(CHDIR, path));
    }

    public static void chroot(String path) throws ErrnoException {
        Libc.check("chroot", path, path(CHROOT, path));
    }

    private static int path(MethodHandle call, String path) {
        CallState state = CallState.get();
        try (Arena arena = Arena.ofConfined()) {
            return state.result((int) call.invokeExact(state.errno, Libc.string(arena, path)));
        } catch (Throwable t) {
            throw Libc.broken("chdir", t);
        }
    }
}
