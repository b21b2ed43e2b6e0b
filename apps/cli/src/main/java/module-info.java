/** The {@code nestor} command. */
module org.nestorvm.cli {
    requires org.nestorvm.boot;
    requires org.nestorvm.disk;
    requires org.nestorvm.memory;
    requires org.nestorvm.machine;
    requires org.nestorvm.virtio;
    requires org.nestorvm.isolation;
    requires info.picocli;
    requires jdk.unsupported;
    requires org.slf4j;
    requires ch.qos.logback.classic;
    requires ch.qos.logback.core;

    opens org.nestorvm.cli to
            info.picocli;

    exports org.nestorvm.cli to
            ch.qos.logback.classic;

    provides ch.qos.logback.classic.spi.Configurator with
            org.nestorvm.cli.LogSetup;

    uses org.nestorvm.vmm.Engine;
}
