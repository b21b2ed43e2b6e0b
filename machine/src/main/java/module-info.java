/** A whole PC, put together. */
module org.nestorvm.machine {
    requires transitive org.nestorvm.vmm;
    uses org.nestorvm.vmm.Engine;
}
