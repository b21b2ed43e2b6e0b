/**
 * Devices in processes of their own: starting them from the machine's process, and what runs in them. Whatever this
 * module reads is in every device process; it does not read the monitor.
 */
module org.nestorvm.isolation {
    requires transitive org.nestorvm.virtio;
    requires org.nestorvm.vhost;
    requires org.nestorvm.sandbox;
    requires org.slf4j;

    exports org.nestorvm.isolation;
    exports org.nestorvm.isolation.log to
            org.slf4j;
}
