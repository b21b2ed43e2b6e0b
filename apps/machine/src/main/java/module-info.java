/** A whole PC, put together. */
module org.nestorvm.machine {
    exports org.nestorvm.machine;

    requires transitive org.nestorvm.vmm;
    requires transitive org.nestorvm.devices;
    requires transitive org.nestorvm.virtio.pci;
    requires org.nestorvm.disk;
    requires org.nestorvm.vhost;
    requires org.nestorvm.isolation;
    requires org.nestorvm.sandbox;
    requires transitive org.nestorvm.boot;
    requires org.slf4j;

    uses org.nestorvm.vmm.Engine;
}
