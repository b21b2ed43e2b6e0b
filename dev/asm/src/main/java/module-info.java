/** A small x86 assembler, for guests that are written in Java. */
module org.nestorvm.asm {
    exports org.nestorvm.asm;
}
