/** An x86-64 processor in Java. */
module org.nestorvm.engine.soft {
    requires org.nestorvm.vmm;
}
