package org.nestorvm.engine.kvm;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assertions.assertEquals;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.function.Function;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;
import org.nestorvm.memory.sys.HostMemory;
import org.nestorvm.vmm.GuestBus;

/** CPUID, model-specific registers and accesses as tables and arithmetic. Needs no KVM. */
final class KvmPolicyTest {
    private static final List<CpuidEntry> SUPPORTED = List.of(
            new CpuidEntry(0, 0, false, 0x1f, 0x756e6547, 0x6c65746e, 0x49656e69),
            new CpuidEntry(1, 0, false, 0x806f8, 0x00800800, 0xfffaf38b | 1 << 27, 0x0f8bfbff),
            new CpuidEntry(4, 0, true, 0x3c004121, 0, 0, 0),
            new CpuidEntry(4, 3, true, 0x3c1fc163, 0, 0, 0),
            new CpuidEntry(4, 4, true, 0, 0, 0, 0),
            new CpuidEntry(0xb, 0, true, 1, 2, 0x100, 7),
            new CpuidEntry(0xb, 1, true, 7, 64, 0x201, 7),
            new CpuidEntry(0x80000008, 0, false, 0x3930, 0, 0x703f, 0));

    private static Map<String, CpuidEntry> forVcpu(int vcpus, boolean localApic, int apicId) {
        return new KvmCpuid(vcpus, localApic, false)
                .forVcpu(SUPPORTED, apicId).stream()
                        .collect(Collectors.toMap(
                                e -> Integer.toHexString(e.function()) + "." + e.index(), Function.identity()));
    }

    @Test
    void theTopologyIsTheMachinesOwn() {
        Map<String, CpuidEntry> third = forVcpu(5, true, 3);
        assertEquals(3, third.get("1.0").ebx() >>> 24);
        assertEquals(5, third.get("1.0").ebx() >>> 16 & 0xff);
        assertEquals(0x0800, third.get("1.0").ebx() & 0xffff);
        assertEquals(new CpuidEntry(0xb, 0, true, 0, 1, 0x100, 3), third.get("b.0"));
        assertEquals(new CpuidEntry(0xb, 1, true, 3, 5, 0x201, 3), third.get("b.1"));
        assertEquals(new CpuidEntry(0xb, 2, true, 0, 0, 2, 3), third.get("b.2"));
        assertEquals(0, third.get("4.0").eax() >>> 14 & 0xfff, "nobody shares the first level");
        assertEquals(7, third.get("4.3").eax() >>> 14 & 0xfff, "eight APIC ids share the last");
        assertThat(third).as("a leaf that answers zero").doesNotContainKey("4.4");
        assertEquals(4, third.get("80000008.0").ecx());
    }

    @Test
    void onlyTheKernelSetsOsxsave() {
        assertEquals(0, forVcpu(1, true, 0).get("1.0").ecx() >>> 27 & 1);
        assertEquals(1, forVcpu(1, true, 0).get("1.0").ecx() >>> 31, "hypervisor");
    }

    @Test
    void aMachineWithoutLocalApicShowsNone() {
        CpuidEntry basic = forVcpu(1, false, 0).get("1.0");
        assertEquals(0, basic.edx() >>> 9 & 1);
        assertEquals(0, basic.ecx() >>> 21 & 1);
        assertEquals(0, basic.ecx() >>> 24 & 1);
    }

    /** KVM counts the state of all that it supports itself, AMX for one. */
    @Test
    void theXsaveAreaHasRoomForWhatIsOfferedAlone() {
        List<CpuidEntry> supported = List.of(
                new CpuidEntry(0xd, 0, true, 0x60007, 576, 11008, 0),
                new CpuidEntry(0xd, 1, true, 0xf, 0, 3 << 11, 0),
                new CpuidEntry(0xd, 2, true, 256, 576, 0, 0),
                new CpuidEntry(0xd, 11, true, 16, 0, 1, 0),
                new CpuidEntry(0xd, 18, true, 8192, 2816, 6, 0));
        List<CpuidEntry> offered = new KvmCpuid(1, true, false).forVcpu(supported, 0);
        assertThat(offered)
                .containsExactly(
                        new CpuidEntry(0xd, 0, true, 7, 576, 832, 0),
                        new CpuidEntry(0xd, 1, true, 0xf, 0, 0, 0),
                        new CpuidEntry(0xd, 2, true, 256, 576, 0, 0));
    }

    @Test
    void whereKvmEmulatesCmpxchg16bIsNotOffered() {
        CpuidEntry basic = new KvmCpuid(1, true, true)
                .forVcpu(SUPPORTED, 0).stream()
                        .filter(e -> e.function() == 1)
                        .findAny()
                        .orElseThrow();
        assertEquals(0, basic.ecx() >>> 13 & 1);
        assertEquals(1, forVcpu(1, true, 0).get("1.0").ecx() >>> 13 & 1);
    }

    @Test
    void registersOfHiddenFeaturesAreDenied() {
        assertThat(MsrPolicy.DENIED).hasSizeLessThanOrEqualTo(16);
        for (int index : new int[] {0xc1, 0x186, 0x309, 0x345, 0x38f, 0x480, 0x492, 0x570, 0xc0010114, 0xc0010117})
            assertThat(MsrPolicy.denies(index)).as(Integer.toHexString(index)).isTrue();
        for (int index : new int[] {
            0x10, 0x1b, 0x174, 0x1a0, 0x277, 0x2ff, 0x6e0, 0xc0000080, 0xc0000102, 0x4b564d01, 0x800, 0x83f, 0xd90
        }) {
            assertThat(MsrPolicy.denies(index)).as(Integer.toHexString(index)).isFalse();
        }
    }

    @Test
    void memoryAccessesOfOddLengthBecomePieces() {
        assertEquals(List.of("write 1000 4 44332211", "write 1004 2 6655", "write 1006 1 77"), accesses(7, true));
        assertEquals(List.of("read 1000 2", "read 1002 1"), accesses(3, false));
        assertEquals(List.of("write 1000 8 8877665544332211"), accesses(8, true));
        assertEquals(List.of("read 1000 8"), accesses(200, false), "no more than the structure holds");
    }

    private static List<String> accesses(int length, boolean write) {
        List<String> seen = new ArrayList<>();
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment page = arena.allocate(KvmRun.LAYOUT);
            long base = page.address();
            HostMemory.putLong(base + CStruct.offset(KvmRun.LAYOUT, "exit.mmio.phys_addr"), 0x1000);
            HostMemory.putLong(base + CStruct.offset(KvmRun.LAYOUT, "exit.mmio.data"), 0x8877665544332211L);
            HostMemory.putInt(base + CStruct.offset(KvmRun.LAYOUT, "exit.mmio.len"), length);
            HostMemory.putByte(base + CStruct.offset(KvmRun.LAYOUT, "exit.mmio.is_write"), (byte) (write ? 1 : 0));
            KvmAccess.mmio(new KvmRun(base), new GuestBus() {
                @Override
                public int portRead(int port, int size) {
                    return -1;
                }

                @Override
                public void portWrite(int port, int size, int value) {
                    seen.add("out");
                }

                @Override
                public long mmioRead(long gpa, int size) {
                    seen.add("read " + Long.toHexString(gpa) + " " + size);
                    return -1;
                }

                @Override
                public void mmioWrite(long gpa, int size, long value) {
                    seen.add("write " + Long.toHexString(gpa) + " " + size + " " + Long.toHexString(value));
                }
            });
        }
        return seen;
    }
}
