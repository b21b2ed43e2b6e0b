package org.nestorvm.vmm;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.nestorvm.vmm.MemoryRange.Type.MMIO;
import static org.nestorvm.vmm.MemoryRange.Type.RAM;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.nestorvm.memory.DescriptorChannel;
import org.nestorvm.memory.DescriptorListener;
import org.nestorvm.memory.sys.Primitive;

/** A real second process at the other end of a socket. */
@Timeout(120)
class SecondProcessTest {
    private static final long M = 1 << 20;
    private static final MemoryMap MAP =
            MemoryMap.of(new MemoryRange(0, M, RAM), new MemoryRange(M, M, MMIO), new MemoryRange(4 * M, 2 * M, RAM));

    @TempDir
    private Path directory;

    @Test
    void p7_anotherProcessAttachesSeesBothWaysAndOutlivesTheMachine() throws IOException {
        Vmm vmm = new Vmm();
        Host before = Host.now();
        VirtualMachine vm = vmm.create(VmConfig.of("here", MAP));
        try (DescriptorListener listener = DescriptorListener.listen(directory.resolve("vm.sock"));
                SecondProcess.Remote remote = new SecondProcess.Remote("attach", listener.path());
                DescriptorChannel channel = listener.accept()) {
            vm.memory().putLong(0, 11);
            vm.memory().putLong(6 * M - 8, 12);
            vmm.share(vm.id(), channel);
            assertEquals("attached here " + MAP.ranges(), remote.answer());
            assertEquals("11", remote.ask("read 0"));
            assertEquals("12", remote.ask("read " + (6 * M - 8)));
            assertEquals("written", remote.ask("write 4096 99"));
            assertEquals(99, vm.memory().getLong(4096));
            vm.memory().putLong(4096, 100);
            assertEquals("100", remote.ask("read 4096"));
            assertEquals(
                    "100", remote.ask("run 4096"), "page 1 of a guest run by that process is page 1 of the object");
            assertEquals("12", remote.ask("run " + (6 * M - 8)));
            assertEquals("-1", remote.ask("run " + M), "MMIO");

            vm.close();
            assertThat(vmm.info()).isEmpty();
            assertEquals("100", remote.ask("read 4096"), "no page is lost with the machine");
            assertEquals("12", remote.ask("read " + (6 * M - 8)));
            assertEquals("written", remote.ask("write 8192 7"));
            assertEquals("7", remote.ask("read 8192"));
        }
        before.assertUnchanged("the second process");
    }

    @Test
    void aSealedMappingCanNeitherBeUnmappedNorReprotectedAndIsConcealed() throws IOException {
        Vmm vmm = new Vmm();
        try (VirtualMachine vm = vmm.create(VmConfig.of("here", MAP));
                DescriptorListener listener = DescriptorListener.listen(directory.resolve("vm.sock"));
                SecondProcess.Remote remote = new SecondProcess.Remote("attach", listener.path());
                DescriptorChannel channel = listener.accept()) {
            vm.memory().putLong(0, 11);
            vmm.share(vm.id(), channel);
            remote.answer();
            List<String> flags = List.of(remote.ask("flags").split(" "));
            assertThat(flags)
                    .as("shared, readable, writable, not copied on fork, not dumped")
                    .contains("sh", "rd", "wr", "dc", "dd");
            assertThat(flags).as("not executable").doesNotContain("ex");
            assertThat(List.of(SecondProcess.flags(vm.slots().getFirst().hostAddress())
                            .split(" ")))
                    .as("ours")
                    .contains("sh", "rd", "wr", "dc", "dd")
                    .doesNotContain("ex", "sl");
            Assumptions.assumeTrue(
                    Primitive.MSEAL.present(), "this kernel has no mseal(2): nothing to see of its effects");
            assertEquals("true", remote.ask("sealed"));
            assertThat(flags).contains("sl");
            assertEquals("EPERM", remote.ask("unmap"));
            assertEquals("EPERM", remote.ask("protect"));
            assertEquals("11", remote.ask("read 0"), "it is still there");
        }
    }

    private static long hostSharedKb() throws IOException {
        for (String line : Files.readAllLines(Path.of("/proc/meminfo")))
            if (line.startsWith("Shmem:")) return Long.parseLong(line.replaceAll("\\D", ""));
        throw new AssertionError("no Shmem");
    }

    /** Until a condition of the host holds, which nobody announces. */
    private static boolean eventually(java.util.concurrent.Callable<Boolean> condition) throws Exception {
        long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(30);
        while (!condition.call()) {
            if (System.nanoTime() > end) return false;
            Thread.sleep(20);
        }
        return true;
    }

    @Test
    void p25_killingTheOwnerLeavesTheMemoryToWhoHasItMappedAndThenToNobody() throws Exception {
        Host before = Host.now();
        Path path = directory.resolve("owner.sock");
        try (SecondProcess.Remote owner = new SecondProcess.Remote("own", path)) {
            assertEquals("listening", owner.answer());
            long pid = owner.process.pid();
            long filled;
            try (DescriptorChannel channel = DescriptorChannel.connect(path);
                    AttachedMemory attached = GuestMemory.attach(channel, SecondProcess.OWNED, false)) {
                assertEquals("filled 1 " + 512 * M + " " + attached.id(), owner.answer());
                owner.process.destroyForcibly();
                assertTrue(owner.process.waitFor(20, TimeUnit.SECONDS));
                assertEquals(128 + 9, owner.process.exitValue(), "SIGKILL: nothing of its own could run");
                assertFalse(
                        Files.exists(Path.of("/proc/" + pid + "/fd")),
                        "its monitor, its ids and its descriptors are gone with it");
                assertEquals(null, channel.receive(1, 0), "whoever is connected hears of it");
                for (long gpa = 16 * M; gpa < 528 * M; gpa += 4096)
                    assertEquals(gpa ^ 77, attached.memory().getLong(gpa));
                assertEquals(512 * M, attached.slots().get(1).object().residentBytes());
                filled = hostSharedKb();
            }
            assertTrue(
                    eventually(() -> hostSharedKb() < filled - (256 << 10)),
                    () -> "512 MiB given back to the host; before: " + filled + " KiB");
        }
        before.assertUnchanged("the owner's death");
    }

    /** An owner that is killed before its peer has received anything: what is on the way goes with the socket. */
    @Test
    void p25_killingAnOwnerWhoseMemoryNobodyHasMappedFreesAll() throws Exception {
        Path path = directory.resolve("owner.sock");
        try (SecondProcess.Remote owner = new SecondProcess.Remote("own", path)) {
            assertEquals("listening", owner.answer());
            long filled;
            try (DescriptorChannel channel = DescriptorChannel.connect(path)) {
                assertThat(owner.answer()).startsWith("filled 1 " + 512 * M);
                filled = hostSharedKb();
                owner.process.destroyForcibly().waitFor();
                assertTrue(channel.awaitMessage(20_000), "the offer is still there to be received");
            }
            assertTrue(
                    eventually(() -> hostSharedKb() < filled - (256 << 10)),
                    () -> "512 MiB given back to the host; before: " + filled + " KiB");
        }
    }
}
