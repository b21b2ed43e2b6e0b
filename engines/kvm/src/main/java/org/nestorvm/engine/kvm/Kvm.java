package org.nestorvm.engine.kvm;

import java.lang.foreign.MemoryLayout;
import org.nestorvm.memory.sys.Ioctl;

/**
 * The numbers of linux/kvm.h: requests, capabilities, exit reasons, flags, with the names of that header less the
 * prefix KVM_. Requests are composed as the header composes them, from the size of the structure.
 */
final class Kvm {
    private static final int KVMIO = 0xae;

    // on /dev/kvm
    static final int GET_API_VERSION = io(0x00);
    static final int CREATE_VM = io(0x01);
    static final int GET_MSR_INDEX_LIST = iowr(0x02, KvmStructs.MSR_LIST);
    static final int CHECK_EXTENSION = io(0x03);
    static final int GET_VCPU_MMAP_SIZE = io(0x04);
    static final int GET_SUPPORTED_CPUID = iowr(0x05, KvmStructs.CPUID2);

    // on a machine
    static final int CREATE_VCPU = io(0x41);
    static final int GET_DIRTY_LOG = iow(0x42, KvmStructs.DIRTY_LOG);
    static final int SET_USER_MEMORY_REGION = iow(0x46, KvmStructs.USERSPACE_MEMORY_REGION);
    static final int SET_TSS_ADDR = io(0x47);
    static final int SET_IDENTITY_MAP_ADDR = iow(0x48, 8);
    static final int SET_USER_MEMORY_REGION2 = iow(0x49, KvmStructs.USERSPACE_MEMORY_REGION2);
    static final int CREATE_IRQCHIP = io(0x60);
    static final int IRQ_LINE = iow(0x61, KvmStructs.IRQ_LEVEL);
    static final int GET_IRQCHIP = iowr(0x62, KvmStructs.IRQCHIP);
    static final int SET_IRQCHIP = ior(0x63, KvmStructs.IRQCHIP);
    static final int REGISTER_COALESCED_MMIO = iow(0x67, KvmStructs.COALESCED_MMIO_ZONE);
    static final int UNREGISTER_COALESCED_MMIO = iow(0x68, KvmStructs.COALESCED_MMIO_ZONE);
    static final int SET_GSI_ROUTING = iow(0x6a, KvmStructs.IRQ_ROUTING);
    static final int IRQFD = iow(0x76, KvmStructs.IRQFD);
    static final int CREATE_PIT2 = iow(0x77, KvmStructs.PIT_CONFIG);
    static final int IOEVENTFD = iow(0x79, KvmStructs.IOEVENTFD);
    static final int SET_CLOCK = iow(0x7b, KvmStructs.CLOCK_DATA);
    static final int GET_CLOCK = ior(0x7c, KvmStructs.CLOCK_DATA);
    static final int GET_PIT2 = ior(0x9f, KvmStructs.PIT_STATE2);
    static final int SET_PIT2 = iow(0xa0, KvmStructs.PIT_STATE2);
    static final int ENABLE_CAP = iow(0xa3, KvmStructs.ENABLE_CAP);
    static final int SIGNAL_MSI = iow(0xa5, KvmStructs.MSI);
    static final int CLEAR_DIRTY_LOG = iowr(0xc0, KvmStructs.CLEAR_DIRTY_LOG);
    static final int X86_SET_MSR_FILTER = iow(0xc6, KvmStructs.MSR_FILTER);
    static final int RESET_DIRTY_RINGS = io(0xc7);

    // on a processor
    static final int RUN = io(0x80);
    static final int GET_REGS = ior(0x81, KvmStructs.REGS);
    static final int SET_REGS = iow(0x82, KvmStructs.REGS);
    static final int GET_SREGS = ior(0x83, KvmStructs.SREGS);
    static final int SET_SREGS = iow(0x84, KvmStructs.SREGS);
    static final int INTERRUPT = iow(0x86, KvmStructs.INTERRUPT);
    static final int GET_MSRS = iowr(0x88, KvmStructs.MSRS);
    static final int SET_MSRS = iow(0x89, KvmStructs.MSRS);
    static final int SET_SIGNAL_MASK = iow(0x8b, KvmStructs.SIGNAL_MASK);
    static final int GET_FPU = ior(0x8c, KvmStructs.FPU);
    static final int SET_FPU = iow(0x8d, KvmStructs.FPU);
    static final int GET_LAPIC = ior(0x8e, KvmStructs.LAPIC_STATE);
    static final int SET_LAPIC = iow(0x8f, KvmStructs.LAPIC_STATE);
    static final int SET_CPUID2 = iow(0x90, KvmStructs.CPUID2);
    static final int GET_CPUID2 = iowr(0x91, KvmStructs.CPUID2);
    static final int GET_MP_STATE = ior(0x98, KvmStructs.MP_STATE);
    static final int SET_MP_STATE = iow(0x99, KvmStructs.MP_STATE);
    static final int NMI = io(0x9a);
    static final int SET_GUEST_DEBUG = iow(0x9b, KvmStructs.GUEST_DEBUG);
    static final int GET_VCPU_EVENTS = ior(0x9f, KvmStructs.VCPU_EVENTS);
    static final int SET_VCPU_EVENTS = iow(0xa0, KvmStructs.VCPU_EVENTS);
    static final int GET_DEBUGREGS = ior(0xa1, KvmStructs.DEBUGREGS);
    static final int SET_DEBUGREGS = iow(0xa2, KvmStructs.DEBUGREGS);
    static final int SET_TSC_KHZ = io(0xa2);
    static final int GET_TSC_KHZ = io(0xa3);
    static final int GET_XSAVE = ior(0xa4, KvmStructs.XSAVE);
    static final int SET_XSAVE = iow(0xa5, KvmStructs.XSAVE);
    static final int GET_XCRS = ior(0xa6, KvmStructs.XCRS);
    static final int SET_XCRS = iow(0xa7, KvmStructs.XCRS);
    static final int KVMCLOCK_CTRL = io(0xad);
    static final int GET_SREGS2 = ior(0xcc, KvmStructs.SREGS2);
    static final int SET_SREGS2 = iow(0xcd, KvmStructs.SREGS2);
    static final int GET_XSAVE2 = ior(0xcf, KvmStructs.XSAVE);

    // capabilities
    static final int CAP_IRQCHIP = 0;
    static final int CAP_USER_MEMORY = 3;
    static final int CAP_NR_VCPUS = 9;
    static final int CAP_NR_MEMSLOTS = 10;
    static final int CAP_COALESCED_MMIO = 15;
    static final int CAP_IRQFD = 32;
    static final int CAP_IOEVENTFD = 36;
    static final int CAP_MAX_VCPUS = 66;
    static final int CAP_TSC_DEADLINE_TIMER = 72;
    static final int CAP_SYNC_REGS = 74;
    static final int CAP_SIGNAL_MSI = 77;
    static final int CAP_READONLY_MEM = 81;
    static final int CAP_SPLIT_IRQCHIP = 121;
    static final int CAP_X2APIC_API = 129;
    static final int CAP_IMMEDIATE_EXIT = 136;
    static final int CAP_MANUAL_DIRTY_LOG_PROTECT2 = 168;
    static final int CAP_X86_USER_SPACE_MSR = 188;
    static final int CAP_X86_MSR_FILTER = 189;
    static final int CAP_ENFORCE_PV_FEATURE_CPUID = 190;
    static final int CAP_DIRTY_LOG_RING = 192;
    static final int CAP_SREGS2 = 200;
    static final int CAP_EXIT_ON_EMULATION_FAILURE = 204;
    static final int CAP_XSAVE2 = 208;
    static final int CAP_PMU_CAPABILITY = 212;
    static final int CAP_USER_MEMORY2 = 231;

    // exit reasons
    static final int EXIT_UNKNOWN = 0;
    static final int EXIT_EXCEPTION = 1;
    static final int EXIT_IO = 2;
    static final int EXIT_DEBUG = 4;
    static final int EXIT_HLT = 5;
    static final int EXIT_MMIO = 6;
    static final int EXIT_IRQ_WINDOW_OPEN = 7;
    static final int EXIT_SHUTDOWN = 8;
    static final int EXIT_FAIL_ENTRY = 9;
    static final int EXIT_INTR = 10;
    static final int EXIT_SET_TPR = 11;
    static final int EXIT_INTERNAL_ERROR = 17;
    static final int EXIT_SYSTEM_EVENT = 24;
    static final int EXIT_IOAPIC_EOI = 26;
    static final int EXIT_X86_RDMSR = 29;
    static final int EXIT_X86_WRMSR = 30;
    static final int EXIT_DIRTY_RING_FULL = 31;
    static final int EXIT_MEMORY_FAULT = 39;

    static final int INTERNAL_ERROR_EMULATION = 1,
            INTERNAL_ERROR_SIMUL_EX = 2,
            INTERNAL_ERROR_DELIVERY_EV = 3,
            INTERNAL_ERROR_UNEXPECTED_EXIT_REASON = 4;

    // flags
    static final int PMU_CAP_DISABLE = 1;
    static final int MEM_LOG_DIRTY_PAGES = 1, MEM_READONLY = 2;
    static final int SYNC_X86_REGS = 1, SYNC_X86_SREGS = 2, SYNC_X86_EVENTS = 4;
    static final int MP_STATE_RUNNABLE = 0,
            MP_STATE_UNINITIALIZED = 1,
            MP_STATE_INIT_RECEIVED = 2,
            MP_STATE_HALTED = 3,
            MP_STATE_SIPI_RECEIVED = 4;
    static final int IRQ_ROUTING_IRQCHIP = 1, IRQ_ROUTING_MSI = 2;
    static final int IRQFD_FLAG_DEASSIGN = 1, IRQFD_FLAG_RESAMPLE = 2;
    static final int IOEVENTFD_FLAG_DATAMATCH = 1, IOEVENTFD_FLAG_PIO = 2, IOEVENTFD_FLAG_DEASSIGN = 4;
    static final int X86_SHADOW_INT_MOV_SS = 1, X86_SHADOW_INT_STI = 2;
    static final int VCPUEVENT_VALID_NMI_PENDING = 1, VCPUEVENT_VALID_SIPI_VECTOR = 2, VCPUEVENT_VALID_SHADOW = 4;
    static final int GUESTDBG_ENABLE = 1,
            GUESTDBG_SINGLESTEP = 2,
            GUESTDBG_USE_SW_BP = 0x10000,
            GUESTDBG_USE_HW_BP = 0x20000;
    static final int MSR_FILTER_READ = 1, MSR_FILTER_WRITE = 2;
    static final int CPUID_FLAG_SIGNIFCANT_INDEX = 1;
    static final int DIRTY_LOG_MANUAL_PROTECT_ENABLE = 1, DIRTY_LOG_INITIALLY_SET = 2;
    static final int DIRTY_GFN_F_DIRTY = 1, DIRTY_GFN_F_RESET = 2;
    static final int X2APIC_API_USE_32BIT_IDS = 1, X2APIC_API_DISABLE_BROADCAST_QUIRK = 2;
    /** Pages into a processor's mapping: the ring of coalesced writes and the ring of dirty frames. */
    static final int COALESCED_MMIO_PAGE_OFFSET = 2, DIRTY_LOG_PAGE_OFFSET = 64;

    private Kvm() {}

    private static int io(int number) {
        return Ioctl.io(KVMIO, number);
    }

    private static int ior(int number, MemoryLayout argument) {
        return Ioctl.ior(KVMIO, number, argument.byteSize());
    }

    private static int iow(int number, MemoryLayout argument) {
        return iow(number, argument.byteSize());
    }

    private static int iow(int number, long sizeBytes) {
        return Ioctl.iow(KVMIO, number, sizeBytes);
    }

    private static int iowr(int number, MemoryLayout argument) {
        return Ioctl.iowr(KVMIO, number, argument.byteSize());
    }
}
