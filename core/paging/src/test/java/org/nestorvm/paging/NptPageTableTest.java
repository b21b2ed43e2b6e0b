package org.nestorvm.paging;

class NptPageTableTest extends NestedPageTableContract {
    NptPageTableTest() {
        super(EntryFormat.NPT);
    }
}
