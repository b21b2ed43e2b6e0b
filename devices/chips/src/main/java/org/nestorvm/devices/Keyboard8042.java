package org.nestorvm.devices;

/**
 * The 8042 keyboard controller, ports 60h and 64h (IBM PS/2 technical reference), with a keyboard that answers and has
 * no keys, and no mouse. What a PC of today still wants of it: the reset pulse. A20 is always on.
 */
public final class Keyboard8042 {
    static final int STATUS_OUTPUT_FULL = 1 << 0,
            STATUS_SYSTEM = 1 << 2,
            STATUS_COMMAND = 1 << 3,
            STATUS_UNLOCKED = 1 << 4;
    static final int CONFIG_INTERRUPT = 1 << 0,
            CONFIG_SYSTEM = 1 << 2,
            CONFIG_KEYBOARD_OFF = 1 << 4,
            CONFIG_MOUSE_OFF = 1 << 5,
            CONFIG_TRANSLATE = 1 << 6;
    static final int READ_CONFIG = 0x20,
            WRITE_CONFIG = 0x60,
            DISABLE_MOUSE = 0xa7,
            ENABLE_MOUSE = 0xa8,
            TEST_MOUSE_PORT = 0xa9,
            SELF_TEST = 0xaa,
            TEST_KEYBOARD_PORT = 0xab,
            DISABLE_KEYBOARD = 0xad,
            ENABLE_KEYBOARD = 0xae,
            READ_OUTPUT_PORT = 0xd0,
            WRITE_OUTPUT_PORT = 0xd1,
            WRITE_OUTPUT_BUFFER = 0xd2,
            PULSE = 0xf0;
    static final int SELF_TEST_PASSED = 0x55, NO_MOUSE = 0x02, ACK = 0xfa, KEYBOARD_PASSED = 0xaa;
    static final int OUTPUT_RESET = 1 << 0, OUTPUT_A20 = 1 << 1;

    private final IrqLine irq;
    private final Runnable reset;
    private final byte[] output = new byte[16]; // bytes for the guest, oldest first
    private int outputCount;
    private int config = CONFIG_INTERRUPT | CONFIG_SYSTEM | CONFIG_TRANSLATE | CONFIG_MOUSE_OFF;
    private int expectedBy; // the controller's command whose byte comes next at port 60h, 0 for the keyboard
    private int keyboardParameter; // the keyboard's command whose parameter comes next, 0 for none
    private boolean lastWasCommand;

    /** @param reset the processor's reset line; called without a lock */
    public Keyboard8042(IrqLine irq, Runnable reset) {
        this.irq = irq;
        this.reset = reset;
    }

    /** Port 60h. */
    public PortDevice dataPort() {
        return new Port(this::readData, this::writeData);
    }

    /** Port 64h. */
    public PortDevice commandPort() {
        return new Port(this::readStatus, this::command);
    }

    private synchronized int readStatus() {
        return (outputCount > 0 ? STATUS_OUTPUT_FULL : 0)
                | STATUS_UNLOCKED
                | config & STATUS_SYSTEM
                | (lastWasCommand ? STATUS_COMMAND : 0);
    }

    private synchronized int readData() {
        if (outputCount == 0) return 0;
        int value = output[0] & 0xff;
        System.arraycopy(output, 1, output, 0, --outputCount);
        irq.set(false); // an edge for each byte
        update();
        return value;
    }

    private void answer(int value) {
        if (outputCount < output.length) output[outputCount++] = (byte) value;
    }

    private void update() {
        irq.set(outputCount > 0 && (config & CONFIG_INTERRUPT) != 0);
    }

    /** @return whether the processor is reset */
    private synchronized boolean command(int value) {
        lastWasCommand = true;
        expectedBy = 0;
        switch (value) {
            case READ_CONFIG -> answer(config);
            case WRITE_CONFIG, WRITE_OUTPUT_PORT, WRITE_OUTPUT_BUFFER, 0xd3, 0xd4 -> expectedBy = value;
            case DISABLE_MOUSE -> config |= CONFIG_MOUSE_OFF;
            case ENABLE_MOUSE -> config &= ~CONFIG_MOUSE_OFF;
            case TEST_MOUSE_PORT -> answer(NO_MOUSE);
            case SELF_TEST -> answer(SELF_TEST_PASSED);
            case TEST_KEYBOARD_PORT -> answer(0);
            case DISABLE_KEYBOARD -> config |= CONFIG_KEYBOARD_OFF;
            case ENABLE_KEYBOARD -> config &= ~CONFIG_KEYBOARD_OFF;
            case READ_OUTPUT_PORT -> answer(OUTPUT_RESET | OUTPUT_A20);
            default -> {
                if (value >= PULSE) return (value & OUTPUT_RESET) == 0;
            }
        }
        update();
        return false;
    }

    private synchronized boolean writeData(int value) {
        lastWasCommand = false;
        int by = expectedBy;
        expectedBy = 0;
        switch (by) {
            case 0 -> keyboard(value);
            case WRITE_CONFIG -> config = value;
            case WRITE_OUTPUT_PORT -> {
                return (value & OUTPUT_RESET) == 0;
            }
            case WRITE_OUTPUT_BUFFER -> answer(value);
            default -> {} // for the mouse, which is not there
        }
        update();
        return false;
    }

    /** The keyboard says yes to everything, and says who it is when asked. */
    private void keyboard(int value) {
        answer(ACK);
        if (keyboardParameter != 0) {
            if (keyboardParameter == 0xf0 && value == 0) answer(2); // which scan codes: set 2
            keyboardParameter = 0;
            return;
        }
        switch (value) {
            case 0xed, 0xf0, 0xf3 -> keyboardParameter = value; // LEDs, scan codes, repeat rate
            case 0xf2 -> { // identify: an MF2 keyboard
                answer(0xab);
                answer((config & CONFIG_TRANSLATE) != 0 ? 0x41 : 0x83);
            }
            case 0xff -> answer(KEYBOARD_PASSED);
            default -> {}
        }
    }

    private interface Write {
        boolean accept(int value);
    }

    private interface Read {
        int get();
    }

    private final class Port implements PortDevice {
        private final Read read;
        private final Write write;

        Port(Read read, Write write) {
            this.read = read;
            this.write = write;
        }

        @Override
        public int read(int offset, int size) {
            return read.get();
        }

        @Override
        public void write(int offset, int size, int value) {
            if (write.accept(value & 0xff)) reset.run();
        }
    }
}
