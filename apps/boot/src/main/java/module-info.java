/** Guest images: Linux bzImage, ELF with PVH, multiboot; ACPI tables; the default guest. */
module org.nestorvm.boot {
    exports org.nestorvm.boot;
    exports org.nestorvm.boot.acpi;
    exports org.nestorvm.boot.guest;

    requires transitive org.nestorvm.vmm;
    requires org.apache.commons.compress;
    requires org.tukaani.xz;
    requires org.lz4.java;
    requires com.github.luben.zstd_jni;
}
