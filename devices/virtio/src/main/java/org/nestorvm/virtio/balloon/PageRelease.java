package org.nestorvm.virtio.balloon;

import java.io.IOException;

/** Takes memory that a guest does not need: the machine's side of a balloon. */
@FunctionalInterface
public interface PageRelease {
    /**
     * Gives pages back to the host; when the guest touches them again they read zero. All of the range is memory, in
     * one region, and in units of 4 KiB: of larger pages of the host only whole ones go. Called on the device's thread
     * while processors run, perhaps again for pages that are gone already.
     *
     * @throws IOException when the host refuses; the pages stay
     */
    void release(long gpa, long sizeBytes) throws IOException;
}
