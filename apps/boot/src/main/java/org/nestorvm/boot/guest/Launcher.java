package org.nestorvm.boot.guest;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.HexFormat;

/**
 * The guest's program that turns into the command, {@code exec PROGRAM NAME ARGUMENTS...}: a static ELF file with one
 * segment. No shell can do what it does: a session of the command's own with its standard input as the terminal, if it
 * is one; interrupts at their default, which a shell's background job ignores; and a name for the program that is not
 * its path. A file that is no program is a script for /bin/sh, as execvp(3) has it.
 */
final class Launcher {
    private static final long ADDRESS = 0x400000;
    private static final int HEADER = 64, PROGRAM_HEADER = 56, ALIGNMENT = 0x1000;
    private static final int ET_EXEC = 2, EM_X86_64 = 62, PT_LOAD = 1, PF_READ_EXECUTE = 5;
    private static final String CODE = "4989e4" // mov r12, rsp: argc, "exec", PROGRAM, NAME, ..., 0, the environment
            + "b8700000000f05" // setsid()
            + "31ffbe0e54000031d2b8100000000f05" // ioctl(0, TIOCSCTTY, 0)
            + "4883ec2031c0488904244889442408488944241048894424"
            + "18" // struct kernel_sigaction with SIG_DFL on the stack
            + "bf020000004889e631d241ba08000000b80d0000000f05" // rt_sigaction(SIGINT, rsp, 0, 8)
            + "bf03000000b80d0000000f05" // rt_sigaction(SIGQUIT, rsp, 0, 8)
            + "498b7c2410498d742418498b0c24498d54cc10b83b0000000f05" // execve(PROGRAM, from NAME on, the environment)
            + "83f8f87522" // unless ENOEXEC: to the message
            + "498b7c241049897c2418488d3d3500000049897c2410498d742410b83b0000000f05" // execve("/bin/sh", {"/bin/sh",
            // PROGRAM, ...}, the environment)
            + "bf02000000488d3520000000ba27000000b8010000000f05" // write(2, message, 39)
            + "bf7e000000b83c0000000f05"; // exit(126)
    private static final String DATA = "/bin/sh\0nestor: the command cannot be executed\n";

    private Launcher() {}

    static byte[] elf() {
        byte[] code = HexFormat.of().parseHex(CODE), data = DATA.getBytes(StandardCharsets.US_ASCII);
        int start = HEADER + PROGRAM_HEADER, length = start + code.length + data.length;
        ByteBuffer file = ByteBuffer.allocate(length).order(ByteOrder.LITTLE_ENDIAN);
        file.put(new byte[] {0x7f, 'E', 'L', 'F', 2, 1, 1}).position(16);
        file.putShort((short) ET_EXEC)
                .putShort((short) EM_X86_64)
                .putInt(1)
                .putLong(ADDRESS + start)
                .putLong(HEADER)
                .putLong(0);
        file.putInt(0)
                .putShort((short) HEADER)
                .putShort((short) PROGRAM_HEADER)
                .putShort((short) 1)
                .position(HEADER);
        file.putInt(PT_LOAD)
                .putInt(PF_READ_EXECUTE)
                .putLong(0)
                .putLong(ADDRESS)
                .putLong(ADDRESS)
                .putLong(length)
                .putLong(length)
                .putLong(ALIGNMENT);
        return file.put(code).put(data).array();
    }
}
