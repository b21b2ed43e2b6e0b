/** Nested page tables in Intel's EPT and AMD's NPT entry formats. */
module org.nestorvm.paging {
    requires transitive org.nestorvm.memory;

    exports org.nestorvm.paging;
}
