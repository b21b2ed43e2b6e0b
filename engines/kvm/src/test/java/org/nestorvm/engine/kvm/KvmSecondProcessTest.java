package org.nestorvm.engine.kvm;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.nestorvm.memory.DescriptorChannel;
import org.nestorvm.memory.DescriptorListener;
import org.nestorvm.memory.sys.Errno;
import org.nestorvm.memory.sys.Ioctl;
import org.nestorvm.vmm.Exit;

/**
 * Another process that has got hold of a machine's and a processor's descriptor. In the reference it may run the
 * processor, on memory of its own; here the kernel knows whose machine it is.
 */
@Timeout(60)
final class KvmSecondProcessTest {
    private static final Map<String, Integer> OF_PROCESSOR = new LinkedHashMap<>(), OF_MACHINE = new LinkedHashMap<>();

    static {
        OF_PROCESSOR.put("KVM_RUN", Kvm.RUN);
        OF_PROCESSOR.put("KVM_GET_REGS", Kvm.GET_REGS);
        OF_PROCESSOR.put("KVM_SET_REGS", Kvm.SET_REGS);
        OF_MACHINE.put("KVM_SET_USER_MEMORY_REGION", Kvm.SET_USER_MEMORY_REGION);
        OF_MACHINE.put("KVM_CREATE_VCPU", Kvm.CREATE_VCPU);
        OF_MACHINE.put("KVM_SIGNAL_MSI", Kvm.SIGNAL_MSI);
    }

    @TempDir
    private Path directory;

    @Test
    void p7_p20_anotherProcessCanNeitherRunNorReadNorChangeIt() throws Exception {
        try (Guest guest = Guest.bare(0xe6, 0x19, 0xeb, 0xfc);
                DescriptorListener listener =
                        DescriptorListener.listen(directory.resolve("kvm.sock"))) { // again: out 0x19, al; jmp again
            Process other = new ProcessBuilder(
                            Path.of(System.getProperty("java.home"), "bin", "java")
                                    .toString(),
                            "-XX:TieredStopAtLevel=1",
                            "--enable-native-access=ALL-UNNAMED",
                            "-cp",
                            System.getProperty("java.class.path"),
                            Other.class.getName(),
                            listener.path().toString())
                    .redirectError(ProcessBuilder.Redirect.INHERIT)
                    .start();
            try (DescriptorChannel channel = listener.accept()) {
                channel.send(
                        new byte[] {1},
                        guest.kvm().file().descriptor(),
                        guest.engine().file().descriptor());
                guest.onAccess = guest.vcpu()::kick;
                for (int i = 0; i < 100; i++)
                    assertEquals(new Exit.Interrupted(), guest.run(), "meanwhile it runs on for its owner");
                List<String> refused = OF_PROCESSOR.keySet().stream()
                        .map(call -> call + " EIO")
                        .toList();
                List<String> refusedToo =
                        OF_MACHINE.keySet().stream().map(call -> call + " EIO").toList();
                assertEquals(
                        java.util.stream.Stream.concat(refused.stream(), refusedToo.stream())
                                .toList(),
                        other.inputReader().lines().toList());
                assertEquals(0, other.waitFor());
            } finally {
                other.destroyForcibly();
            }
            assertEquals(new Exit.Interrupted(), guest.run());
        }
    }

    /** The second process. */
    static final class Other {
        public static void main(String[] arguments) throws Exception {
            try (DescriptorChannel channel = DescriptorChannel.connect(Path.of(arguments[0]));
                    DescriptorChannel.Message message = channel.receive(1, 2)) {
                int machine = message.take(0), processor = message.take(1);
                OF_PROCESSOR.forEach((call, request) -> attempt(call, processor, request));
                OF_MACHINE.forEach((call, request) -> attempt(call, machine, request));
            }
        }

        private static void attempt(String call, int descriptor, int request) {
            int result = Ioctl.tryIoctl(
                    descriptor, request, request == Kvm.CREATE_VCPU ? 1 : Scratch.zeroed(Scratch.SIZE_BYTES));
            System.out.println(call + " " + (result < 0 ? Errno.name(-result) : "answered " + result));
        }
    }
}
