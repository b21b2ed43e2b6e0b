package org.nestorvm.vmm;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;

import org.junit.jupiter.api.Test;

final class CpuidPolicyTest {
    @Test void offeredFeaturesPassAndOthersDoNot() {
        int vmx = 1 << 5, smx = 1 << 6, avx = 1 << 28;
        assertEquals(avx, CpuidPolicy.filter(1, 0, CpuidPolicy.ECX, vmx | smx | avx));
        assertEquals(new CpuidPolicy.Feature(7, 0, CpuidPolicy.EBX, 5), CpuidPolicy.feature("avx2"));
        assertNull(CpuidPolicy.feature("vmx"));
    }

    @Test void hiddenLeavesAnswerZero() {
        assertEquals(0, CpuidPolicy.filter(0xa, 0, CpuidPolicy.EAX, 0x07300802));
        assertEquals(0, CpuidPolicy.filter(0x8000000a, 0, CpuidPolicy.EBX, -1));
    }

    @Test void registersWithoutFeaturesPass() {
        assertEquals(0x756e6547, CpuidPolicy.filter(0, 0, CpuidPolicy.EBX, 0x756e6547));
        assertEquals(0x3930, CpuidPolicy.filter(0x80000008, 0, CpuidPolicy.EAX, 0x3930));
    }

    @Test void featureWordsOfTheFutureStayHidden() {
        assertEquals(0, CpuidPolicy.filter(7, 2, CpuidPolicy.EDX, -1));
        assertEquals(2, CpuidPolicy.filter(7, 0, CpuidPolicy.EAX, 2));
    }

    @Test void amxStateIsNotOffered() {
        int amx = 3 << 17;
        assertEquals(0, CpuidPolicy.filter(0xd, 0, CpuidPolicy.EAX, amx));
    }
}
