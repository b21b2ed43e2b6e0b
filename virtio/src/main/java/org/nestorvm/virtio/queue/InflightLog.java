package org.nestorvm.virtio.queue;

/** Where a device process writes down which requests are under way, so that one that comes after it finishes them: vhost-user's in-flight tracking. */
public interface InflightLog {
    void taken(int id);

    /** The request is about to be visible to the driver as used. */
    void completing(int id);

    void completed(int id);
}
