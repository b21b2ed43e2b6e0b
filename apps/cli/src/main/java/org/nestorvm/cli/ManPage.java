package org.nestorvm.cli;

import java.util.List;
import java.util.Map;
import picocli.CommandLine;
import picocli.CommandLine.Help.Ansi;
import picocli.CommandLine.Model.ArgSpec;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Model.OptionSpec;
import picocli.CommandLine.Model.PositionalParamSpec;

/** One page in the language of man(7), with its sections in the usual order (man-pages(7)). */
final class ManPage {
    private static final int ONE_LINE = 10_000;

    private final CommandSpec spec;
    private final StringBuilder page = new StringBuilder();

    ManPage(CommandSpec spec) {
        this.spec = spec;
        page.append(".TH ")
                .append(name().toUpperCase(java.util.Locale.ROOT))
                .append(" 1 \"\" \"Nestor\" \"User Commands\"\n");
        section("NAME");
        line(name() + " \\- ", sentence(description()));
        section("SYNOPSIS");
        page.append(".ad l\n");
        line("", synopsis());
        page.append(".ad b\n");
        section("DESCRIPTION");
        line("", description());
        arguments();
        commands();
        statuses();
        footer();
        seeAlso();
    }

    /** On one line: where it is broken is for man(1) to say. */
    private String synopsis() {
        CommandLine command = spec.commandLine();
        int width = command.getUsageHelpWidth();
        try {
            return command.setUsageHelpWidth(ONE_LINE).getHelp().synopsis(0).strip();
        } finally {
            command.setUsageHelpWidth(width);
        }
    }

    /** {@code nestor-image-create}. */
    String name() {
        return spec.qualifiedName("-");
    }

    private String description() {
        return text(spec.usageMessage().description());
    }

    private static String sentence(String text) {
        return text.endsWith(".") ? text.substring(0, text.length() - 1) : text;
    }

    private String text(String... lines) {
        return Ansi.OFF
                .string(String.join(" ", lines).replace("%n", " ").replace("%%", "%"))
                .toString();
    }

    private void section(String title) {
        page.append(".SH ").append(title).append('\n');
    }

    /** @param roff as it is @param plain what a reader should see */
    private void line(String roff, String plain) {
        String escaped = plain.replace("\\", "\\e").replace("-", "\\-");
        if (roff.isEmpty() && (escaped.startsWith(".") || escaped.startsWith("'"))) escaped = "\\&" + escaped;
        page.append(roff).append(escaped).append('\n');
    }

    private void item(String term, String description) {
        page.append(".TP\n");
        line("\\fB", term);
        page.insert(page.length() - 1, "\\fR");
        line("", description);
    }

    private void arguments() {
        List<PositionalParamSpec> parameters = spec.positionalParameters().stream()
                .filter(each -> !each.hidden())
                .toList();
        List<OptionSpec> options =
                spec.options().stream().filter(each -> !each.hidden()).toList();
        if (parameters.isEmpty() && options.isEmpty()) return;
        section("OPTIONS");
        for (PositionalParamSpec each : parameters) item(each.paramLabel(), described(each));
        for (OptionSpec each : options) {
            boolean value = each.arity().max() > 0, optional = each.arity().min() == 0;
            String label = !value ? "" : optional ? "[=" + each.paramLabel() + "]" : " " + each.paramLabel();
            item(String.join(", ", each.names()) + label, described(each));
        }
    }

    private String described(ArgSpec argument) {
        String description = text(argument.description());
        return description.isEmpty() ? "See the synopsis." : description;
    }

    private void commands() {
        Map<String, CommandLine> commands = spec.subcommands();
        if (commands.values().stream()
                .allMatch(each -> each.getCommandSpec().usageMessage().hidden())) return;
        section("COMMANDS");
        commands.forEach((name, command) -> {
            if (!command.getCommandSpec().usageMessage().hidden())
                item(name, text(command.getCommandSpec().usageMessage().description()));
        });
    }

    private void statuses() {
        Map<String, String> statuses = spec.usageMessage().exitCodeList();
        if (statuses.isEmpty()) return;
        section("EXIT STATUS");
        statuses.forEach(this::item);
    }

    private void footer() {
        String[] footer = spec.usageMessage().footer();
        if (footer.length == 0) return;
        section("NOTES");
        page.append(".nf\n");
        for (String each : footer) line("", each);
        page.append(".fi\n");
    }

    private void seeAlso() {
        section("SEE ALSO");
        CommandSpec parent = spec.parent();
        line("", parent == null ? "nestor-run(1), README.md" : parent.qualifiedName("-") + "(1)");
    }

    @Override
    public String toString() {
        return page.toString();
    }
}
