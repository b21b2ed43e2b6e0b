/** How a process gives up, for ever, every right that it does not need. */
module org.nestorvm.sandbox {
    requires transitive org.nestorvm.memory;

    exports org.nestorvm.sandbox;
}
