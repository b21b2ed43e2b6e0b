/** Virtio over PCI: the VM's side of a device. */
module org.nestorvm.virtio.pci {
    requires transitive org.nestorvm.virtio;
    requires transitive org.nestorvm.devices;
    requires org.slf4j;

    exports org.nestorvm.virtio.pci;
}
