/** Virtio devices in processes of their own: both ends of the vhost-user protocol. */
module org.nestorvm.vhost {
    requires transitive org.nestorvm.virtio;
    requires org.slf4j;

    exports org.nestorvm.vhost;
}
