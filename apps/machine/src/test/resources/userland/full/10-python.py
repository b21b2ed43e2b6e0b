# The standard library's own arithmetic, formats, databases, foreign functions and processes.
import array, bz2, cmath, collections, csv, ctypes, decimal, fractions, hashlib, heapq, io, json, lzma, mmap, multiprocessing, os, pickle, queue, random, sqlite3, statistics, struct, subprocess, threading, zlib
def show(*values): print(*values, flush=True)
decimal.getcontext().prec = 60
D = decimal.Decimal
show(D(2).sqrt(), D(1) / 7, D('1e-50').exp(), D(10).ln(), D('3.7') ** D('2.3'), D('123.456789').quantize(D('0.001'), decimal.ROUND_HALF_EVEN), sum(D(1) / i for i in range(1, 200)))
show(fractions.Fraction(355, 113) ** 5, fractions.Fraction(0.1), fractions.Fraction(3.14159265).limit_denominator(1000), cmath.exp(1j * 2.5), cmath.sqrt(-2 + 3j), cmath.log(-1 + 0.5j), cmath.tan(1 + 1j))
random.seed(7); sample = [random.lognormvariate(0, 1) for _ in range(3000)]
show(statistics.mean(sample), statistics.stdev(sample), statistics.median(sample), statistics.fmean(sample), statistics.NormalDist.from_samples(sample).cdf(1.5), statistics.linear_regression(sample[:99], sample[99:198]))
document = {'list': [random.random() for _ in range(200)], 'text': 'täxt"\\\n' * 20, 'nested': {str(i): i / 3 for i in range(50)}}
text = json.dumps(document, sort_keys=True); show(hashlib.sha256(text.encode()).hexdigest(), json.loads(text) == document, len(json.dumps(document, indent=2)))
data = (text * 20).encode()
for packer in (zlib, bz2, lzma): packed = packer.compress(data); show(packer.__name__, len(packed), hashlib.md5(packed).hexdigest(), packer.decompress(packed) == data)
show(hashlib.sha256(pickle.dumps(document, 4)).hexdigest(), hashlib.pbkdf2_hmac('sha256', b'password', b'salt', 2000).hex(), hashlib.scrypt(b'p', salt=b's', n=256, r=8, p=1, dklen=16).hex(), hashlib.sha3_512(data).hexdigest()[:20], hashlib.shake_128(data).hexdigest(12))
base = sqlite3.connect(':memory:'); base.execute('create table t(id integer primary key, name text, value real)')
base.executemany('insert into t(name, value) values(?, ?)', ((f'name{i * 7919 % 1000}', i ** 1.5 / 7) for i in range(5000)))
base.execute('create index byname on t(name)')
for row in base.execute('select substr(name, 1, 5) k, count(*), sum(value), avg(value), max(value), total(value * id) from t group by k order by 3 desc limit 6'): show(row)
show(base.execute("select a.id, b.id, a.value * b.value, round(a.value, 2), printf('%.15g|%e', a.value, b.value), upper(a.name) from t a join t b on a.name = b.name and a.id < b.id order by 3 desc limit 3").fetchall())
library = ctypes.CDLL(None); mathematics = ctypes.CDLL('libm.so.6')
mathematics.pow.restype = ctypes.c_double; mathematics.pow.argtypes = [ctypes.c_double] * 2; mathematics.fmaf.restype = ctypes.c_float; mathematics.fmaf.argtypes = [ctypes.c_float] * 3
mathematics.sinl.restype = mathematics.tgammal.restype = ctypes.c_longdouble; mathematics.sinl.argtypes = mathematics.tgammal.argtypes = [ctypes.c_longdouble]
show(mathematics.pow(1.0000001, 1e7), mathematics.fmaf(1.1, 2.2, -2.42), mathematics.sinl(1e5), mathematics.tgammal(7.3), library.abs(-7))
Compare = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_int), ctypes.POINTER(ctypes.c_int))
numbers = (ctypes.c_int * 500)(*(i * 48271 % 9973 for i in range(500))); library.qsort(numbers, 500, 4, Compare(lambda a, b: a[0] - b[0])); show(list(numbers)[::50])
# Code made, run, changed and run again, in a page that is mapped writable and executable, and in one that changes its protection.
page = mmap.mmap(-1, 8192, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
address = ctypes.addressof(ctypes.c_char.from_buffer(page)); call = ctypes.CFUNCTYPE(ctypes.c_long, ctypes.c_long)
total = 0
for i in range(2000):
    at = i * 3 % 4093; page[at:at + 9] = b'\x48\x8d\x87' + struct.pack('<i', i * 17 - 9000) + b'\xc3\x90'
    total += call(address + at)(i)
show(total)
for i in range(200):
    library.mprotect(ctypes.c_void_p(address), 4096, 3); page[0:7] = b'\x48\x8d\x47' + bytes([i & 127]) + b'\xc3\x90\x90'; library.mprotect(ctypes.c_void_p(address), 4096, 5); total += call(address)(i)
show(total)
results = queue.Queue(); threads = [threading.Thread(target=lambda n=n: results.put((n, sum(i * i % (n + 2) for i in range(4000))))) for n in range(8)]
for t in threads: t.start()
for t in threads: t.join()
show(sorted(results.queue))
with multiprocessing.Pool(3) as pool: show(pool.starmap(pow, [(n, n, 10 ** 9 + 7) for n in range(30)]))
show(subprocess.run(['sort', '-n'], input='\n'.join(str(i * 7919 % 500) for i in range(300)), capture_output=True, text=True).stdout.split()[::40])
rows = list(csv.reader(io.StringIO('a,"b,c",d\n1,2,3\n'))); show(rows, array.array('d', [1 / 3, 2 / 7]).tobytes().hex(), heapq.nsmallest(5, sample), collections.Counter('mississippi').most_common())
matrix = [[random.gauss(0, 1) for _ in range(24)] for _ in range(24)]; product = matrix
for _ in range(4): product = [[sum(a * b for a, b in zip(row, column)) / 9 for column in zip(*matrix)] for row in product]
show([x.hex() for x in product[3][:4]], sum(map(sum, product)).hex())
