# 32-bit programs: glibc's loader and library.
/lib/ld-linux.so.2 --version | head -n 2; /lib/ld-linux.so.2 --verify /lib32/libc.so.6; echo "status $?"; /lib/ld-linux.so.2 --list /lib32/libm.so.6 | sed 's/(0x.*//'
/lib32/libc.so.6 | head -n 3
/lib/ld-linux.so.2 /lib32/libc.so.6 | md5sum
