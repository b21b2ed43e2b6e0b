package org.nestorvm.memory.sys;

import java.lang.foreign.Arena;

/**
 * Who a process is and what it sees of the file system. The C library applies the changes of user and group to every
 * thread.
 */
public final class Privileges {
    private static final LibcFunction GETEUID = LibcFunction.of("geteuid");
    private static final LibcFunction SETGROUPS = LibcFunction.of("setgroups");
    private static final LibcFunction SETRESGID = LibcFunction.of("setresgid");
    private static final LibcFunction SETRESUID = LibcFunction.of("setresuid");
    private static final LibcFunction UMASK = LibcFunction.of("umask");
    private static final LibcFunction MKDIR = LibcFunction.of("mkdir");
    private static final LibcFunction RMDIR = LibcFunction.of("rmdir");
    private static final LibcFunction CHDIR = LibcFunction.of("chdir");
    private static final LibcFunction CHROOT = LibcFunction.of("chroot");

    private Privileges() {}

    public static int geteuid() {
        return GETEUID.tryInt();
    }

    /** Leaves every supplementary group. */
    public static void clearGroups() throws ErrnoException {
        Libc.check("setgroups", "no groups", SETGROUPS.tryInt(0L, 0L));
    }

    /** Real, effective and saved group. */
    public static void setresgid(int gid) throws ErrnoException {
        Libc.check("setresgid", gid, setId(SETRESGID, gid));
    }

    /**
     * Real, effective and saved user. From root to another: capabilities are gone, and so is the parent-death signal.
     */
    public static void setresuid(int uid) throws ErrnoException {
        Libc.check("setresuid", uid, setId(SETRESUID, uid));
    }

    private static int setId(LibcFunction call, int id) {
        return call.tryInt(id, id, id);
    }

    /** @return the one before */
    public static int umask(int mask) {
        return (int) UMASK.plain(mask);
    }

    public static void mkdir(String path, int mode) throws ErrnoException {
        int result;
        try (Arena arena = Arena.ofConfined()) {
            result = MKDIR.tryInt(Libc.string(arena, path), mode);
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

    private static int path(LibcFunction call, String path) {
        try (Arena arena = Arena.ofConfined()) {
            return call.tryInt(Libc.string(arena, path));
        }
    }
}
