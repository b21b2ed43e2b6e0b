package org.nestorvm.vmm;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.nestorvm.memory.DescriptorChannel;
import org.nestorvm.memory.DescriptorListener;
import org.nestorvm.memory.sys.ErrnoException;
import org.nestorvm.memory.sys.MemoryCalls;
import org.nestorvm.paging.EntryFormat;

/**
 * The other process of {@link SecondProcessTest}: a JVM of its own that does what it is told, a line at a time, and
 * answers each with a line. {@code attach PATH} maps the memory that the test shares; {@code own PATH} makes a machine
 * and shares it with the test.
 */
final class SecondProcess {
    /** The test's end. */
    static final class Remote implements AutoCloseable {
        final Process process;
        private final BufferedReader answers;

        Remote(String role, Path path) throws IOException {
            List<String> command = new ArrayList<>(List.of(
                    Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                    "-Xmx256m",
                    "-XX:TieredStopAtLevel=1",
                    "--enable-native-access=ALL-UNNAMED",
                    "-cp",
                    System.getProperty("java.class.path"),
                    SecondProcess.class.getName(),
                    role,
                    path.toString()));
            process = new ProcessBuilder(command)
                    .redirectError(ProcessBuilder.Redirect.INHERIT)
                    .start();
            answers = process.inputReader();
        }

        void tell(String line) throws IOException {
            process.outputWriter().write(line + "\n");
            process.outputWriter().flush();
        }

        String ask(String line) throws IOException {
            tell(line);
            return answer();
        }

        String answer() throws IOException {
            String answer = answers.readLine();
            if (answer == null) throw new IOException("the second process has ended");
            return answer;
        }

        @Override
        public void close() throws IOException {
            process.destroyForcibly();
            try {
                if (!process.waitFor(20, TimeUnit.SECONDS)) throw new IOException("the second process does not end");
            } catch (InterruptedException e) {
                throw new IOException(e);
            }
        }
    }

    private static final long M = 1 << 20;
    /** What the owner makes. */
    static final MemoryMap OWNED = MemoryMap.of(
            new MemoryRange(0, M, MemoryRange.Type.RAM),
            new MemoryRange(M, M, MemoryRange.Type.MMIO),
            new MemoryRange(16 * M, 512 * M, MemoryRange.Type.RAM));

    private SecondProcess() {}

    public static void main(String[] args) throws IOException {
        if (args[0].equals("attach")) attach(Path.of(args[1]));
        else own(Path.of(args[1]));
    }

    private static void attach(Path path) throws IOException {
        BufferedReader orders = new BufferedReader(new InputStreamReader(System.in));
        try (DescriptorChannel channel = DescriptorChannel.connect(path);
                AttachedMemory attached = GuestMemory.attach(channel, null, true)) {
            System.out.println(
                    "attached " + attached.name() + " " + attached.map().ranges());
            for (String order; (order = orders.readLine()) != null; )
                System.out.println(obey(attached, order.split(" ")));
        }
    }

    private static String obey(AttachedMemory attached, String[] order) throws IOException {
        long first = order.length > 1 ? Long.decode(order[1]) : 0;
        MemorySlot slot = attached.slots().getFirst();
        return switch (order[0]) {
            case "read" -> Long.toString(attached.memory().getLong(first));
            case "write" -> {
                attached.memory().putLong(first, Long.decode(order[2]));
                yield "written";
            }
            case "sealed" ->
                Boolean.toString(
                        attached.slots().stream().allMatch(s -> s.mapping().sealed()));
            case "flags" -> flags(slot.hostAddress());
            case "unmap" -> attempt(() -> MemoryCalls.munmap("guest memory", slot.hostAddress(), slot.sizeBytes()));
            case "protect" ->
                attempt(() -> MemoryCalls.mprotect(
                        "guest memory", slot.hostAddress(), slot.sizeBytes(), MemoryCalls.PROT_READ));
            case "run" -> Long.toString(runOver(attached, first));
            default -> throw new IOException("no such order: " + order[0]);
        };
    }

    private interface Call {
        void make() throws ErrnoException;
    }

    private static String attempt(Call call) {
        try {
            call.make();
            return "done";
        } catch (ErrnoException e) {
            return org.nestorvm.memory.sys.Errno.name(e.errno());
        }
    }

    /** The VmFlags of the mapping that begins at the address, out of /proc/self/smaps. */
    static String flags(long hostAddress) throws IOException {
        boolean inside = false;
        for (String line : Files.readAllLines(Path.of("/proc/self/smaps"))) {
            if (line.matches("[0-9a-f]+-[0-9a-f]+ .*")) inside = line.startsWith(String.format("%08x-", hostAddress));
            else if (inside && line.startsWith("VmFlags:"))
                return line.substring(8).trim();
        }
        return "no such mapping";
    }

    /**
     * A virtual CPU that runs in this process: a nested table of its own over the mappings of this process. @return
     * what it loads
     */
    private static long runOver(AttachedMemory attached, long gpa) {
        try (org.nestorvm.paging.NestedPageTable table = new org.nestorvm.paging.NestedPageTable(EntryFormat.NPT)) {
            NestedFaultHandler handler = new NestedFaultHandler(attached.map(), attached.memory(), table);
            org.nestorvm.paging.NestedWalk walk = new org.nestorvm.paging.NestedWalk();
            long host;
            while ((host = table.walk(gpa, org.nestorvm.paging.Access.READ, walk)) == -1)
                if (handler.handle(
                                gpa,
                                EntryFormat.NPT.faultInfo(walk, org.nestorvm.paging.Access.READ, true, true, false))
                        != NestedFaultHandler.RESIDENT) return -1;
            return org.nestorvm.memory.sys.HostMemory.getLong(host);
        }
    }

    private static void own(Path path) throws IOException {
        Vmm vmm = new Vmm();
        try (DescriptorListener listener = DescriptorListener.listen(path);
                VirtualMachine vm = vmm.create(VmConfig.of("owned", OWNED).withSealed(true))) {
            System.out.println("listening");
            try (DescriptorChannel channel = listener.accept()) {
                vmm.share(vm.id(), channel);
                for (long gpa = 16 * M; gpa < 528 * M; gpa += 4096) vm.memory().putLong(gpa, gpa ^ 77);
                System.out.println("filled " + vmm.info().size() + " "
                        + vmm.info().getFirst().residentBytes() + " " + vm.id());
                System.in.read();
            }
        }
    }
}
