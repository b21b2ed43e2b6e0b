package org.nestorvm.vmm;

import java.util.ArrayDeque;
import java.util.Deque;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * What has to be taken back, last thing first, unless everything succeeds. Closing undoes; {@link #keep} makes closing
 * do nothing.
 */
final class Undo implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(Undo.class);

    interface Step {
        void run() throws Exception;
    }

    private final Deque<Step> steps = new ArrayDeque<>(64);

    void add(Step step) {
        steps.push(step);
    }

    void keep() {
        steps.clear();
    }

    /** Goes on after a step that fails: one thing that cannot be taken back is no reason to keep the others. */
    @Override
    public void close() {
        while (!steps.isEmpty()) {
            try {
                steps.pop().run();
            } catch (Exception e) {
                LOG.error("could not be taken back", e);
            }
        }
    }
}
