/** KVM behind the engine interface. */
module org.nestorvm.engine.kvm {
    requires org.nestorvm.vmm;
    requires org.slf4j;

    provides org.nestorvm.vmm.Engine with
            org.nestorvm.engine.kvm.KvmEngine;
}
