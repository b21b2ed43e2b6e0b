package org.nestorvm.engine.tests;

import static org.nestorvm.asm.Reg.*;

import org.nestorvm.asm.Asm;
import org.nestorvm.asm.Label;

/**
 * KVM's hypercalls, which CPUID's leaves of KVM promise (Linux, Documentation/virt/kvm/x86/hypercalls): by VMCALL and
 * by VMMCALL, whichever vendor CPUID names.
 */
class HypercallsTest {
    private static final String PVM =
            "a call from user code reaches the host's own hypervisor, and others go through its instruction emulator";
    private static final int EPERM = 1, EOPNOTSUPP = 95, ENOSYS = 1000;
    private static final int VAPIC_POLL_IRQ = 1,
            MMU_OP = 2,
            FEATURES = 3,
            KICK_CPU = 5,
            CLOCK_PAIRING = 9,
            SEND_IPI = 10,
            SCHED_YIELD = 11;

    private static Asm call(Asm a, boolean amd) {
        return amd ? a.vmmcall() : a.vmcall();
    }

    private static void expect(TestMachine vm, long number, long result) {
        for (boolean amd : new boolean[] {false, true}) {
            vm.start(call(
                            vm.program()
                                    .mov(RAX, number)
                                    .xor(EBX, EBX)
                                    .mov(ECX, 99)
                                    .xor(EDX, EDX)
                                    .xor(ESI, ESI),
                            amd)
                    .mov(RDI, RAX)
                    .hlt());
            Expect.halt(vm);
            Expect.reg(vm, RDI, result);
            Expect.reg(vm, RCX, 99);
        }
    }

    @EngineTest(notOnPvm = PVM)
    void unknownNumbersAreRefused(TestMachine vm) {
        vm.longMode();
        for (long number : new long[] {0, MMU_OP, FEATURES, 77, 0x1_0000_0001L, -1}) expect(vm, number, -ENOSYS);
        expect(vm, VAPIC_POLL_IRQ, 0);
    }

    /** The clock of type 99 is not the wall clock, of which alone there are pairs. */
    @EngineTest(notOnPvm = PVM)
    void noOtherClockIsPaired(TestMachine vm) {
        vm.longMode();
        expect(vm, CLOCK_PAIRING, -EOPNOTSUPP);
    }

    /** PV_UNHALT, PV_SEND_IPI and PV_SCHED_YIELD have a call each. */
    @EngineTest(only = "soft")
    void callsOfFeaturesThatAreNotAnnouncedAreUnknown(TestMachine vm) {
        vm.longMode();
        vm.start(vm.program().mov(EAX, 0x40000001L).cpuid().hlt());
        Expect.halt(vm);
        long features = vm.get(EAX);
        int[][] calls = {{7, KICK_CPU}, {11, SEND_IPI}, {13, SCHED_YIELD}};
        for (int[] each : calls) if ((features >>> each[0] & 1) == 0) expect(vm, each[1], -ENOSYS);
    }

    @EngineTest(notOnPvm = PVM, notOnAmd = "VMCALL goes through KVM's emulator, which refuses it to users")
    void usersMayNotCallByVmcall(TestMachine vm) {
        usersMayNotCall(vm, false);
    }

    @EngineTest(notOnPvm = PVM)
    void usersMayNotCallByVmmcall(TestMachine vm) {
        usersMayNotCall(vm, true);
    }

    private static void usersMayNotCall(TestMachine vm, boolean amd) {
        vm.longMode();
        vm.userMode();
        Asm a = call(vm.program(Layout.USER_CODE).mov(EAX, VAPIC_POLL_IRQ), amd).mov(RDI, RAX);
        Label end = a.here();
        vm.start(a.hlt());
        Expect.fault(vm, Expect.GP, 0, end);
        Expect.reg(vm, RDI, -EPERM);
    }

    @EngineTest(notOnPvm = PVM)
    void outside64BitCodeNumbersAndResultsHave32Bits(TestMachine vm) {
        vm.protectedMode();
        vm.cpu.gpr[0] = 0;
        vm.start(call(vm.program().mov(EAX, 77), false).hlt());
        Expect.halt(vm);
        Expect.reg(vm, RAX, -ENOSYS & 0xffffffffL);
        vm.realMode();
        vm.cpu.gpr[4] = 0xfff0;
        vm.start(call(vm.program().mov(EAX, VAPIC_POLL_IRQ), true).hlt());
        Expect.halt(vm);
        Expect.reg(vm, EAX, 0);
    }
}
