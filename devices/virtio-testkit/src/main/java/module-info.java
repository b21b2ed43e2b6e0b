/**
 * The driver's side of virtio, for tests and benchmarks: guest memory, queues as a driver keeps them, and a transport
 * that records.
 */
module org.nestorvm.virtio.testkit {
    requires transitive org.nestorvm.virtio;

    exports org.nestorvm.virtio.testkit;
}
