package org.nestorvm.memory.sys;

/**
 * Lets a test make every step of an operation fail in turn. Each system call that creating, mapping or sharing memory
 * can make, and each allocation that somebody marks with {@link #allocation}, is a step; the loop finds their number by
 * itself:
 *
 * <pre>{@code
 * for (int step = 1; ; step++) {
 *     Snapshot before = Snapshot.take();                          // /proc/self/maps, /proc/self/fd, live counts
 *     try (FaultPoints.Plan plan = FaultPoints.failAt(step, Errno.ENOMEM)) {
 *         VirtualMachine vm = vmm.create(config);
 *         vm.close();
 *         if (!plan.fired()) break; // fewer than `step` steps: all of them have failed once
 *         fail(plan + " was swallowed");
 *     } catch (IOException | OutOfMemoryError expected) {
 *         before.assertUnchanged();
 *     }
 * }
 * }</pre>
 *
 * <p>A plan concerns the thread that made it and fires once, unless it is made by {@link #failAll}. Steps are not
 * counted while something is undone or torn down: close and munmap are no steps. When no plan is armed a step costs one
 * read of a static field, and calls made per exit or per packet are none.
 */
public final class FaultPoints {
    private static volatile Plan armed;

    private FaultPoints() {}

    /**
     * The {@code step}th step (from 1) that this thread reaches from now on fails: a call with {@code errno}, an
     * allocation with OutOfMemoryError.
     */
    public static Plan failAt(int step, int errno) {
        if (step < 1) throw new IllegalArgumentException("steps are counted from 1: step=" + step);
        if (armed != null) throw new IllegalStateException("a plan is armed already: " + armed);
        armed = new Plan(step, errno);
        return armed;
    }

    /**
     * A shortage that lasts: every step of this name that this thread reaches fails until the plan is closed; others do
     * not count.
     */
    public static Plan failAll(String name, int errno) {
        Plan plan = failAt(1, errno);
        plan.only = name;
        return plan;
    }

    /** Counts steps and lets them all succeed. */
    public static Plan count() {
        return failAt(Integer.MAX_VALUE, 0);
    }

    /** A step that is a system call. Stands before the call. */
    public static void call(String call, Object object) throws ErrnoException {
        Plan plan = armed;
        if (plan != null && plan.reach(call)) throw new ErrnoException(call, String.valueOf(object), plan.errno);
    }

    /** A step that takes memory which the Java heap or a pool may not have. Stands before the allocation. */
    public static void allocation(String what) {
        Plan plan = armed;
        if (plan != null && plan.reach(what)) throw new OutOfMemoryError("injected: " + what);
    }

    /** One armed failure. Closing disarms it. */
    public static final class Plan implements AutoCloseable {
        private final Thread thread = Thread.currentThread();
        private final int step;
        private final int errno;
        private volatile int reached;
        private String only;
        private String last = "nothing";

        private Plan(int step, int errno) {
            this.step = step;
            this.errno = errno;
        }

        private boolean reach(String what) {
            if (Thread.currentThread() != thread || only != null && !only.equals(what)) return false;
            reached++;
            if (reached <= step) last = what;
            return reached == step || only != null;
        }

        /** True when the step was reached, and so made to fail. */
        public boolean fired() {
            return reached >= step;
        }

        /** Steps that the plan's thread reached since it was armed; other threads may ask as well. */
        public int reached() {
            return reached;
        }

        @Override
        public void close() {
            if (armed == this) armed = null;
        }

        @Override
        public String toString() {
            return "step " + step + " (" + last + ")"
                    + (fired() ? " failed with " + Errno.name(errno) : " not reached");
        }
    }
}
