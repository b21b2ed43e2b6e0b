package org.nestorvm.engine.kvm;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.fail;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.nestorvm.memory.sys.Errno;
import org.nestorvm.memory.sys.FaultPoints;
import org.nestorvm.vmm.EngineOptions;
import org.nestorvm.vmm.EngineOptions.Interrupts;
import org.nestorvm.vmm.Exit;
import org.nestorvm.vmm.InstructionClock;
import org.nestorvm.vmm.InterruptController;
import org.nestorvm.vmm.MemoryMap;
import org.nestorvm.vmm.MemoryRange;
import org.nestorvm.vmm.VirtualMachine;
import org.nestorvm.vmm.VmConfig;
import org.nestorvm.vmm.Vmm;

/** Nothing is left behind, by machines that lived and by machines that could not be made. */
@Timeout(60)
final class KvmLifeCycleTest {
    private static final MemoryMap MAP = MemoryMap.pc(16 << 20, 1 << 20);

    /** What this process holds of KVM and of memory files: descriptors by what they are, mappings. */
    private record Host(TreeMap<String, Integer> descriptors, List<String> mappings) {
        static Host now() throws IOException {
            TreeMap<String, Integer> descriptors = new TreeMap<>();
            try (Stream<Path> links = Files.list(Path.of("/proc/self/fd"))) {
                for (Path link : links.toList()) {
                    try {
                        String target = Files.readSymbolicLink(link).toString();
                        if (target.startsWith("anon_inode:kvm")
                                || target.startsWith("/memfd:")
                                || target.equals("/dev/kvm")) descriptors.merge(target, 1, Integer::sum);
                    } catch (IOException e) {
                        continue; // the descriptor of the listing itself
                    }
                }
            }
            try (Stream<String> maps = Files.lines(Path.of("/proc/self/maps"))) {
                return new Host(
                        descriptors,
                        maps.filter(line -> line.contains("kvm") || line.contains("/memfd:"))
                                .filter(line -> !line.contains(".jar") && !line.contains(".so"))
                                .toList());
            }
        }
    }

    private static VmConfig config(org.nestorvm.vmm.HostClock clock) {
        return VmConfig.of("cycle", MAP)
                .withVcpus(2)
                .withEngine(new KvmEngine(), new EngineOptions(Interrupts.LOCAL_APIC, InterruptController.NONE, clock));
    }

    @Test
    void aMachineLeavesNothing() throws Exception {
        Guest.assumeKvm();
        Host before = Host.now();
        for (int round = 0; round < 30; round++) {
            try (Guest guest = Guest.bare(0xf4)) {
                assertEquals(new Exit.HaltForever(), guest.run());
                assertThat(Host.now().descriptors()).containsKey("anon_inode:kvm-vm");
            }
        }
        assertEquals(before, Host.now());
    }

    @Test
    void aCreationThatFailsAtAnyStepLeavesNothing() throws Exception {
        Guest.assumeKvm();
        try (org.nestorvm.vmm.HostClock clock = new org.nestorvm.vmm.HostClock()) {
            new Vmm().create(config(clock)).close(); // what is made once for all is made
            Host before = Host.now();
            for (int step = 1; ; step++) {
                try (FaultPoints.Plan plan = FaultPoints.failAt(step, Errno.ENOMEM)) {
                    VirtualMachine vm = new Vmm().create(config(clock));
                    boolean fired = plan.fired();
                    vm.close();
                    if (!fired) {
                        assertThat(step)
                                .as("steps, of which KVM has at least ten")
                                .isGreaterThan(20);
                        break;
                    }
                    fail(plan + " was swallowed");
                } catch (IOException | OutOfMemoryError expected) {
                    assertEquals(before, Host.now(), "after step " + step + ", " + expected);
                }
            }
            assertEquals(before, Host.now());
        }
    }

    @Test
    void theFailedCallIsNamed() throws Exception {
        Guest.assumeKvm();
        try (Guest guest = Guest.bare(0xf4)) {
            assertThatThrownBy(() -> guest.kvm().createVcpu(0))
                    .isInstanceOf(IOException.class)
                    .hasMessageContaining("KVM_CREATE_VCPU")
                    .hasMessageContaining("test")
                    .hasMessageContaining("EEXIST");
        }
    }

    @Test
    void timeByInstructionsIsRefused() {
        Guest.assumeKvm();
        VmConfig config = VmConfig.of("counted", MemoryMap.of(new MemoryRange(0, 1 << 20, MemoryRange.Type.RAM)))
                .withEngine(new KvmEngine(), EngineOptions.bare(new InstructionClock(0)));
        assertThatThrownBy(() -> new Vmm().create(config))
                .isInstanceOf(IOException.class)
                .hasMessageContaining("counts instructions");
    }
}
