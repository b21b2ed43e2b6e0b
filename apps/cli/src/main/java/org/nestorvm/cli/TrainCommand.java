package org.nestorvm.cli;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.Callable;
import org.nestorvm.isolation.DeviceCache;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Parameters;

/**
 * What {@code ./nestor} runs once after a build, with the JVM recording: everything that the start of a guest loads and
 * links then comes from the JVM's AOT cache. Device processes get a cache of their own, which is made here too. The
 * guest is a multiboot kernel that walks through a megabyte of its memory and ends by the debug exit port.
 */
@Command(name = "train", hidden = true)
final class TrainCommand implements Callable<Integer> {
    private static final int MAGIC = 0x1badb002, ADDRESS_FIELDS = 1 << 16, LOAD = 0x200000, HEADER = 32;
    private static final byte[] CODE = {
        (byte) 0xba,
        (byte) 0xf8,
        0x03,
        0,
        0, //       mov edx, 0x3f8
        (byte) 0xb0,
        'n',
        (byte) 0xee, //       mov al, 'n'; out dx, al
        (byte) 0xbf,
        0,
        0,
        0x30,
        0, //       mov edi, 0x300000
        (byte) 0xb9,
        0,
        0,
        0x04,
        0, //       mov ecx, 0x40000
        0x31,
        (byte) 0xc0, //       xor eax, eax
        (byte) 0x89,
        0x07, // next: mov [edi], eax
        0x03,
        0x07, //       add eax, [edi]
        (byte) 0x83,
        (byte) 0xc0,
        0x03, //       add eax, 3
        (byte) 0x83,
        (byte) 0xc7,
        0x04, //       add edi, 4
        0x49, //       dec ecx
        0x75,
        (byte) 0xf3, //       jnz next
        (byte) 0xb0,
        0,
        (byte) 0xe6,
        (byte) 0xf4, //       mov al, 0; out 0xf4, al
        (byte) 0xeb,
        (byte) 0xfe
    }; //       jmp $
    /** {@code 0 << 1 | 1}. */
    private static final int EXPECTED = 1;

    @Parameters(
            arity = "0..1",
            paramLabel = "FOLDER",
            description = "Where the manual's pages and the shell's completion go.")
    private Path folder;

    @Override
    public Integer call() throws IOException, InterruptedException {
        if (folder != null) {
            ManCommand.write(Nestor.commandLine(), folder.resolve("man/man1"));
            Path completions = Files.createDirectories(folder.resolve("bash-completion/completions"));
            Files.writeString(completions.resolve("nestor"), CompletionCommand.script());
        }
        Path deviceCache = DeviceCache.file();
        if (deviceCache != null) DeviceCache.record(deviceCache).forEach(System.err::println);
        return runGuest();
    }

    private static int runGuest() throws IOException {
        Path kernel = Files.createTempFile("nestor-train", "");
        try {
            Files.write(kernel, image());
            CommandLine run = Nestor.commandLine();
            int status = run.execute(
                    "run",
                    "--quiet",
                    "--engine",
                    "soft",
                    "-m",
                    "16M",
                    "--console",
                    "none",
                    "--debug-exit",
                    "--kernel",
                    kernel.toString());
            return status == EXPECTED && trainImages(kernel) ? 0 : Nestor.FAILED;
        } finally {
            Files.delete(kernel);
        }
    }

    private static boolean trainImages(Path source) throws IOException {
        Path image = Files.createTempFile("nestor-train", "");
        try {
            return Nestor.commandLine()
                                    .execute(
                                            "image",
                                            "convert",
                                            "-q",
                                            "-f",
                                            "raw",
                                            "-O",
                                            "qcow2",
                                            source.toString(),
                                            image.toString())
                            == 0
                    && Nestor.commandLine()
                                    .execute(
                                            "image",
                                            "convert",
                                            "-q",
                                            "-O",
                                            "qcow2",
                                            "-c",
                                            image.toString(),
                                            image + "-packed")
                            == 0;
        } finally {
            Files.delete(image);
            Files.deleteIfExists(Path.of(image + "-packed"));
        }
    }

    static byte[] image() {
        ByteBuffer image = ByteBuffer.allocate(HEADER + CODE.length).order(ByteOrder.LITTLE_ENDIAN);
        image.putInt(MAGIC)
                .putInt(ADDRESS_FIELDS)
                .putInt(-(MAGIC + ADDRESS_FIELDS))
                .putInt(LOAD)
                .putInt(LOAD)
                .putInt(0)
                .putInt(0)
                .putInt(LOAD + HEADER);
        return image.put(CODE).array();
    }
}
