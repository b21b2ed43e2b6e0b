package org.nestorvm.engine.kvm;

import static org.nestorvm.engine.kvm.CStruct.array;
import static org.nestorvm.engine.kvm.CStruct.struct;
import static org.nestorvm.engine.kvm.CStruct.u16;
import static org.nestorvm.engine.kvm.CStruct.u32;
import static org.nestorvm.engine.kvm.CStruct.u64;
import static org.nestorvm.engine.kvm.CStruct.u8;
import static org.nestorvm.engine.kvm.CStruct.union;

import java.lang.foreign.StructLayout;
import java.util.List;

/**
 * The structures of linux/kvm.h and asm/kvm.h for x86, with the names of those headers, in the order of a virtual
 * machine's life: memory, processors, registers, interrupts, clocks, logs. A structure that ends in a flexible array
 * has its fixed part here and the element under a name of its own. The kvm_run page is {@link KvmRun}.
 */
final class KvmStructs {
    // memory
    static final StructLayout USERSPACE_MEMORY_REGION = struct(
            "kvm_userspace_memory_region",
            u32("slot"),
            u32("flags"),
            u64("guest_phys_addr"),
            u64("memory_size"),
            u64("userspace_addr"));
    static final StructLayout USERSPACE_MEMORY_REGION2 = struct(
            "kvm_userspace_memory_region2",
            u32("slot"),
            u32("flags"),
            u64("guest_phys_addr"),
            u64("memory_size"),
            u64("userspace_addr"),
            u64("guest_memfd_offset"),
            u32("guest_memfd"),
            u32("pad1"),
            u64("pad2", 14));
    static final StructLayout ENABLE_CAP =
            struct("kvm_enable_cap", u32("cap"), u32("flags"), u64("args", 4), u8("pad", 64));
    static final StructLayout DEVICE_ATTR =
            struct("kvm_device_attr", u32("flags"), u32("group"), u64("attr"), u64("addr"));

    // general registers, segments, control registers
    static final StructLayout REGS = struct(
            "kvm_regs",
            u64("rax"),
            u64("rbx"),
            u64("rcx"),
            u64("rdx"),
            u64("rsi"),
            u64("rdi"),
            u64("rsp"),
            u64("rbp"),
            u64("r8"),
            u64("r9"),
            u64("r10"),
            u64("r11"),
            u64("r12"),
            u64("r13"),
            u64("r14"),
            u64("r15"),
            u64("rip"),
            u64("rflags"));
    static final StructLayout SEGMENT = struct(
            "kvm_segment",
            u64("base"),
            u32("limit"),
            u16("selector"),
            u8("type"),
            u8("present"),
            u8("dpl"),
            u8("db"),
            u8("s"),
            u8("l"),
            u8("g"),
            u8("avl"),
            u8("unusable"),
            u8("padding"));
    static final StructLayout DTABLE =
            struct("kvm_dtable", u64("base"), u16("limit"), array("padding", 3, u16("word")));
    static final StructLayout SREGS = struct(
            "kvm_sregs",
            SEGMENT.withName("cs"),
            SEGMENT.withName("ds"),
            SEGMENT.withName("es"),
            SEGMENT.withName("fs"),
            SEGMENT.withName("gs"),
            SEGMENT.withName("ss"),
            SEGMENT.withName("tr"),
            SEGMENT.withName("ldt"),
            DTABLE.withName("gdt"),
            DTABLE.withName("idt"),
            u64("cr0"),
            u64("cr2"),
            u64("cr3"),
            u64("cr4"),
            u64("cr8"),
            u64("efer"),
            u64("apic_base"),
            u64("interrupt_bitmap", 4));
    static final StructLayout SREGS2 = struct(
            "kvm_sregs2",
            SEGMENT.withName("cs"),
            SEGMENT.withName("ds"),
            SEGMENT.withName("es"),
            SEGMENT.withName("fs"),
            SEGMENT.withName("gs"),
            SEGMENT.withName("ss"),
            SEGMENT.withName("tr"),
            SEGMENT.withName("ldt"),
            DTABLE.withName("gdt"),
            DTABLE.withName("idt"),
            u64("cr0"),
            u64("cr2"),
            u64("cr3"),
            u64("cr4"),
            u64("cr8"),
            u64("efer"),
            u64("apic_base"),
            u64("flags"),
            u64("pdptrs", 4));
    static final StructLayout DEBUGREGS =
            struct("kvm_debugregs", u64("db", 4), u64("dr6"), u64("dr7"), u64("flags"), u64("reserved", 9));
    static final StructLayout GUEST_DEBUG =
            struct("kvm_guest_debug", u32("control"), u32("pad"), struct("arch", u64("debugreg", 8)));

    // floating point
    static final StructLayout FPU = struct(
            "kvm_fpu",
            array("fpr", 8, u8("st", 16)),
            u16("fcw"),
            u16("fsw"),
            u8("ftwx"),
            u8("pad1"),
            u16("last_opcode"),
            u64("last_ip"),
            u64("last_dp"),
            array("xmm", 16, u8("lane", 16)),
            u32("mxcsr"),
            u32("pad2"));
    static final StructLayout XSAVE = struct("kvm_xsave", u32("region", 1024));
    static final StructLayout XCR = struct("kvm_xcr", u32("xcr"), u32("reserved"), u64("value"));
    static final StructLayout XCRS =
            struct("kvm_xcrs", u32("nr_xcrs"), u32("flags"), array("xcrs", 16, XCR), u64("padding", 16));

    // model-specific registers and CPUID
    static final StructLayout MSR_ENTRY = struct("kvm_msr_entry", u32("index"), u32("reserved"), u64("data"));
    static final StructLayout MSRS = struct("kvm_msrs", u32("nmsrs"), u32("pad"), array("entries", 0, MSR_ENTRY));
    static final StructLayout MSR_LIST = struct("kvm_msr_list", u32("nmsrs"), u32("indices", 0));
    static final StructLayout MSR_FILTER_RANGE =
            struct("kvm_msr_filter_range", u32("flags"), u32("nmsrs"), u32("base"), u64("bitmap"));
    static final StructLayout MSR_FILTER =
            struct("kvm_msr_filter", u32("flags"), array("ranges", 16, MSR_FILTER_RANGE));
    static final StructLayout CPUID_ENTRY2 = struct(
            "kvm_cpuid_entry2",
            u32("function"),
            u32("index"),
            u32("flags"),
            u32("eax"),
            u32("ebx"),
            u32("ecx"),
            u32("edx"),
            u32("padding", 3));
    static final StructLayout CPUID2 =
            struct("kvm_cpuid2", u32("nent"), u32("padding"), array("entries", 0, CPUID_ENTRY2));

    // events and interrupts
    static final StructLayout VCPU_EVENTS = struct(
            "kvm_vcpu_events",
            struct("exception", u8("injected"), u8("nr"), u8("has_error_code"), u8("pending"), u32("error_code")),
            struct("interrupt", u8("injected"), u8("nr"), u8("soft"), u8("shadow")),
            struct("nmi", u8("injected"), u8("pending"), u8("masked"), u8("pad")),
            u32("sipi_vector"),
            u32("flags"),
            struct("smi", u8("smm"), u8("pending"), u8("smm_inside_nmi"), u8("latched_init")),
            struct("triple_fault", u8("pending")),
            u8("reserved", 26),
            u8("exception_has_payload"),
            u64("exception_payload"));
    static final StructLayout INTERRUPT = struct("kvm_interrupt", u32("irq"));
    static final StructLayout MP_STATE = struct("kvm_mp_state", u32("mp_state"));
    static final StructLayout LAPIC_STATE = struct("kvm_lapic_state", u8("regs", 0x400));
    static final StructLayout IRQCHIP = struct("kvm_irqchip", u32("chip_id"), u32("pad"), union("chip", 512));
    static final StructLayout PIC_STATE = struct(
            "kvm_pic_state",
            u8("last_irr"),
            u8("irr"),
            u8("imr"),
            u8("isr"),
            u8("priority_add"),
            u8("irq_base"),
            u8("read_reg_select"),
            u8("poll"),
            u8("special_mask"),
            u8("init_state"),
            u8("auto_eoi"),
            u8("rotate_on_auto_eoi"),
            u8("special_fully_nested_mode"),
            u8("init4"),
            u8("elcr"),
            u8("elcr_mask"));
    static final StructLayout IOAPIC_STATE = struct(
            "kvm_ioapic_state",
            u64("base_address"),
            u32("ioregsel"),
            u32("id"),
            u32("irr"),
            u32("pad"),
            u64("redirtbl", 24));
    static final StructLayout IRQ_LEVEL = struct("kvm_irq_level", u32("irq"), u32("level"));
    static final StructLayout IRQ_ROUTING_IRQCHIP = struct("kvm_irq_routing_irqchip", u32("irqchip"), u32("pin"));
    static final StructLayout IRQ_ROUTING_MSI =
            struct("kvm_irq_routing_msi", u32("address_lo"), u32("address_hi"), u32("data"), u32("devid"));
    static final StructLayout IRQ_ROUTING_ENTRY = struct(
            "kvm_irq_routing_entry",
            u32("gsi"),
            u32("type"),
            u32("flags"),
            u32("pad"),
            union("u", 32, IRQ_ROUTING_IRQCHIP.withName("irqchip"), IRQ_ROUTING_MSI.withName("msi")));
    static final StructLayout IRQ_ROUTING =
            struct("kvm_irq_routing", u32("nr"), u32("flags"), array("entries", 0, IRQ_ROUTING_ENTRY));
    static final StructLayout IRQFD =
            struct("kvm_irqfd", u32("fd"), u32("gsi"), u32("flags"), u32("resamplefd"), u8("pad", 16));
    static final StructLayout IOEVENTFD =
            struct("kvm_ioeventfd", u64("datamatch"), u64("addr"), u32("len"), u32("fd"), u32("flags"), u8("pad", 36));
    static final StructLayout MSI = struct(
            "kvm_msi", u32("address_lo"), u32("address_hi"), u32("data"), u32("flags"), u32("devid"), u8("pad", 12));
    static final StructLayout SIGNAL_MASK = struct("kvm_signal_mask", u32("len"), u8("sigset", 0));

    // timers and clocks
    static final StructLayout PIT_CHANNEL_STATE = struct(
            "kvm_pit_channel_state",
            u32("count"),
            u16("latched_count"),
            u8("count_latched"),
            u8("status_latched"),
            u8("status"),
            u8("read_state"),
            u8("write_state"),
            u8("write_latch"),
            u8("rw_mode"),
            u8("mode"),
            u8("bcd"),
            u8("gate"),
            u64("count_load_time"));
    static final StructLayout PIT_STATE2 =
            struct("kvm_pit_state2", array("channels", 3, PIT_CHANNEL_STATE), u32("flags"), u32("reserved", 9));
    static final StructLayout PIT_CONFIG = struct("kvm_pit_config", u32("flags"), u32("pad", 15));
    static final StructLayout CLOCK_DATA = struct(
            "kvm_clock_data", u64("clock"), u32("flags"), u32("pad0"), u64("realtime"), u64("host_tsc"), u32("pad", 4));

    // logs and rings
    static final StructLayout DIRTY_LOG = struct("kvm_dirty_log", u32("slot"), u32("padding1"), u64("dirty_bitmap"));
    static final StructLayout CLEAR_DIRTY_LOG =
            struct("kvm_clear_dirty_log", u32("slot"), u32("num_pages"), u64("first_page"), u64("dirty_bitmap"));
    static final StructLayout DIRTY_GFN = struct("kvm_dirty_gfn", u32("flags"), u32("slot"), u64("offset"));
    static final StructLayout COALESCED_MMIO_ZONE =
            struct("kvm_coalesced_mmio_zone", u64("addr"), u32("size"), u32("pio"));
    static final StructLayout COALESCED_MMIO =
            struct("kvm_coalesced_mmio", u64("phys_addr"), u32("len"), u32("pio"), u8("data", 8));
    static final StructLayout COALESCED_MMIO_RING =
            struct("kvm_coalesced_mmio_ring", u32("first"), u32("last"), array("coalesced_mmio", 0, COALESCED_MMIO));

    static final List<StructLayout> ALL = List.of(
            USERSPACE_MEMORY_REGION,
            USERSPACE_MEMORY_REGION2,
            ENABLE_CAP,
            DEVICE_ATTR,
            REGS,
            SEGMENT,
            DTABLE,
            SREGS,
            SREGS2,
            DEBUGREGS,
            GUEST_DEBUG,
            FPU,
            XSAVE,
            XCR,
            XCRS,
            MSR_ENTRY,
            MSRS,
            MSR_LIST,
            MSR_FILTER_RANGE,
            MSR_FILTER,
            CPUID_ENTRY2,
            CPUID2,
            VCPU_EVENTS,
            INTERRUPT,
            MP_STATE,
            LAPIC_STATE,
            IRQCHIP,
            PIC_STATE,
            IOAPIC_STATE,
            IRQ_LEVEL,
            IRQ_ROUTING_IRQCHIP,
            IRQ_ROUTING_MSI,
            IRQ_ROUTING_ENTRY,
            IRQ_ROUTING,
            IRQFD,
            IOEVENTFD,
            MSI,
            SIGNAL_MASK,
            PIT_CHANNEL_STATE,
            PIT_STATE2,
            PIT_CONFIG,
            CLOCK_DATA,
            DIRTY_LOG,
            CLEAR_DIRTY_LOG,
            DIRTY_GFN,
            COALESCED_MMIO_ZONE,
            COALESCED_MMIO,
            COALESCED_MMIO_RING,
            KvmRun.LAYOUT);

    private KvmStructs() {}
}
