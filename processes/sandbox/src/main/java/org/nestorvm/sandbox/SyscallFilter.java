package org.nestorvm.sandbox;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.nestorvm.memory.sys.Errno;
import org.nestorvm.memory.sys.Seccomp;

/**
 * Which system calls a process may make from now on, and the program that tells the kernel. What no list names is
 * refused with EPERM, since the JVM tries things that it can do without (a file under /proc, a socket to some daemon).
 * What only an intruder would call ends the process; so does another architecture's system call, and one with the
 * number of the x32 ABI.
 *
 * <p>The program divides the numbers into ranges that are answered alike and finds the range by bisection; then come
 * the checks of arguments. Where the answer does not depend on arguments the kernel finds that out once and does not
 * run the program any more (Linux 5.11).
 */
public final class SyscallFilter {
    static final int AUDIT_ARCH_X86_64 = 0xc000003e, X32_BIT = 0x40000000;
    static final int ALLOW = Seccomp.SECCOMP_RET_ALLOW,
            KILL = Seccomp.SECCOMP_RET_KILL_PROCESS,
            REFUSE = Seccomp.SECCOMP_RET_ERRNO | Errno.EPERM;
    static final int NOT_THERE = Seccomp.SECCOMP_RET_ERRNO | Errno.ENOSYS;

    /** @param answer what the kernel does if all checks hold; otherwise it refuses */
    record Rule(int answer, List<Check> checks) {}

    private final Map<Syscall, Rule> rules = new EnumMap<>(Syscall.class);

    SyscallFilter() {}

    /** A filter with the same rules, to be added to. */
    SyscallFilter copy() {
        SyscallFilter copy = new SyscallFilter();
        copy.rules.putAll(rules);
        return copy;
    }

    SyscallFilter allow(Syscall... calls) {
        for (Syscall call : calls) rules.put(call, new Rule(ALLOW, List.of()));
        return this;
    }

    /** With arguments for which all of the checks hold. */
    SyscallFilter allowIf(Syscall call, Check... checks) {
        rules.put(call, new Rule(ALLOW, List.of(checks)));
        return this;
    }

    SyscallFilter kill(Syscall... calls) {
        for (Syscall call : calls) rules.put(call, new Rule(KILL, List.of()));
        return this;
    }

    /**
     * ENOSYS, for calls whose arguments lie in memory, where a filter cannot look, and for which there is an older one.
     */
    SyscallFilter pretendMissing(Syscall call) {
        rules.put(call, new Rule(NOT_THERE, List.of()));
        return this;
    }

    Map<Syscall, Rule> rules() {
        return rules;
    }

    /** Calls that are allowed, with or without checks. */
    public long allowedCount() {
        return rules.values().stream().filter(rule -> rule.answer == ALLOW).count();
    }

    /** What the kernel answers: by the rules, without the program. */
    int answer(int architecture, int number, long... arguments) {
        if (architecture != AUDIT_ARCH_X86_64 || (number & X32_BIT) != 0) return KILL;
        for (Map.Entry<Syscall, Rule> entry : rules.entrySet()) {
            if (entry.getKey().number() != number) continue;
            return entry.getValue().checks.stream().allMatch(check -> check.holds(arguments))
                    ? entry.getValue().answer
                    : REFUSE;
        }
        return REFUSE;
    }

    /** For {@link Seccomp#filterAllThreads}. */
    public long[] program() {
        List<Integer> starts = new ArrayList<>();
        List<long[]> answers = new ArrayList<>();
        ranges(starts, answers);
        long[] body = Bpf.concat(
                Bpf.load(Bpf.NR), Bpf.ifAnyBit(X32_BIT, Bpf.give(KILL), bisect(starts, answers, 0, starts.size())));
        return Bpf.concat(Bpf.load(Bpf.ARCH), Bpf.ifEqual(AUDIT_ARCH_X86_64, body, Bpf.give(KILL)));
    }

    private void ranges(List<Integer> starts, List<long[]> answers) {
        Map<Integer, long[]> byNumber = new TreeMap<>();
        rules.forEach((call, rule) -> byNumber.put(call.number(), code(rule)));
        int next = 0;
        for (Map.Entry<Integer, long[]> entry : byNumber.entrySet()) {
            if (entry.getKey() > next) add(starts, answers, next, Bpf.give(REFUSE));
            add(starts, answers, entry.getKey(), entry.getValue());
            next = entry.getKey() + 1;
        }
        add(starts, answers, next, Bpf.give(REFUSE));
    }

    private static void add(List<Integer> starts, List<long[]> answers, int start, long[] answer) {
        if (!answers.isEmpty() && Arrays.equals(answers.getLast(), answer)) return;
        starts.add(start);
        answers.add(answer);
    }

    private static long[] code(Rule rule) {
        long[] code = Bpf.give(rule.answer);
        for (Check check : rule.checks.reversed()) {
            long[] checked = code(check, code, Bpf.give(REFUSE));
            code = check.when() == null ? checked : code(check.when(), checked, code);
        }
        return code;
    }

    private static long[] code(Check check, long[] yes, long[] no) {
        long[] load = Bpf.loadArgument(check.argument());
        if (check.mask() != -1) load = Bpf.concat(load, Bpf.and(check.mask()));
        return Bpf.concat(load, Bpf.ifOneOf(check.values(), yes, no));
    }

    /** The ranges {@code from} to {@code to}, exclusive. */
    private static long[] bisect(List<Integer> starts, List<long[]> answers, int from, int to) {
        if (to - from == 1) return answers.get(from);
        int middle = from + to >>> 1;
        return Bpf.ifAtLeast(
                starts.get(middle), bisect(starts, answers, middle, to), bisect(starts, answers, from, middle));
    }
}
