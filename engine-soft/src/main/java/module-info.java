/** An x86-64 processor in Java. */
module org.nestorvm.engine.soft {
    requires transitive org.nestorvm.vmm;
    exports org.nestorvm.engine.soft;
    provides org.nestorvm.vmm.Engine with org.nestorvm.engine.soft.SoftEngine;
}
