package org.nestorvm.cli;

/**
 * Takes the monitor's own keys out of what is typed: Ctrl-A and then x leaves, h helps, a (or Ctrl-A) sends Ctrl-A; any
 * other key after Ctrl-A is dropped with it.
 */
final class EscapeFilter {
    static final int CTRL_A = 1;

    /** Told of what the user asked for. */
    interface Actions {
        void leave();

        void help();
    }

    private final Actions actions;
    private boolean escaped;

    EscapeFilter(Actions actions) {
        this.actions = actions;
    }

    /** Filters in place. @return how many bytes at the front of {@code bytes} are for the guest */
    int filter(byte[] bytes, int length) {
        int kept = 0;
        for (int i = 0; i < length; i++) {
            byte key = bytes[i];
            if (escaped) {
                escaped = false;
                if (key == 'a' || key == CTRL_A) bytes[kept++] = CTRL_A;
                else if (key == 'x') actions.leave();
                else if (key == 'h' || key == '?') actions.help();
            } else if (key == CTRL_A) {
                escaped = true;
            } else {
                bytes[kept++] = key;
            }
        }
        return kept;
    }
}
