package org.nestorvm.virtio.testkit;

/**
 * A chain that the device has given back. @param id what {@link DriverQueue#offer} answered @param written the length
 * that the device said
 */
public record Used(int id, long written) {}
