package org.nestorvm.virtio.testkit;

/** One buffer of a chain that a driver offers. */
public record Buffer(long gpa, int sizeBytes, boolean deviceWrites) {}
