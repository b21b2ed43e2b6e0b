package org.nestorvm.paging;

/** SKELETON. */
public final class EptFormat extends EntryFormat {
    @Override
    public long faultInfo(NestedWalk walk, int access, boolean guestLinearValid, boolean finalTranslation, boolean userAccess) {
        throw new UnsupportedOperationException();
    }
}
