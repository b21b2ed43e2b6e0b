package org.nestorvm.machine;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;

/** What kinds of programs this host runs, found by running one. */
final class HostPrograms {
    private static final int ADDRESS = 0x0804_8000, STATUS = 42;
    private static final int ELF_HEADER = 52, PROGRAM_HEADER = 32;

    private HostPrograms() {}

    /**
     * Whether the host's kernel runs 32-bit programs: it may be built without them, or started with
     * {@code ia32_emulation=off}.
     *
     * @param folder for the program; a file system that is mounted noexec runs none
     */
    static boolean run32Bit(Path folder) throws IOException, InterruptedException {
        Path program = Files.write(folder.resolve("exit-i386"), exit());
        Files.setPosixFilePermissions(program, PosixFilePermissions.fromString("rwx------"));
        try {
            return new ProcessBuilder(program.toString()).start().waitFor() == STATUS;
        } catch (IOException e) {
            return false; // ENOEXEC, as the kernel says it
        } finally {
            Files.delete(program);
        }
    }

    /** An ELF32 program that calls exit(42) through INT 80h. */
    private static byte[] exit() {
        byte[] code = {(byte) 0xb8, 1, 0, 0, 0, (byte) 0xbb, STATUS, 0, 0, 0, (byte) 0xcd, (byte) 0x80};
        int start = ELF_HEADER + PROGRAM_HEADER, size = start + code.length;
        ByteBuffer file = ByteBuffer.allocate(size).order(ByteOrder.LITTLE_ENDIAN);
        file.put(new byte[] {0x7f, 'E', 'L', 'F', 1, 1, 1}).position(16);
        file.putShort((short) 2)
                .putShort((short) 3)
                .putInt(1)
                .putInt(ADDRESS + start)
                .putInt(ELF_HEADER)
                .putInt(0)
                .putInt(0);
        file.putShort((short) ELF_HEADER)
                .putShort((short) PROGRAM_HEADER)
                .putShort((short) 1)
                .putShort((short) 0)
                .putShort((short) 0)
                .putShort((short) 0);
        file.putInt(1)
                .putInt(0)
                .putInt(ADDRESS)
                .putInt(ADDRESS)
                .putInt(size)
                .putInt(size)
                .putInt(5)
                .putInt(0x1000);
        return file.put(code).array();
    }
}
