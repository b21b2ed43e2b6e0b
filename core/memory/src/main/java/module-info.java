/** Memory objects and their mappings, and the Linux calls that everything else is built on. */
module org.nestorvm.memory {
    exports org.nestorvm.memory;
    exports org.nestorvm.memory.sys;
}
