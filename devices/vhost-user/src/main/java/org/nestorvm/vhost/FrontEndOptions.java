package org.nestorvm.vhost;

import org.nestorvm.virtio.ConfigSpace;

/**
 * What a front end must be told about its device, since the protocol does not say it.
 *
 * @param type the device's number in section 5 of the virtio specification
 * @param queues how many the guest gets; the back end must have them. {@link #ALL_QUEUES}: as many as the first back
 *     end has
 * @param queueSize the most entries a queue can have
 * @param config what the guest reads; null to ask the back end for it
 * @param configBytes how much to ask for: some back ends answer only for what they know
 * @param ownFeatures that the front end's side provides; the guest sees them, the back end does not
 * @param withheldFeatures that the back end offers and the guest does not get
 * @param answerMs how long the back end may take for an answer; also for the requests that it completes when a queue
 *     stops
 */
public record FrontEndOptions(
        int type,
        String name,
        int queues,
        int queueSize,
        ConfigSpace config,
        int configBytes,
        long ownFeatures,
        long withheldFeatures,
        Connector connector,
        ConnectionListener listener,
        int answerMs) {
    public static final int ALL_QUEUES = 0;
    private static final int NET = 1, BLOCK = 2, CONSOLE = 3, BALLOON = 5, SCSI = 8, VSOCK = 19, FS = 26;
    private static final int ANSWER_MS = 30_000;

    /** For a back end with a configuration space of its own, or a device without. */
    public static FrontEndOptions of(int type, String name, int queues, int queueSize, Connector connector) {
        return new FrontEndOptions(
                type,
                name,
                queues,
                queueSize,
                null,
                configBytes(type),
                0,
                0,
                connector,
                new ConnectionListener() {},
                ANSWER_MS);
    }

    private static int configBytes(int type) {
        return switch (type) {
            case NET -> 24;
            case BLOCK -> 60; // up to write_zeroes_may_unmap: what every back end knows
            case CONSOLE -> 12;
            case BALLOON, VSOCK -> 8;
            case SCSI -> 36;
            case FS -> 44;
            default -> 0;
        };
    }

    /**
     * virtio-fs: back ends do not know their tag, so the configuration is made here. @param tag at most 36 bytes of
     * UTF-8
     */
    public static FrontEndOptions fileSystem(
            String name, String tag, int requestQueues, int queueSize, Connector connector) {
        byte[] bytes = tag.getBytes(java.nio.charset.StandardCharsets.UTF_8);
        if (bytes.length == 0 || bytes.length > 36)
            throw new IllegalArgumentException(
                    "the tag of a shared directory has 1 to 36 bytes: \"" + tag + "\" has " + bytes.length);
        ConfigSpace config = new ConfigSpace(40).set(0, bytes).set(36, 4, requestQueues);
        return of(FS, name, 1 + requestQueues, queueSize, connector).withConfig(config);
    }

    public FrontEndOptions withConfig(ConfigSpace newConfig) {
        return new FrontEndOptions(
                type,
                name,
                queues,
                queueSize,
                newConfig,
                configBytes,
                ownFeatures,
                withheldFeatures,
                connector,
                listener,
                answerMs);
    }

    public FrontEndOptions withConfigBytes(int newConfigBytes) {
        return new FrontEndOptions(
                type,
                name,
                queues,
                queueSize,
                config,
                newConfigBytes,
                ownFeatures,
                withheldFeatures,
                connector,
                listener,
                answerMs);
    }

    public FrontEndOptions withFeatures(long own, long withheld) {
        return new FrontEndOptions(
                type, name, queues, queueSize, config, configBytes, own, withheld, connector, listener, answerMs);
    }

    public FrontEndOptions withListener(ConnectionListener newListener) {
        return new FrontEndOptions(
                type,
                name,
                queues,
                queueSize,
                config,
                configBytes,
                ownFeatures,
                withheldFeatures,
                connector,
                newListener,
                answerMs);
    }

    public FrontEndOptions withAnswerMs(int newAnswerMs) {
        return new FrontEndOptions(
                type,
                name,
                queues,
                queueSize,
                config,
                configBytes,
                ownFeatures,
                withheldFeatures,
                connector,
                listener,
                newAnswerMs);
    }
}
