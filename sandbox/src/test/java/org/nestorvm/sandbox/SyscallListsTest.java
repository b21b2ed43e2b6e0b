package org.nestorvm.sandbox;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;

/** SYSCALLS.md is written from the lists: {@code -Dnestor.write=SYSCALLS.md} writes it. */
class SyscallListsTest {
    private static final Path DOCUMENT = Path.of("SYSCALLS.md");
    private static final int PID = 1;

    @Test void documentShowsTheLists() throws Exception {
        String text = document();
        if ("SYSCALLS.md".equals(System.getProperty("nestor.write"))) Files.writeString(DOCUMENT, text);
        assertEquals(text, Files.readString(DOCUMENT), "write it with ./mvnw -pl sandbox -am test -Dtest=SyscallListsTest -Dsurefire.failIfNoSpecifiedTests=false -Dnestor.write=SYSCALLS.md");
    }

    private static String document() {
        SyscallFilter plain = SyscallLists.plain(PID);
        Map<String, SyscallFilter> kinds = new LinkedHashMap<>();
        kinds.put("plain (rng, balloon)", plain);
        kinds.put("disk (blk)", SyscallLists.disk(PID));
        kinds.put("net", SyscallLists.net(PID));
        kinds.put("cdrom", SyscallLists.cdrom(PID));
        kinds.put("streams (console)", SyscallLists.streams(PID));
        kinds.put("sockets (vsock)", SyscallLists.sockets(PID));
        StringBuilder text = new StringBuilder("""
            # System calls of device processes

            What a device process can call once it is confined. Everything else is refused with EPERM; what only an intruder calls ends the process, and so do system calls of other architectures and of the x32 ABI.
            `clone3`, whose flags a filter cannot see, is answered with ENOSYS, upon which the C library takes `clone`. Written from `SyscallLists` by `SyscallListsTest`.

            | kind | allowed | of these with checked arguments | instructions of the filter |
            |---|---|---|---|
            """);
        kinds.forEach((name, filter) -> text.append("| ").append(name).append(" | ").append(filter.allowedCount()).append(" | ").append(checked(filter)).append(" | ").append(filter.program().length).append(" |\n"));
        text.append("\n## All kinds\n\n").append(list(plain, new SyscallFilter()));
        kinds.forEach((name, filter) -> {
            if (filter != plain) text.append("\n## Besides: ").append(name).append("\n\n").append(list(filter, plain));
        });
        text.append("\n## These end the process\n\n").append(plain.rules().entrySet().stream().filter(entry -> entry.getValue().answer() == SyscallFilter.KILL).map(entry -> "`" + entry.getKey().label() + "`").collect(Collectors.joining(", ")))
            .append("\n");
        return text.toString();
    }

    private static long checked(SyscallFilter filter) {
        return filter.rules().values().stream().filter(rule -> rule.answer() == SyscallFilter.ALLOW && !rule.checks().isEmpty()).count();
    }

    private static String list(SyscallFilter filter, SyscallFilter without) {
        Map<String, String> rows = new TreeMap<>();
        filter.rules().forEach((call, rule) -> {
            if (rule.answer() != SyscallFilter.ALLOW || rule.checks().toString().equals(without.rules().containsKey(call) ? without.rules().get(call).checks().toString() : "")) return;
            rows.put(call.label(), rule.checks().stream().map(Check::toString).collect(Collectors.joining("; ")));
        });
        String plain = rows.entrySet().stream().filter(row -> row.getValue().isEmpty()).map(row -> "`" + row.getKey() + "`").collect(Collectors.joining(", "));
        String checked = rows.entrySet().stream().filter(row -> !row.getValue().isEmpty()).map(row -> "- `" + row.getKey() + "`: " + row.getValue()).collect(Collectors.joining("\n"));
        return plain + "\n" + (checked.isEmpty() ? "" : "\n" + checked + "\n");
    }
}
