package org.nestorvm.cli;

import java.util.ArrayList;
import java.util.List;
import picocli.CommandLine;
import picocli.CommandLine.UnmatchedArgumentException;

/** What a word on the command line was probably meant to be. */
final class Suggestion {
    /** Letters that differ; more is another word. */
    private static final int LARGEST_DISTANCE = 2;

    private Suggestion() {}

    /** One line for a word that is neither a command, nor an option, nor expected. */
    static String explain(UnmatchedArgumentException error) {
        CommandLine line = error.getCommandLine();
        String word = error.getUnmatched().getFirst(),
                command = line.getCommandSpec().qualifiedName();
        boolean option = word.startsWith("-");
        if (!option && !line.getSubcommands().isEmpty()) return noCommand(word, line);
        String name = word.replaceFirst("=.*", ""), nearest = option ? nearest(name, options(line)) : null;
        String what = option
                ? "'" + name + "' is no option of `" + command + "`"
                : "'" + word + "' is one word too many; `" + command + "` does not take it";
        return what + (nearest == null ? "; `" : "; did you mean '" + nearest + "'? `") + command
                + " --help` lists what there is";
    }

    static String noCommand(String word, CommandLine line) {
        String nearest = nearest(word, commands(line));
        return "'" + word + "' is no command" + (nearest == null ? "; `" : "; did you mean '" + nearest + "'? `")
                + line.getCommandSpec().qualifiedName() + " --help` lists what there is";
    }

    private static List<String> options(CommandLine line) {
        List<String> names = new ArrayList<>();
        line.getCommandSpec().options().stream()
                .filter(option -> !option.hidden())
                .forEach(option -> names.addAll(List.of(option.names())));
        return names;
    }

    private static List<String> commands(CommandLine line) {
        return line.getSubcommands().entrySet().stream()
                .filter(each -> !each.getValue().getCommandSpec().usageMessage().hidden())
                .map(each -> each.getKey())
                .toList();
    }

    /** Null when none is near. */
    static String nearest(String word, List<String> known) {
        String best = null;
        int least = Math.min(LARGEST_DISTANCE, word.length() / 2) + 1;
        for (String each : known) {
            int distance = distance(word, each);
            if (distance >= least) continue;
            least = distance;
            best = each;
        }
        return best;
    }

    /** How many letters must be inserted, removed, changed or swapped with their neighbour. */
    static int distance(String from, String to) {
        int[][] cost = new int[from.length() + 1][to.length() + 1];
        for (int i = 0; i <= from.length(); i++) {
            for (int j = 0; j <= to.length(); j++) {
                if (i == 0 || j == 0) {
                    cost[i][j] = i + j;
                    continue;
                }
                int change = cost[i - 1][j - 1] + (from.charAt(i - 1) == to.charAt(j - 1) ? 0 : 1);
                cost[i][j] = Math.min(change, 1 + Math.min(cost[i - 1][j], cost[i][j - 1]));
                boolean swapped = i > 1
                        && j > 1
                        && from.charAt(i - 1) == to.charAt(j - 2)
                        && from.charAt(i - 2) == to.charAt(j - 1);
                if (swapped) cost[i][j] = Math.min(cost[i][j], cost[i - 2][j - 2] + 1);
            }
        }
        return cost[from.length()][to.length()];
    }
}
