# Something larger, twice: a program of generated functions through the whole compiler at -O2.
python3 - >large.c <<'P'
import random
random.seed(5)
print('#include <stdio.h>\n#include <math.h>\ntypedef struct { double d[4]; long l[4]; unsigned u; } S;')
for i in range(40):
    body = ''.join(f'    {random.choice(["s->d[%d] += %.3f * s->d[%d];" % (random.randrange(4), random.random(), random.randrange(4)), "s->l[%d] ^= s->l[%d] * %d + s->u;" % (random.randrange(4), random.randrange(4), random.randrange(99)), "s->u = s->u %% %du + s->u / 3;" % random.randrange(7, 999999), "if (s->l[%d] & %d) s->d[%d] = sqrt(fabs(s->d[%d]) + 1);" % (random.randrange(4), 1 << random.randrange(12), random.randrange(4), random.randrange(4)), "for (int i = 0; i < %d; i++) s->l[i & 3] += i * s->u;" % random.randrange(2, 30)])}\n' for _ in range(12))
    print(f'static void f{i}(S *s) {{\n{body}}}')
print('static void (*all[])(S *) = {' + ', '.join(f'f{i}' for i in range(40)) + '};\nint main(void) { S s = {{1, 2, 3, 4}, {5, 6, 7, 8}, 9}; for (int n = 0; n < 20000; n++) all[(s.u + n) % 40](&s); printf("%a %a %ld %ld %u\\n", s.d[0], s.d[3], s.l[0], s.l[2], s.u); }')
P
for run in 1 2; do gcc -O2 -S large.c -o large.s; sha256sum <large.s; gcc -O2 large.c -o large -lm; ./large; done
perl -MMath::BigInt -MPOSIX -MData::Dumper -MDigest::SHA=sha256_hex -MTime::HiRes -e 'print Math::BigInt->new(2)->bpow(300), " ", POSIX::fmod(7.5, 2), " ", POSIX::strtod("1e-5"), " ", sha256_hex("abc"), "\n"; local $Data::Dumper::Sortkeys = 1; print Dumper({a => [1, 2.5], b => \"x"})'
rm large.c large.s large
