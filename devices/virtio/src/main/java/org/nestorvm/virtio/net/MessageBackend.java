package org.nestorvm.virtio.net;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import org.nestorvm.memory.sys.Descriptors;

/**
 * Packets with their {@link NetHeader} through sockets that keep the borders of messages: two devices on one wire, or a
 * device and a test. What one side leaves to the other is not done by anybody in between.
 */
public final class MessageBackend implements NetBackend {
    private final String name;
    private final List<MessagePort> ports = new ArrayList<>();

    /** @param sockets one for each pair of queues, connected; the back end's from now on */
    public MessageBackend(String name, int... sockets) throws IOException {
        this.name = name;
        try {
            for (int socket : sockets) ports.add(new MessagePort(name, socket));
        } catch (IOException e) {
            for (int socket : sockets) Descriptors.close(socket);
            throw e;
        }
    }

    @Override
    public String name() {
        return name;
    }

    @Override
    public int pairs() {
        return ports.size();
    }

    @Override
    public NetPort port(int pair) {
        return ports.get(pair);
    }

    @Override
    public boolean hasHeader() {
        return true;
    }

    @Override
    public void close() {}
}
