package org.nestorvm.devices;

import java.util.ArrayList;
import java.util.List;
import org.nestorvm.vmm.InstructionClock;

/** What device tests share: a clock that they move, and lines that remember. */
final class Guest {
    /** 2024-02-28 23:58:07 UTC. */
    static final long LATE = 1_709_164_687L * 1_000_000_000;

    final InstructionClock clock = new InstructionClock(LATE);
    private final List<String> events = new ArrayList<>();

    /** Lets time pass; callbacks run at their deadlines. Returns how many deadlines there were. */
    int pass(long ns) {
        long end = clock.nowNs() + ns;
        int callbacks = 0;
        for (; clock.nextDeadlineNs() <= end; callbacks++) {
            clock.setNowNs(Math.max(clock.nowNs(), clock.nextDeadlineNs()));
            clock.runDue();
        }
        clock.setNowNs(end);
        return callbacks;
    }

    static final class Line implements IrqLine {
        boolean asserted;
        int rises;

        @Override
        public void set(boolean level) {
            if (level && !asserted) rises++;
            asserted = level;
        }
    }

    /** A line that writes its changes into the common list of events. */
    IrqLine logged(String name) {
        Line line = new Line();
        return level -> {
            if (level != line.asserted) events.add(name + (level ? "+" : "-") + clock.nowNs());
            line.set(level);
        };
    }

    List<String> events() {
        List<String> all = List.copyOf(events);
        events.clear();
        return all;
    }
}
