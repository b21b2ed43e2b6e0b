/* The calls that Nestor's KVM engine makes, from C, for comparison; see KvmComparison.java, which compiles and runs this.
 *   kvm-peer create N     machine of 16 MiB, first instruction, close
 *   kvm-peer order N      the same without the instruction, by interrupt controller and order: creation, then close
 *   kvm-peer port N       port write that leaves the guest, N batches of 100
 *   kvm-peer mmio N       the same for a memory-mapped write
 *   kvm-peer irqfd N      eventfd written to interrupt handler's port write seen by another thread
 * Each prints the tenth percentile and the median of N in ns: on a shared machine the first says more.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define MEMORY (16ul << 20)
#define APIC 0xfee00000ul
enum chip { NONE, SPLIT, KERNEL };

struct machine {
    int vm, memfd, vcpu;
    uint8_t *memory;
    struct kvm_run *run;
};

static int kvm, run_bytes;
static struct { struct kvm_cpuid2 head; struct kvm_cpuid_entry2 entries[256]; } cpuid;

static uint64_t now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000ull + t.tv_nsec;
}

static int check(int result, const char *call) {
    if (result < 0) {
        perror(call);
        exit(1);
    }
    return result;
}
#define IOCTL(fd, request, argument) check(ioctl(fd, request, argument), #request)

static void add_irqchip(int vm, enum chip chip) {
    if (chip == SPLIT) {
        struct kvm_enable_cap cap = {.cap = KVM_CAP_SPLIT_IRQCHIP, .args = {64}};
        IOCTL(vm, KVM_ENABLE_CAP, &cap);
    }
    if (chip == KERNEL) {
        struct kvm_pit_config pit = {0};
        IOCTL(vm, KVM_CREATE_IRQCHIP, 0);
        IOCTL(vm, KVM_CREATE_PIT2, &pit);
    }
}

static void add_memory(struct machine *m) {
    m->memfd = check(memfd_create("peer", MFD_CLOEXEC | MFD_ALLOW_SEALING), "memfd_create");
    check(ftruncate(m->memfd, MEMORY), "ftruncate");
    check(fcntl(m->memfd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW), "F_ADD_SEALS");
    m->memory = mmap(NULL, MEMORY, PROT_READ | PROT_WRITE, MAP_SHARED, m->memfd, 0);
    if (m->memory == MAP_FAILED) check(-1, "mmap");
    madvise(m->memory, MEMORY, MADV_DONTFORK);
    madvise(m->memory, MEMORY, MADV_DONTDUMP);
    struct kvm_userspace_memory_region region = {.memory_size = MEMORY, .userspace_addr = (uintptr_t)m->memory};
    IOCTL(m->vm, KVM_SET_USER_MEMORY_REGION, &region);
}

static void filter_msrs(int vm) {
    static const struct { uint32_t first, count; } denied[] = {{0x8c, 4}, {0xc1, 8}, {0x186, 8}, {0x300, 16}, {0x38d, 4}, {0x3f1, 7}, {0x480, 19}, {0x4c1, 8}, {0x500, 2}, {0x560, 40},
        {0x600, 80}, {0xc8d, 4}, {0x1200, 32}, {0xc0010114, 4}, {0xc0010200, 12}, {0xc0000104, 1}};
    static uint64_t nothing[2];
    struct kvm_msr_filter filter = {0};
    for (int i = 0; i < 16; i++) {
        filter.ranges[i].flags = KVM_MSR_FILTER_READ | KVM_MSR_FILTER_WRITE;
        filter.ranges[i].base = denied[i].first;
        filter.ranges[i].nmsrs = denied[i].count;
        filter.ranges[i].bitmap = (void *)nothing;
    }
    IOCTL(vm, KVM_X86_SET_MSR_FILTER, &filter);
}

static void add_vcpu(struct machine *m) {
    m->vcpu = IOCTL(m->vm, KVM_CREATE_VCPU, 0);
    IOCTL(m->vcpu, KVM_SET_CPUID2, &cpuid);
    m->run = mmap(NULL, run_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, m->vcpu, 0);
    if (m->run == MAP_FAILED) check(-1, "mmap");
}

static void segment(struct kvm_segment *s, int code) {
    *s = (struct kvm_segment){.limit = 0xffffffff, .selector = code ? 8 : 16, .type = code ? 11 : 3, .present = 1, .s = 1, .g = 1, .l = code, .db = !code};
}

/* 64-bit mode at 1000h, 4 GiB mapped to themselves; the same calls as KvmVcpuState.write. */
static void set_state(struct machine *m) {
    uint64_t *pml4 = (void *)(m->memory + 0x10000), *pdpt = pml4 + 512, *directory = pdpt + 512;
    pml4[0] = 0x11007;
    for (int i = 0; i < 4; i++) pdpt[i] = 0x12007 + i * 0x1000;
    for (uint64_t i = 0; i < 2048; i++) directory[i] = i << 21 | 0x87;
    struct kvm_regs regs;
    struct kvm_sregs sregs;
    IOCTL(m->vcpu, KVM_GET_REGS, &regs);
    IOCTL(m->vcpu, KVM_GET_SREGS, &sregs);
    memset(&regs, 0, sizeof regs);
    regs.rip = 0x1000;
    regs.rsp = 0x8000;
    regs.rflags = 2;
    regs.rbx = APIC;
    regs.rdi = 0xd0000000;
    IOCTL(m->vcpu, KVM_SET_REGS, &regs);
    segment(&sregs.cs, 1);
    segment(&sregs.ds, 0);
    sregs.es = sregs.fs = sregs.gs = sregs.ss = sregs.ds;
    sregs.tr.type = 11;
    sregs.tr.present = 1;
    sregs.gdt.base = 0x5000;
    sregs.gdt.limit = 0x17;
    sregs.idt.base = 0x6000;
    sregs.idt.limit = 0xfff;
    sregs.cr0 = 0x80000011;
    sregs.cr3 = 0x10000;
    sregs.cr4 = 0x20;
    sregs.efer = 0x500;
    IOCTL(m->vcpu, KVM_SET_SREGS, &sregs);
    struct kvm_xcrs xcrs;
    struct kvm_xsave xsave;
    struct kvm_debugregs debug;
    struct kvm_vcpu_events events;
    IOCTL(m->vcpu, KVM_GET_XCRS, &xcrs);
    IOCTL(m->vcpu, KVM_SET_XCRS, &xcrs);
    IOCTL(m->vcpu, KVM_GET_XSAVE, &xsave);
    IOCTL(m->vcpu, KVM_SET_XSAVE, &xsave);
    IOCTL(m->vcpu, KVM_GET_DEBUGREGS, &debug);
    IOCTL(m->vcpu, KVM_SET_DEBUGREGS, &debug);
    struct { struct kvm_msrs head; struct kvm_msr_entry entries[11]; } msrs = {.head.nmsrs = 11};
    static const uint32_t indices[] = {0xc0000081, 0xc0000082, 0xc0000083, 0xc0000084, 0xc0000102, 0x174, 0x175, 0x176, 0x277, 0x1a0, 0x10};
    for (int i = 0; i < 11; i++) msrs.entries[i].index = indices[i];
    IOCTL(m->vcpu, KVM_GET_MSRS, &msrs);
    IOCTL(m->vcpu, KVM_SET_MSRS, &msrs);
    IOCTL(m->vcpu, KVM_GET_VCPU_EVENTS, &events);
    IOCTL(m->vcpu, KVM_SET_VCPU_EVENTS, &events);
}

static void create(struct machine *m, enum chip chip, int chip_first) {
    kvm = check(open("/dev/kvm", O_RDWR | O_CLOEXEC), "/dev/kvm");
    m->vm = IOCTL(kvm, KVM_CREATE_VM, 0);
    close(kvm);
    if (chip_first) add_irqchip(m->vm, chip);
    filter_msrs(m->vm);
    add_memory(m);
    if (!chip_first) add_irqchip(m->vm, chip);
    add_vcpu(m);
    set_state(m);
}

static void destroy(struct machine *m) {
    munmap(m->run, run_bytes);
    close(m->vcpu);
    close(m->vm);
    munmap(m->memory, MEMORY);
    close(m->memfd);
}

static int enter(struct machine *m) {
    while (ioctl(m->vcpu, KVM_RUN, 0) < 0) if (errno != EINTR && errno != EAGAIN) check(-1, "KVM_RUN");
    return m->run->exit_reason;
}

static void expect(struct machine *m, int reason) {
    int got = enter(m);
    if (got != reason) {
        fprintf(stderr, "exit %d instead of %d\n", got, reason);
        exit(1);
    }
}

static int compare(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static void print(uint64_t *values, int count, const char *end) {
    qsort(values, count, sizeof *values, compare);
    printf("%lu %lu%s", values[count / 10], values[count / 2], end);
}

static void bench_create(int count) {
    uint64_t *times = calloc(count, sizeof *times);
    for (int i = 0; i < count; i++) {
        struct machine m;
        uint64_t start = now();
        create(&m, SPLIT, 1);
        memcpy(m.memory + 0x1000, "\xe6\x19\xeb\xfe", 4);
        expect(&m, KVM_EXIT_IO);
        destroy(&m);
        times[i] = now() - start;
    }
    print(times, count, "\n");
}

static void bench_order(int count) {
    static const struct { const char *name; enum chip chip; int first; } orders[] =
        {{"none", NONE, 1}, {"split-first", SPLIT, 1}, {"split-after-slots", SPLIT, 0}, {"kernel-first", KERNEL, 1}, {"kernel-after-slots", KERNEL, 0}};
    uint64_t *made = calloc(count, sizeof *made), *closed = calloc(count, sizeof *closed);
    for (unsigned o = 0; o < sizeof orders / sizeof *orders; o++) {
        for (int i = 0; i < count; i++) {
            struct machine m;
            uint64_t start = now();
            create(&m, orders[o].chip, orders[o].first);
            made[i] = now() - start;
            start = now();
            destroy(&m);
            closed[i] = now() - start;
        }
        printf("%s ", orders[o].name);
        print(made, count, " ");
        print(closed, count, "\n");
    }
}

static void bench_exits(int count, const char *code, int length, int reason) {
    struct machine m;
    create(&m, SPLIT, 1);
    memcpy(m.memory + 0x1000, code, length);
    for (int i = 0; i < 2000; i++) expect(&m, reason);
    uint64_t *times = calloc(count, sizeof *times);
    volatile uint64_t sum = 0;
    for (int batch = 0; batch < count; batch++) {
        uint64_t start = now();
        for (int i = 0; i < 100; i++) {
            expect(&m, reason);
            sum += reason == KVM_EXIT_IO ? *((uint8_t *)m.run + m.run->io.data_offset) : m.run->mmio.data[0];
        }
        times[batch] = (now() - start) / 100;
    }
    print(times, count, "\n");
    destroy(&m);
}

static volatile uint64_t handled;

static void *vcpu_thread(void *argument) {
    struct machine *m = argument;
    for (;;) {
        if (enter(m) != KVM_EXIT_IO) continue;
        if (m->run->io.port == 2) return NULL;
        __atomic_fetch_add(&handled, 1, __ATOMIC_SEQ_CST);
    }
}

/* IDT entry for 30h; handler: out 30h, al; mov dword [rbx + b0h], 0; iretq. For 31h: out 2, al. */
static void bench_irqfd(int count) {
    struct machine m;
    create(&m, SPLIT, 1);
    memcpy(m.memory + 0x5008, "\xff\xff\0\0\0\x9b\xaf\0\xff\xff\0\0\0\x93\xcf\0", 16);
    memcpy(m.memory + 0x6300, "\x00\x20\x08\0\0\x8e\0\0\0\0\0\0\0\0\0\0\x00\x21\x08\0\0\x8e\0\0\0\0\0\0\0\0\0\0", 32);
    memcpy(m.memory + 0x2000, "\xe6\x30\xc7\x83\xb0\0\0\0\0\0\0\0\x48\xcf", 14);
    memcpy(m.memory + 0x2100, "\xe6\x02\xeb\xfe", 4);
    memcpy(m.memory + 0x1000, "\xc7\x83\xf0\0\0\0\xff\x01\0\0\xe6\x01\xfb\xf4\xeb\xfd", 16);
    int fds[2] = {eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
    struct { struct kvm_irq_routing head; struct kvm_irq_routing_entry entries[2]; } routes = {.head.nr = 2};
    for (int i = 0; i < 2; i++) {
        routes.entries[i].gsi = 64 + i;
        routes.entries[i].type = KVM_IRQ_ROUTING_MSI;
        routes.entries[i].u.msi.address_lo = APIC;
        routes.entries[i].u.msi.data = 0x30 + i;
    }
    IOCTL(m.vm, KVM_SET_GSI_ROUTING, &routes);
    for (int i = 0; i < 2; i++) {
        struct kvm_irqfd irqfd = {.fd = fds[i], .gsi = 64 + i};
        IOCTL(m.vm, KVM_IRQFD, &irqfd);
    }
    pthread_t thread;
    pthread_create(&thread, NULL, vcpu_thread, &m);
    while (handled == 0) ;
    uint64_t *times = calloc(count, sizeof *times);
    for (int i = 0; i < count; i++) {
        uint64_t before = handled, start = now();
        check(eventfd_write(fds[0], 1), "eventfd_write");
        while (handled == before) ;
        times[i] = now() - start;
    }
    check(eventfd_write(fds[1], 1), "eventfd_write");
    pthread_join(thread, NULL);
    print(times, count, "\n");
    destroy(&m);
}

int main(int argc, char **argv) {
    if (argc != 3) return 2;
    int n = atoi(argv[2]);
    kvm = check(open("/dev/kvm", O_RDWR | O_CLOEXEC), "/dev/kvm");
    run_bytes = IOCTL(kvm, KVM_GET_VCPU_MMAP_SIZE, 0);
    cpuid.head.nent = 256;
    IOCTL(kvm, KVM_GET_SUPPORTED_CPUID, &cpuid);
    close(kvm);
    if (!strcmp(argv[1], "create")) bench_create(n);
    else if (!strcmp(argv[1], "order")) bench_order(n);
    else if (!strcmp(argv[1], "port")) bench_exits(n, "\xe6\x80\xeb\xfc", 4, KVM_EXIT_IO);
    else if (!strcmp(argv[1], "mmio")) bench_exits(n, "\x88\x07\xeb\xfc", 4, KVM_EXIT_MMIO);
    else if (!strcmp(argv[1], "irqfd")) bench_irqfd(n);
    else return 2;
    return 0;
}
