# Floating point, big integers, hashes, compression, random numbers, threads, memory maps, processes, signals.
import math, struct, zlib, random, hashlib, os, signal, threading, time, sys, itertools, collections, re, functools
def show(*values): print(*values, flush=True)
values = [0.1, 1/3, 1e23, 5e-324, 1.7976931348623157e308, -0.0, 2.5, 1e16, 123456789.123456789, float('inf'), float('nan')]
for v in values: show(repr(v), '%.20g' % v, format(v, '.3f'), v.hex(), struct.pack('<d', v).hex(), struct.pack('>f', v).hex() if abs(v) < 1e38 else '')
names = 'sin cos tan asin acos atan sinh cosh tanh asinh atanh exp expm1 log1p erf erfc gamma lgamma sqrt cbrt exp2 floor ceil'.split()
for name in names:
    f = getattr(math, name); out = []
    for i in range(-9, 10):
        try: out.append(float(f(i * 0.109)).hex())
        except ValueError as e: out.append(str(e))
    show(name, hashlib.sha256(' '.join(map(str, out)).encode()).hexdigest()[:16], out[2], out[-2])
for x, y in itertools.product([0.3, 2.7, 1e10, 7.5e-8], [1.3, -2.25, 17, 0.001]): show((x ** y).hex(), math.fmod(x, y).hex(), math.atan2(x, y).hex(), math.hypot(x, y).hex(), math.remainder(x, y).hex(), (x // y, x % y), math.frexp(x), math.log(x, 10), math.log2(x), round(x, 3))
show(math.fsum([0.1] * 10), sum([0.1] * 10), math.factorial(60), math.isqrt(10 ** 41), math.comb(90, 33), (3 ** 800) % (2 ** 255 - 19), pow(3, -1, 10 ** 9 + 7), 10 ** 60 // 7 ** 30, -(10 ** 30) % 97, (2 ** 521 - 1).bit_length(), hash(0.5), hash(2 ** 61), int('f' * 40, 16), int(1e22), complex(1, 2) ** 3.5)
a, b = 1, 1
for _ in range(2000): a, b = b, a + b
show(str(b)[:40], len(str(b)), b % 1000003)
data = b''.join(struct.pack('<IdhB', i, i / 7, -i, i & 255) for i in range(3000))
for name in ('md5', 'sha1', 'sha256', 'sha512', 'sha3_256', 'blake2b', 'blake2s'): show(name, hashlib.new(name, data).hexdigest())
show(zlib.crc32(data), zlib.adler32(data), len(zlib.compress(data, 9)), hashlib.sha256(zlib.compress(data, 6)).hexdigest(), zlib.decompress(zlib.compress(data)) == data)
random.seed(2026); show(random.random(), random.gauss(0, 1), random.randint(0, 10 ** 30), random.sample(range(1000), 8), random.expovariate(1.5), random.betavariate(2, 3), random.choices('abc', k=9))
show(sorted(re.findall(r'(\w)(\d+)', ' '.join(f'{chr(97 + i % 26)}{i * i}' for i in range(300))), key=lambda m: (m[0], int(m[1])))[:12])
sieve = bytearray([1]) * 30000
for i in range(2, 174):
    if sieve[i]: sieve[i * i::i] = bytes(len(range(i * i, 30000, i)))
show(sum(sieve) - 2, collections.Counter(bin(i).count('1') for i in range(4096)).most_common(4))
total, lock = [0], threading.Lock()
def work(n):
    for i in range(1500):
        with lock: total[0] += n * i
threads = [threading.Thread(target=work, args=(n,)) for n in range(6)]
for t in threads: t.start()
for t in threads: t.join()
show(total[0])
r, w = os.pipe()
for n in range(5):
    if os.fork() == 0: os.write(w, struct.pack('d', n ** 0.5)); os._exit(n + 10)
show(sorted(os.waitstatus_to_exitcode(os.wait()[1]) for _ in range(5)), sum(sorted(struct.unpack('5d', os.read(r, 40)))))
ticks = []
signal.signal(signal.SIGALRM, lambda s, f: ticks.append(s)); signal.setitimer(signal.ITIMER_REAL, 0.01, 0.01)
while len(ticks) < 5: time.sleep(0.005)
signal.setitimer(signal.ITIMER_REAL, 0); start = time.monotonic(); time.sleep(0.06); show(len(ticks) >= 5, time.monotonic() - start >= 0.06, signal.Signals(ticks[0]).name)
pid = os.fork()
if pid == 0: os.kill(os.getpid(), signal.SIGABRT)
show(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), os.path.basename(os.readlink('/proc/self/exe')), sys.version_info[:2], sys.float_info.epsilon)
