package org.nestorvm.paging;

class EptPageTableTest extends NestedPageTableContract {
    EptPageTableTest() {
        super(EntryFormat.EPT);
    }
}
