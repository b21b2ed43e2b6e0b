# Text through coreutils, awk, sed and grep; arithmetic; processes, pipes and signals of bash.
seq 1 3000 | sort -R --random-source=<(seq 1 9999) | sort -n | sha256sum
seq 1 2000 >numbers
for sum in cksum md5sum sha1sum sha224sum sha512sum b2sum 'sum -s'; do $sum <numbers; done
base64 <numbers | tail -n 2; od -An -tx8 -tfD numbers | tail -n 2; od -An -tfF numbers | sed -n 7p
sort -t: -k2,2nr <(awk 'BEGIN { for (i = 1; i < 300; i++) print i ":" i * 7919 % 1009 }') | head -n 5
factor 18446744073709551557 340282366920938463463374607431768211297 600851475143
seq -f %.15g 0.1 0.1 1; printf '%a %.20g %e %G\n' 3.14159265358979 0.1 1e308 -1.5e-7; printf '%d %u %x %o\n' -9223372036854775808 -1 -255 0777
numfmt --to=iec 123456789; expr 12345678901234567890 '*' 98765432109876543210; date -u -d @1234567890 '+%F %T %j %U'
awk 'BEGIN { x = 1; for (i = 1; i <= 25; i++) { x = x * 1.1 + sin(i) * exp(-i) + log(i) + atan2(i, 3) ^ 1.5; printf "%.17g %d\n", x, x } }'
awk 'BEGIN { srand(1); for (i = 0; i < 4000; i++) s = s sprintf("%c", 97 + i % 26); print length(s), substr(s, 100, 20), match(s, /xyz+a/), toupper(substr(s, 1, 5)) }'
sed -n -E 's/^(.)(.)(.*)$/\2\1-\3/; /^9/ { N; s/\n/+/; p }' numbers | head -n 20
grep -c -E '(1|22|3+)[4-6]*7$' numbers; tr -d 1 <numbers | tr -s '0-9' | wc; paste -d, numbers numbers | cut -d, -f2 | uniq -c | tail -n 1; shuf -i 1-20 --random-source=numbers | tr '\n' ' '
collatz() { local n=$1 steps=0; while ((n != 1)); do ((n = n % 2 ? 3 * n + 1 : n / 2, steps++)); done; echo "$1 $steps"; }
collatz 27; collatz 837799; echo $((1 << 62)) $((-7 / 2)) $((-7 % 3)) $((0x7fffffffffffffff + 1)) $((9223372036854775807 * 3)) $((-1 >> 63)) $((2 ** 40))
declare -A words; for word in one two three two one two; do words[$word]=$((words[$word] + 1)); done; for word in one two three; do echo "$word ${words[$word]}"; done
[[ 2026-11-22T12:50 =~ ^([0-9]+)-([0-9]+)-([0-9]+)T ]] && echo "${BASH_REMATCH[@]}"
trap 'echo caught USR1' USR1; kill -USR1 $$; (trap 'echo child ends; exit 7' TERM; kill -TERM $BASHPID; sleep 5); echo "status $?"
{ bash -c 'kill -SEGV $$'; echo "status $?"; (kill -KILL $BASHPID); } 2>/dev/null; echo "status $?"; false | true; echo "${PIPESTATUS[@]}"
for i in 1 2 3 4 5 6 7 8; do (echo "$i $((i * i))") & done | sort; wait
yes | head -c 300000 | md5sum; timeout 0.2 sleep 10; echo "status $?"; sleep 0.05; read -r -t 0.05 line < <(sleep 1); echo "status $?"
head -c 400000 /dev/zero | tr '\0' x | tee copy | sha256sum; stat -c '%s %a %F' copy; cat /proc/self/comm; ls -d /proc/self/fd /proc/self/maps; rm copy numbers
