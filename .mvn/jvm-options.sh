# How the JVM of a machine is started: sets options and the environment. Sourced by nestor and bench/run.
#
# The heap holds an unpacked kernel; the guest's memory lies outside of it. The parallel collector, even with one thread, leaves a decoded block and its operations side by side, where the serial one
# sorts them by kind: a guest with much code needs a quarter less time for an instruction (bench/RESULTS.md, 26 November). The C library makes a heap, of two mappings, for each thread of a JVM, which
# hardly uses them, and KVM locks every mapping of the process when it makes a machine.
#
# Standard output is the guest's: what the JVM says goes to standard error, but not that an AOT cache does not fit.
nestor_jvm_options() {
  options="-Xlog:disable -Xlog:all=warning:stderr -Xlog:aot*=off:stderr -Xlog:cds*=off:stderr -XX:+DisplayVMOutputToStderr"
  options="$options -XX:+UseParallelGC -XX:ParallelGCThreads=1 -Xms128m -XX:ReservedCodeCacheSize=256m -XX:-UsePerfData"
  MALLOC_ARENA_MAX=${MALLOC_ARENA_MAX:-1}
  export MALLOC_ARENA_MAX
}
