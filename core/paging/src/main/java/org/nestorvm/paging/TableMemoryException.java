package org.nestorvm.paging;

import java.io.IOException;
import java.io.UncheckedIOException;

/** The host has no memory for another table page. The page table is as it was before the call. */
public final class TableMemoryException extends UncheckedIOException {
    private static final long serialVersionUID = 1L;

    TableMemoryException(String message, IOException cause) {
        super(message, cause);
    }
}
