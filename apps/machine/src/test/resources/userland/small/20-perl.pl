# Regular expressions, floating point, packing, sorting, processes.
use strict; use warnings; $| = 1;
my @values = (0.1, 1/3, 1e23, 5e-324, 2.2250738585072014e-308, 1.7976931348623157e308, -0.0, 123456789.987654321, 2**53 + 1, 9**20, 1e15 / 7);
printf "%.17g %.3e %f %g %s %d\n", $_, $_, $_, $_, $_, $_ < 1e18 ? $_ : 0 for @values;
for my $i (1 .. 40) {
  my $x = $i * 0.7371 - 9;
  printf "%.17g %.17g %.17g %.17g %.17g %.17g\n", sin($x), cos($x * 1e5), exp($x), log(abs($x) + 1e-9), sqrt(abs $x), atan2($x, 2 - $x);
  printf "%.17g %.17g %d %d\n", abs($x) ** 1.7, $x ** 7, int($x * 1e6), $x * 1e6 % 77;
}
print join(" ", 9**9**9, -9**9**9, (9**9**9) - (9**9**9) != 0 ? "nan" : 0, 7 % -3, -7 % 3, 18446744073709551615 + 0, 18446744073709551615 + 1, 9223372036854775807 + 1, ~0, 1 << 63), "\n";
my $text = join " ", map { "word$_ " . ($_ * 7919 % 1013) } 1 .. 600;
my %count; $count{length $1}++ while $text =~ /(\w+?)(?=\s|$)/g;
print join(",", map { "$_=$count{$_}" } sort keys %count), "\n";
(my $changed = $text) =~ s/(\d+)\s+(\d+)/$2-$1/g; $changed =~ tr/a-m/A-M/; print substr($changed, 1000, 60), " ", unpack("%32C*", $changed), "\n";
print "balanced $1\n" if "x(a(b)c(d(e)))y" =~ /(\((?:[^()]++|(?1))*\))/; print join("|", split /\s*[,;]\s*/, "a , b;c ,d"), "\n";
print join(",", sort { $a <=> $b } map { ($_ * 48271) % 2147483647 % 1000 } 1 .. 50), "\n";
print unpack("H*", pack("d f< d> F q Q n N v V w a5 A5 b8 U", 1.1, 1.1, -2.5, 1e300, -5, 5, 258, 66051, 258, 66051, 300, "abc", "abc", "10110010", 955)), "\n";
print unpack("f", pack "f", 0.1), " ", join(",", unpack("d>", pack "d>", 1e-310)), " ", unpack("%64Q*", pack "Q*", 1 .. 999), "\n";
my ($seed, $hits) = (42, 0);
for (1 .. 20000) { my @p = map { $seed = ($seed * 1103515245 + 12345) & 0x7fffffff; $seed / 2147483648 } 1, 2; $hits++ if $p[0] ** 2 + $p[1] ** 2 < 1 }
printf "%d %.15g\n", $hits, 4 * $hits / 20000;
my $mandel = 0;
for my $y (-12 .. 12) { for my $x (-20 .. 8) { my ($r, $i, $n) = (0, 0, 0); ($r, $i) = ($r * $r - $i * $i + $x / 13, 2 * $r * $i + $y / 11) while $n++ < 40 && $r * $r + $i * $i < 4; $mandel = ($mandel * 31 + $n) % 1000003 } }
print "$mandel\n";
pipe my $read, my $write; my @children;
for my $n (1 .. 4) { my $pid = fork; if (!$pid) { syswrite $write, pack("N", $n ** 5); exit $n } push @children, $pid }
close $write; print join(",", map { waitpid $_, 0; $? >> 8 } @children), " "; my ($sum, $buffer) = (0); $sum += unpack "N", $buffer while sysread $read, $buffer, 4; print "$sum\n";
$SIG{ALRM} = sub { die "alarm\n" }; eval { alarm 1; select undef, undef, undef, 5 while 1 }; print $@; $SIG{USR2} = sub { print "signal $_[0]\n" }; kill USR2 => $$;
print eval { my $zero = 0; 1 / $zero } // $@; print `echo "from a shell \$((6 * 7))"`; open my $self, "<", "/proc/self/status"; print grep { /^(Name|Threads):/ } <$self>;
