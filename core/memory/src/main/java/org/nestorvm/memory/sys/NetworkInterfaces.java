package org.nestorvm.memory.sys;

import java.lang.foreign.Arena;

/** if_nametoindex(3): the interfaces of this process's network namespace. */
public final class NetworkInterfaces {
    private static final LibcFunction IF_NAMETOINDEX = LibcFunction.of("if_nametoindex");

    private NetworkInterfaces() {}

    public static boolean exists(String name) {
        try (Arena arena = Arena.ofConfined()) {
            return IF_NAMETOINDEX.tryInt(Libc.string(arena, name)) > 0;
        }
    }
}
