/** The chips of a PC. One file a device. */
module org.nestorvm.devices {
    requires transitive org.nestorvm.vmm;

    exports org.nestorvm.devices;
}
