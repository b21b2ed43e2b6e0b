package org.nestorvm.virtio.vsock;

import java.util.function.Consumer;
import java.util.function.Predicate;

/** The connections of a device by their two ports; one end is always the guest, the other the host. */
final class ConnectionTable {
    private final Connection[] buckets;
    private int count;

    /** @param limit connections that are expected at most */
    ConnectionTable(int limit) {
        buckets = new Connection[Integer.highestOneBit(Math.max(16, limit)) * 2];
    }

    private int bucket(int hostPort, int guestPort) {
        int mixed = (hostPort * 31 + guestPort) * 0x9e3779b9;
        return mixed >>> 16 & buckets.length - 1;
    }

    int count() {
        return count;
    }

    Connection find(int hostPort, int guestPort) {
        Connection at = buckets[bucket(hostPort, guestPort)];
        while (at != null && (at.hostPort != hostPort || at.guestPort != guestPort)) at = at.next;
        return at;
    }

    void add(Connection connection) {
        int bucket = bucket(connection.hostPort, connection.guestPort);
        connection.next = buckets[bucket];
        buckets[bucket] = connection;
        count++;
    }

    void remove(Connection connection) {
        int bucket = bucket(connection.hostPort, connection.guestPort);
        if (buckets[bucket] == connection) {
            buckets[bucket] = connection.next;
            count--;
            return;
        }
        for (Connection at = buckets[bucket]; at != null; at = at.next) {
            if (at.next == connection) {
                at.next = connection.next;
                count--;
                return;
            }
        }
    }

    Connection findFirst(Predicate<Connection> condition) {
        for (Connection first : buckets) {
            for (Connection at = first; at != null; at = at.next) if (condition.test(at)) return at;
        }
        return null;
    }

    /** Takes all out, each before it is given to the action. */
    void clear(Consumer<Connection> action) {
        for (int i = 0; i < buckets.length; i++) {
            while (buckets[i] != null) {
                Connection first = buckets[i];
                buckets[i] = first.next;
                count--;
                action.accept(first);
            }
        }
    }
}
