# A 32-bit program of our own that uses INT 80h, x87 and 32-bit addressing, and changes its own code.
echo "square roots, a sine, a changed operand"
cat >make.pl <<'P'
# Code at 08048074h. A sum of x87 square roots stored as 80 bits, then code changed before it runs, then write(1, 0x0804a000, 24) and exit(5).
my $code = pack "H*", join "",
  "d9ee", "b964000000",                    #       fldz; mov ecx, 100
  "890d00a10408", "db0500a10408", "d9fa",  # next: mov [0804a100h], ecx; fild dword [0804a100h]; fsqrt
  "dec1", "e2ee",                          #       faddp; loop next
  "db3d00a00408",                          #       fstp tbyte [0804a000h]
  "d9ebd9fe", "db3d0aa00408",              #       fldpi; fsin; fstp tbyte [0804a00ah]
  "c60500000000" . "2a",                   #       mov byte [changed], 42 (address filled in below)
  "b8" . "00000000",                       #       mov eax, 0 (its operand changed)
  "a314a00408",                            #       mov [0804a014h], eax
  "b804000000bb01000000b900a00408ba18000000cd80",
  "b801000000bb05000000cd80";
my $at = 0x08048074; my $operand = index($code, pack "H*", "b800000000") + 1;
substr($code, index($code, pack "H*", "c605") + 2, 4) = pack "V", $at + $operand;
my $header = pack "A4C5x7vvVVVVVvvvvvv", "\x7fELF", 1, 1, 1, 0, 0, 2, 3, 1, $at, 52, 0, 0, 52, 32, 2, 0, 0, 0;
my $load = pack "V8", 1, 0, 0x08048000, 0x08048000, 0x74 + length $code, 0x74 + length $code, 7, 0x1000;
my $space = pack "V8", 1, 0, 0x0804a000, 0x0804a000, 0, 0x1000, 6, 0x1000;
print $header, $load, $space, $code;
P
perl make.pl >program; chmod +x program; ./program | od -An -tx1; echo "status ${PIPESTATUS[0]}"; rm make.pl program
