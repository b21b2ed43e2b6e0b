package org.nestorvm.virtio.balloon;

import java.io.IOException;

/**
 * What the user says of a balloon.
 *
 * @param targetBytes how much the guest is asked to give at first; whole pages of 4 KiB
 * @param deflateOnOom the guest may take pages back when it has no others
 * @param reporting the guest tells of pages that are free
 * @param statisticsSeconds how often the guest is asked for statistics; 0 only on request
 */
public record BalloonOptions(long targetBytes, boolean deflateOnOom, boolean reporting, int statisticsSeconds) {
    public static final BalloonOptions DEFAULT = new BalloonOptions(0, true, true, 0);
    private static final int LONGEST_SECONDS = 86_400;
    private static final String KEYS =
            "write target=SIZE, deflate-on-oom=on|off, free-page-reporting=on|off or stats=SECONDS, with commas "
                    + "between";

    /** {@code on} for the defaults, or a list of {@code key=value}. */
    public static BalloonOptions parse(String text) throws IOException {
        BalloonOptions options = DEFAULT;
        if (text.equals("on")) return options;
        for (String part : text.split(",", -1)) {
            int equals = part.indexOf('=');
            String key = equals < 0 ? part : part.substring(0, equals),
                    value = equals < 0 ? "" : part.substring(equals + 1);
            options = switch (key) {
                case "target" ->
                    new BalloonOptions(size(value), options.deflateOnOom, options.reporting, options.statisticsSeconds);
                case "deflate-on-oom" ->
                    new BalloonOptions(
                            options.targetBytes, isOn(key, value), options.reporting, options.statisticsSeconds);
                case "free-page-reporting" ->
                    new BalloonOptions(
                            options.targetBytes, options.deflateOnOom, isOn(key, value), options.statisticsSeconds);
                case "stats" ->
                    new BalloonOptions(options.targetBytes, options.deflateOnOom, options.reporting, seconds(value));
                default -> throw new IOException("balloon option \"" + part + "\" is not known: " + KEYS);
            };
        }
        return options;
    }

    private static boolean isOn(String key, String value) throws IOException {
        if (value.equals("on")) return true;
        if (value.equals("off")) return false;
        throw new IOException("balloon " + key + "=" + value + ": must be on or off");
    }

    private static int seconds(String value) throws IOException {
        if (value.matches("[0-9]{1,6}") && Integer.parseInt(value) <= LONGEST_SECONDS) return Integer.parseInt(value);
        throw new IOException("balloon stats=" + value + ": must be a number of seconds, 0 to " + LONGEST_SECONDS);
    }

    private static long size(String value) throws IOException {
        if (value.matches("[0-9]{1,10}[KMGT]?")) {
            int shift = switch (value.charAt(value.length() - 1)) {
                case 'K' -> 10;
                case 'M' -> 20;
                case 'G' -> 30;
                case 'T' -> 40;
                default -> 0;
            };
            long bytes = Long.parseLong(shift == 0 ? value : value.substring(0, value.length() - 1)) << shift;
            if (bytes % BalloonDevice.PAGE_BYTES == 0 && bytes <= BalloonDevice.MOST_BYTES) return bytes;
        }
        throw new IOException(
                "balloon target=" + value + ": must be a size in whole pages of 4K, such as 256M, below 16T");
    }
}
