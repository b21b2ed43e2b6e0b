# The program of 30-gcc.sh, compiled for 32 bits. A host whose kernel runs no 32-bit programs cannot say what it prints.
for options in "-m32 -O2" "-m32 -O1 -msse2 -mfpmath=sse"; do
  gcc -w $options floats.c -o floats -lm -lpthread; ./floats >printed; echo "status $? for $options"; cat printed
done
