package org.nestorvm.vmm;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;

import org.junit.jupiter.api.Test;

final class CpuidPolicyTest {
    @Test
    void offeredFeaturesPassAndOthersDoNot() {
        int vmx = 1 << 5, smx = 1 << 6, avx = 1 << 28;
        assertEquals(avx, CpuidPolicy.filter(1, 0, CpuidPolicy.ECX, vmx | smx | avx));
        assertEquals(new CpuidPolicy.Feature(7, 0, CpuidPolicy.EBX, 5), CpuidPolicy.feature("avx2"));
        assertNull(CpuidPolicy.feature("vmx"));
    }

    @Test
    void hiddenLeavesAnswerZero() {
        assertEquals(0, CpuidPolicy.filter(0xa, 0, CpuidPolicy.EAX, 0x07300802));
        assertEquals(0, CpuidPolicy.filter(0x8000000a, 0, CpuidPolicy.EBX, -1));
    }

    @Test
    void registersWithoutFeaturesPass() {
        assertEquals(0x756e6547, CpuidPolicy.filter(0, 0, CpuidPolicy.EBX, 0x756e6547));
        assertEquals(0x3930, CpuidPolicy.filter(0x80000008, 0, CpuidPolicy.EAX, 0x3930));
    }

    @Test
    void featureWordsOfTheFutureStayHidden() {
        assertEquals(0, CpuidPolicy.filter(7, 2, CpuidPolicy.EDX, -1));
        assertEquals(2, CpuidPolicy.filter(7, 0, CpuidPolicy.EAX, 2));
    }

    /** Linux disables SVM through VM_CR and EFER before it reboots, wherever CPUID shows it. */
    @Test
    void svmIsNotShown() {
        assertEquals(1, CpuidPolicy.filter(0x80000001, 0, CpuidPolicy.ECX, 0b111));
    }

    /** Linux prefers 1Fh and 80000026h to 0Bh: they must not show the host's topology. */
    @Test
    void leavesThatNoTableNamesAnswerZero() {
        for (int leaf : new int[] {
            0x3,
            0x5,
            0x9,
            0xa,
            0x12,
            0x14,
            0x1f,
            0x23,
            0x24,
            0x8000000a,
            0x8000001b,
            0x8000001f,
            0x80000022,
            0x80000026,
            0xc0000001,
            0x40000010
        }) {
            for (int register = 0; register < 4; register++)
                assertEquals(0, CpuidPolicy.filter(leaf, 0, register, -1), Integer.toHexString(leaf));
        }
    }

    /**
     * ECX of leaf 6 is APERF and MPERF, EDX of 80000008h the limits of RDPRU and INVLPGB, EBX and ECX of 80000007h
     * machine checks and power.
     */
    @Test
    void registersBesideOfferedOnesAreFeaturesToo() {
        assertEquals(0, CpuidPolicy.filter(6, 0, CpuidPolicy.ECX, -1));
        assertEquals(0, CpuidPolicy.filter(0x80000008, 0, CpuidPolicy.EDX, -1));
        assertEquals(0, CpuidPolicy.filter(0x80000007, 0, CpuidPolicy.EBX, -1));
        assertEquals(0, CpuidPolicy.filter(0x80000007, 0, CpuidPolicy.ECX, -1));
    }

    /** Components 8 and 11 (processor trace, CET) are supervisor state, 17 and 18 AMX. */
    @Test
    void stateOfFeaturesThatAreNotOfferedHasNoPlace() {
        for (int component : new int[] {8, 11, 17, 18, 40})
            assertEquals(0, CpuidPolicy.filter(0xd, component, CpuidPolicy.EAX, 64));
        assertEquals(256, CpuidPolicy.filter(0xd, 2, CpuidPolicy.EAX, 256));
        assertEquals(0, CpuidPolicy.filter(0xd, 1, CpuidPolicy.ECX, 3 << 11));
    }

    @Test
    void amxStateIsNotOffered() {
        int amx = 3 << 17;
        assertEquals(0, CpuidPolicy.filter(0xd, 0, CpuidPolicy.EAX, amx));
    }
}
