package org.nestorvm.paging;

/** Kinds of access and rights, as a bit set. The values are those of EPT entry bits 2:0 (SDM vol. 3C, 29.3.2). */
public final class Access {
    public static final int READ = 1, WRITE = 2, EXECUTE = 4;
    public static final int ALL = READ | WRITE | EXECUTE;

    private Access() {}
}
