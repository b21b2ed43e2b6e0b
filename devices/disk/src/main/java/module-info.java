/** What a guest's disk consists of: raw and qcow2 images. */
module org.nestorvm.disk {
    exports org.nestorvm.disk;

    requires transitive org.nestorvm.memory;
    requires com.github.luben.zstd_jni;
}
