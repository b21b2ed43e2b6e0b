/** The monitor core: virtual machines, their memory and virtual CPUs, and the interface that engines implement. */
module org.nestorvm.vmm {
    requires transitive org.nestorvm.memory;
    requires transitive org.nestorvm.paging;
    requires org.slf4j;

    exports org.nestorvm.vmm;

    uses org.nestorvm.vmm.Engine;
}
