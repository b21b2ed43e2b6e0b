# Programs compiled where they run: for 64 and for 32 bits, with SSE and with x87, twice; the objects must be the same both times and everywhere.
# What comes from FSIN, FPATAN, FYL2X and their like is printed without its last bits: SDM vol. 1, 8.3.10, allows an error below one unit in the last place, and
# processors use that differently (the engine rounds correctly). Square roots and remainders have no such room.
cat >floats.c <<'C'
#include <complex.h>
#include <fenv.h>
#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <pthread.h>
#include <stdatomic.h>
static volatile double half = 0.5, tiny = 5e-324, big = 1e308;
static atomic_int shared; static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; static long guarded; static sigjmp_buf back;
static void *work(void *n) { for (int i = 0; i < 2000; i++) { shared++; pthread_mutex_lock(&lock); guarded += (long) n; pthread_mutex_unlock(&lock); } return 0; }
static void fault(int number) { siglongjmp(back, number); }
static void try(const char *what, int which) {
    int number = sigsetjmp(back, 1);
    if (number) { printf("%s: signal %d\n", what, number); return; }
    if (which == 0) *(volatile int *) 16 = 1;
    if (which == 1) { volatile int zero = 0; zero = 7 / zero; }
    if (which == 2) __builtin_trap();
    if (which == 3) { feenableexcept(FE_DIVBYZERO); volatile double z = 0; z = 1 / z; }
    if (which == 4) { volatile long double z = 0; z = 1 / z; z = z + 1; }
}
int main(void) {
    for (int i = -8; i <= 8; i++) {
        long double x = i * 0.37L + 0.01L;
        printf("%.17Lg %.17Lg %.17Lg %.17Lg %.17Lg %.21Lg %.17Lg\n", sinl(x), cosl(x * 1000), expl(x), logl(fabsl(x)), atan2l(x, 2), sqrtl(fabsl(x)), powl(fabsl(x), 1.3L));
        printf("%.16Lg %.17Lg %.21Lg %.21Lg %Lf %lld %.9g\n", tanl(x), tgammal(x), remainderl(x, 0.3L), fmodl(x, 0.3L), rintl(x), llrintl(x * 1e10L), (float) x);
        printf("%.17g %.17g %.9g %.9g %ld %a\n", sin((double) x), pow(fabs((double) x), -2.5), sinf((float) x), expf((float) x), lrint((double) x), nextafter((double) x, 9));
    }
    int modes[] = {FE_TONEAREST, FE_UPWARD, FE_DOWNWARD, FE_TOWARDZERO};
    for (int m = 0; m < 4; m++) {
        fesetround(modes[m]); volatile float f = 1; volatile double d = 1; volatile long double l = 1;
        f /= 3; d /= 3; l /= 3; printf("%a %a %La %.3f %ld %lld\n", f, d, l, 2.0005, lrint(d * 1e6), llrintl(l * -1e15L));
        feclearexcept(FE_ALL_EXCEPT); volatile double r = tiny * half; r = big * big; r = sqrt(-half); r = d + tiny; printf("%d %d\n", !!fetestexcept(FE_UNDERFLOW | FE_OVERFLOW), fetestexcept(FE_ALL_EXCEPT));
    }
    fesetround(FE_TONEAREST);
    double complex z = cexp(1.5 + 2 * I) * csqrt(-3 + half * I); printf("%.17g %.17g %.17g\n", creal(z), cimag(z), cabs(z));
    uint64_t seed = 88172645463325252ULL; unsigned __int128_t; double sum = 0; float fsum = 0; int64_t isum = 0;
    for (int i = 0; i < 200000; i++) { seed ^= seed << 13; seed ^= seed >> 7; seed ^= seed << 17; sum += (double) seed / 3; fsum += (float) (seed >> 40); isum += (int64_t) seed / (i + 1) + seed % 977 + __builtin_popcountll(seed) + __builtin_clzll(seed | 1); }
    printf("%llu %.17g %.9g %lld %f %llu\n", (unsigned long long) seed, sum, fsum, (long long) isum, (double) (int64_t) seed, (unsigned long long) (sum / 1e10));
    signal(SIGSEGV, fault); signal(SIGFPE, fault); signal(SIGILL, fault); signal(SIGTRAP, fault);
    try("null", 0); try("division", 1); try("ud2", 2); try("sse division", 3); try("x87 division", 4); fedisableexcept(FE_ALL_EXCEPT);
    unsigned char *code = mmap(0, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0); long total = 0;
    for (int i = 0; i < 20000; i++) { code[0] = 0xb8; memcpy(code + 1, &i, 4); code[5] = 0xc3; total += ((int (*)(void)) code)(); } printf("%ld\n", total);
    pthread_t threads[6]; for (long i = 0; i < 6; i++) pthread_create(&threads[i], 0, work, (void *) i); for (int i = 0; i < 6; i++) pthread_join(threads[i], 0); printf("%d %ld\n", shared, guarded);
    return 42;
}
C
sed -i 's/unsigned __int128_t; //' floats.c
for options in "-O2" "-O0" "-O2 -mfpmath=387" "-O3 -ffast-math -march=x86-64-v2"; do
  gcc -w $options floats.c -o floats -lm -lpthread; ./floats >printed; echo "status $? for $options"; cat printed
done
gcc -O2 -w floats.c -S -o first.s; gcc -O2 -w floats.c -S -o second.s; cmp first.s second.s; sha256sum <first.s
