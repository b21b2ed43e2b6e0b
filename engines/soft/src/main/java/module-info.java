/** An x86-64 processor in Java. Nothing is exported: the engine is found by ServiceLoader. */
module org.nestorvm.engine.soft {
    requires transitive org.nestorvm.vmm;

    provides org.nestorvm.vmm.Engine with
            org.nestorvm.engine.soft.SoftEngine;
}
