/*
 * What programs do under an operating system, each for a fixed amount: "guest-work SCALE NAME..." prints a line
 * "@@ NAME NANOSECONDS RESULT" for each name, with the time of CLOCK_MONOTONIC. Without names it runs all of them.
 */
#define _GNU_SOURCE
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static const char *self;

static void fail(const char *what) {
    perror(what);
    exit(1);
}

static uint64_t empty_loop(long n) {
    for (long i = n; i != 0; i--) __asm__ volatile("" : "+r"(i));
    return (uint64_t) n;
}

/* Steps of a sieve over four million bytes, with indexes of 32 bits; the sieve begins anew until n steps are done. */
static uint64_t sieve(long n) {
    enum { SIZE = 4000000 };
    uint8_t *composite = malloc(SIZE);
    uint32_t primes = 0;
    if (composite == NULL) fail("malloc");
    while (n > 0) {
        memset(composite, 0, SIZE);
        primes = 0;
        for (uint32_t i = 2; i < SIZE && n > 0; i++) {
            if (composite[i]) continue;
            primes++;
            for (uint32_t k = 2 * i; k < SIZE; k += i, n--) composite[k] = 1;
        }
    }
    free(composite);
    return primes;
}

static uint64_t crc32(long n) {
    static uint32_t table[256];
    static uint8_t data[65536];
    uint32_t crc = 0xffffffff;
    for (uint32_t i = 0; i < 256; i++) {
        table[i] = i;
        for (int k = 0; k < 8; k++) table[i] = table[i] & 1 ? table[i] >> 1 ^ 0xedb88320 : table[i] >> 1;
    }
    for (uint32_t i = 0; i < sizeof data; i++) data[i] = (uint8_t) (i * 2654435761u >> 24);
    for (long i = 0; i < n; i++) crc = crc >> 8 ^ table[(crc ^ data[i & 65535]) & 255];
    return crc;
}

/* n bytes, four MiB at a time. */
static uint64_t copy(long n) {
    enum { SIZE = 4 << 20 };
    uint8_t *from = malloc(SIZE), *to = malloc(SIZE);
    uint64_t sum = 0;
    if (from == NULL || to == NULL) fail("malloc");
    memset(from, 1, SIZE);
    for (; n > 0; n -= SIZE) {
        from[n & (SIZE - 1)]++;
        memcpy(to, from, SIZE);
        __asm__ volatile("" : : "r"(to) : "memory");
        sum += to[n & (SIZE - 1)];
    }
    free(from);
    free(to);
    return sum;
}

static uint64_t system_calls(long n) {
    for (long i = 0; i < n; i++) syscall(SYS_getppid);
    return (uint64_t) n;
}

/* n pages, touched for the first time, 1,024 at a time. */
static uint64_t page_faults(long n) {
    enum { BYTES = 4 << 20, PAGE = 4096 };
    uint64_t sum = 0;
    for (; n > 0; n -= BYTES / PAGE) {
        volatile uint8_t *at = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (at == MAP_FAILED) fail("mmap");
        madvise((void *) at, BYTES, MADV_NOHUGEPAGE);
        for (long i = 0; i < BYTES; i += PAGE) sum += ++at[i];
        munmap((void *) at, BYTES);
    }
    return sum;
}

/* n bytes to and fro between two processes. */
static uint64_t context_switches(long n) {
    int there[2], back[2];
    char byte = 0;
    if (pipe(there) != 0 || pipe(back) != 0) fail("pipe");
    pid_t child = fork();
    if (child < 0) fail("fork");
    if (child == 0) {
        close(there[1]);
        close(back[0]);
        while (read(there[0], &byte, 1) == 1)
            if (write(back[1], &byte, 1) != 1) _exit(1);
        _exit(0);
    }
    close(there[0]);
    close(back[1]);
    for (long i = 0; i < n; i++)
        if (write(there[1], &byte, 1) != 1 || read(back[0], &byte, 1) != 1) fail("pipe");
    close(there[1]);
    close(back[0]);
    waitpid(child, NULL, 0);
    return (uint64_t) n;
}

static uint64_t children(long n, int exec) {
    uint64_t ended = 0;
    for (long i = 0; i < n; i++) {
        int status;
        pid_t child = fork();
        if (child < 0) fail("fork");
        if (child == 0) {
            if (exec) execl(self, self, "0", "nothing", (char *) NULL);
            _exit(exec ? 1 : 0);
        }
        if (waitpid(child, &status, 0) == child && status == 0) ended++;
    }
    return ended;
}

static uint64_t forks(long n) {
    return children(n, 0);
}

static uint64_t fork_execs(long n) {
    return children(n, 1);
}

static const struct work {
    const char *name;
    uint64_t (*run)(long);
    long amount;
} WORK[] = {
    {"empty-loop", empty_loop, 200000000}, {"sieve", sieve, 100000000}, {"crc32", crc32, 50000000},
    {"memcpy", copy, 1L << 30}, {"system-call", system_calls, 500000}, {"page-fault", page_faults, 100000},
    {"context-switch", context_switches, 20000}, {"fork", forks, 500}, {"fork-exec", fork_execs, 300},
};

static int64_t now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static int wanted(int argc, char **argv, const char *name) {
    for (int i = 2; i < argc; i++)
        if (strcmp(argv[i], name) == 0) return 1;
    return argc <= 2;
}

int main(int argc, char **argv) {
    double scale = argc > 1 ? atof(argv[1]) : 1;
    self = argv[0];
    for (unsigned i = 0; i < sizeof WORK / sizeof WORK[0]; i++) {
        if (!wanted(argc, argv, WORK[i].name)) continue;
        int64_t start = now();
        uint64_t result = WORK[i].run((long) (WORK[i].amount * scale));
        int64_t took = now() - start;
        printf("@@ %s %lld %llu\n", WORK[i].name, (long long) took, (unsigned long long) result);
        fflush(stdout);
    }
    return 0;
}
