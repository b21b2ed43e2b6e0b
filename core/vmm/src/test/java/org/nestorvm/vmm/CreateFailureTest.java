package org.nestorvm.vmm;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.nestorvm.vmm.MemoryRange.Type.MMIO;
import static org.nestorvm.vmm.MemoryRange.Type.RAM;
import static org.nestorvm.vmm.MemoryRange.Type.RESERVED;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.nestorvm.memory.AddressSpace;
import org.nestorvm.memory.sys.Errno;
import org.nestorvm.memory.sys.FaultPoints;
import org.nestorvm.memory.sys.Primitive;

/** Every step of creating a machine fails in turn; the loop finds out by itself how many there are. */
@Timeout(60)
class CreateFailureTest {
    private static final long M = 1 << 20;
    private static final MemoryMap MAP = MemoryMap.of(
            new MemoryRange(0, M, RAM),
            new MemoryRange(M, M, RESERVED),
            new MemoryRange(2 * M, M, MMIO),
            new MemoryRange(4 * M, M, RAM));

    private final Vmm vmm = new Vmm();
    private final ScriptedEngine engine = new ScriptedEngine(ScriptedEngine.HALT);
    private final VmConfig config =
            VmConfig.of("failing", MAP).withVcpus(2).withOwner("anna").withEngine(engine, ScriptedEngine.options());

    @ParameterizedTest
    @ValueSource(ints = {Errno.ENOMEM, Errno.EMFILE, Errno.EPERM})
    void p4_p5_p17_aCreateThatFailsAnywhereLeavesEverythingAsBefore(int errno) throws IOException {
        vmm.create(config).close();
        int id = 1;
        List<String> failed = new ArrayList<>();
        for (int step = 1; ; step++) {
            Host before = Host.now();
            try (FaultPoints.Plan plan = FaultPoints.failAt(step, errno)) {
                try (VirtualMachine vm = vmm.create(config)) {
                    assertTrue(!plan.fired(), () -> plan + " was swallowed");
                    assertEquals(++id, vm.id(), "failures use no ids");
                }
                break;
            } catch (IOException | OutOfMemoryError expected) {
                before.assertUnchanged("step " + step + ": " + expected.getMessage());
                assertThat(expected.getMessage()).isNotBlank();
                failed.add(expected.getMessage());
            }
            assertEquals(0, vmm.memoryHeldBy("anna"));
            assertThat(vmm.info()).isEmpty();
            assertEquals(0, engine.openVms.get());
            assertEquals(0, engine.openVcpus.get());
        }
        // Each of three objects takes a file, its size, its seals, a mapping and two pieces of advice; then the engine
        // and its processors.
        assertThat(failed).hasSizeGreaterThan(3 * 6 + 3);
        assertThat(String.join("\n", failed))
                .contains(
                        "memfd_create",
                        "ftruncate",
                        "mmap",
                        "madvise",
                        "engine create",
                        "virtual CPU create",
                        "failing.ram0",
                        "failing.reserved1",
                        "failing.ram2");
    }

    @Test
    void p4_sealingIsTheLastThingThatCanFail() throws IOException {
        org.junit.jupiter.api.Assumptions.assumeTrue(Primitive.MSEAL.present(), "this kernel has no mseal(2)");
        VmConfig sealing = config.withSealed(true);
        List<String> outcomes = new ArrayList<>();
        for (int step = 1; ; step++) {
            Host before = Host.now();
            int sealedBefore = AddressSpace.sealedCount();
            FaultPoints.Plan plan = FaultPoints.failAt(step, Errno.ENOMEM);
            try (plan;
                    VirtualMachine vm = vmm.create(sealing)) {
                long sealed = vm.slots().stream()
                        .filter(slot -> slot.mapping().sealed())
                        .count();
                assertEquals(plan.fired() ? 2 : 3, sealed, plan::toString);
                outcomes.add("whole");
                if (!plan.fired()) break;
            } catch (IOException | OutOfMemoryError expected) {
                assertEquals(sealedBefore, AddressSpace.sealedCount(), "nothing was sealed yet");
                before.assertUnchanged(plan.toString());
                outcomes.add("failed");
            }
        }
        // All steps up to the first seal fail cleanly; from the second on there is no way back, and the machine is
        // whole, one mapping unsealed.
        assertEquals(
                List.of("failed", "whole", "whole", "whole"), outcomes.subList(outcomes.size() - 4, outcomes.size()));
        assertThat(outcomes.subList(0, outcomes.size() - 3)).containsOnly("failed");
        assertEquals(0, vmm.memoryHeldBy("anna"));
    }
}
