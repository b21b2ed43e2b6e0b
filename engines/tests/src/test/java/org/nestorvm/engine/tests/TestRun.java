package org.nestorvm.engine.tests;

import static org.junit.platform.engine.discovery.DiscoverySelectors.selectClass;

import java.io.IOException;
import java.io.PrintStream;
import java.io.PrintWriter;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Predicate;
import java.util.jar.JarEntry;
import java.util.jar.JarFile;
import java.util.regex.Pattern;
import org.junit.platform.engine.DiscoverySelector;
import org.junit.platform.engine.TestExecutionResult;
import org.junit.platform.launcher.LauncherDiscoveryRequest;
import org.junit.platform.launcher.TestExecutionListener;
import org.junit.platform.launcher.TestIdentifier;
import org.junit.platform.launcher.TestPlan;
import org.junit.platform.launcher.core.LauncherDiscoveryRequestBuilder;
import org.junit.platform.launcher.core.LauncherFactory;

/**
 * Runs tests without a build tool and tells of each as it ends: for {@code scripts/kvm-lab-tests}, in a machine where
 * Maven would take minutes to start. Arguments are jars with test classes; {@code nestor.tests} and
 * {@code nestor.tests.leave.out} are patterns for class names. The status is 1 when a test failed.
 */
final class TestRun implements TestExecutionListener {
    private static final long STANDS_STILL_S = Long.getLong("nestor.tests.standstill", 300);

    private final PrintStream out = System.out;
    private final Map<String, Integer> skipped = new TreeMap<>();
    private final List<String> failed = new ArrayList<>();
    private final AtomicLong startedNs = new AtomicLong();
    private volatile String current = "discovery";
    private TestPlan plan;
    private int passed;

    public static void main(String[] jars) throws IOException {
        TestRun run = new TestRun();
        LauncherDiscoveryRequest request = LauncherDiscoveryRequestBuilder.request()
                .selectors(classes(jars))
                .build();
        run.watch();
        LauncherFactory.create().execute(request, run);
        System.exit(run.report());
    }

    /** Surefire's rule: classes whose names end with Test. */
    private static List<DiscoverySelector> classes(String[] jars) throws IOException {
        Predicate<String> wanted =
                Pattern.compile(System.getProperty("nestor.tests", ".*")).asPredicate();
        Predicate<String> unwanted = Pattern.compile(System.getProperty("nestor.tests.leave.out", "^$"))
                .asPredicate();
        List<DiscoverySelector> selectors = new ArrayList<>();
        for (String jar : jars) {
            try (JarFile file = new JarFile(jar)) {
                file.stream()
                        .map(JarEntry::getName)
                        .filter(name -> name.endsWith("Test.class"))
                        .sorted()
                        .map(name -> name.replace(".class", "").replace('/', '.'))
                        .filter(wanted.and(unwanted.negate()))
                        .forEach(name -> selectors.add(selectClass(name)));
            }
        }
        return selectors;
    }

    @Override
    public void testPlanExecutionStarted(TestPlan testPlan) {
        plan = testPlan;
    }

    @Override
    public void executionStarted(TestIdentifier test) {
        if (!test.isTest()) return;
        current = name(test);
        startedNs.set(System.nanoTime());
    }

    @Override
    public void executionSkipped(TestIdentifier test, String reason) {
        skipped.merge(reason, 1, Integer::sum);
    }

    @Override
    public synchronized void executionFinished(TestIdentifier test, TestExecutionResult result) {
        Throwable thrown = result.getThrowable().orElse(null);
        double seconds = (System.nanoTime() - startedNs.getAndSet(0)) / 1e9;
        switch (result.getStatus()) {
            case SUCCESSFUL -> {
                if (!test.isTest()) return;
                passed++;
                out.printf("ok      %6.1f s  %s%n", seconds, name(test));
            }
            case ABORTED ->
                skipped.merge(thrown == null ? "no reason" : String.valueOf(thrown.getMessage()), 1, Integer::sum);
            case FAILED -> {
                failed.add(name(test));
                out.printf("FAILED  %6.1f s  %s%n", seconds, name(test));
                if (thrown != null) thrown.printStackTrace(new PrintWriter(out, true));
            }
        }
    }

    private String name(TestIdentifier test) {
        TestIdentifier parent = plan.getParent(test).orElse(test);
        String name = test.getDisplayName();
        while (plan.getParent(parent).isPresent()) {
            name = parent.getDisplayName() + " " + name;
            parent = plan.getParent(parent).get();
        }
        return name;
    }

    /** Says where all threads are when a test takes long. */
    private void watch() {
        Thread.ofPlatform().daemon().name("watch").start(() -> {
            long told = 0;
            while (true) {
                try {
                    Thread.sleep(1000);
                } catch (InterruptedException e) {
                    return;
                }
                long started = startedNs.get();
                if (started == 0 || started == told || System.nanoTime() - started < STANDS_STILL_S * 1_000_000_000L)
                    continue;
                told = started;
                out.println("STILL   runs after " + STANDS_STILL_S + " s: " + current);
                Thread.getAllStackTraces().forEach((thread, frames) -> {
                    out.println("  " + thread.getName() + " " + thread.getState());
                    Arrays.stream(frames).limit(12).forEach(frame -> out.println("    " + frame));
                });
            }
        });
    }

    private int report() {
        out.println();
        skipped.forEach((reason, count) -> out.println(
                "skipped " + count + ": " + reason.lines().findFirst().orElse("")));
        failed.forEach(name -> out.println("failed: " + name));
        out.println(passed + " passed, " + failed.size() + " failed, "
                + skipped.values().stream().mapToInt(Integer::intValue).sum() + " skipped");
        out.flush();
        return failed.isEmpty() ? 0 : 1;
    }
}
