/**
 * Virtio devices and their queues: what a device process consists of. Knows guest memory as ranges of this process's,
 * and no virtual machine.
 */
module org.nestorvm.virtio {
    requires transitive org.nestorvm.memory;
    requires transitive org.nestorvm.disk;
    requires org.slf4j;

    exports org.nestorvm.virtio;
    exports org.nestorvm.virtio.balloon;
    exports org.nestorvm.virtio.blk;
    exports org.nestorvm.virtio.console;
    exports org.nestorvm.virtio.queue;
    exports org.nestorvm.virtio.net;
    exports org.nestorvm.virtio.rng;
    exports org.nestorvm.virtio.scsi;
    exports org.nestorvm.virtio.vsock;
}
