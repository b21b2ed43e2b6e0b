package org.nestorvm.vmm;

import java.util.List;

/**
 * A machine at one moment, as VMM_IOC_INFO of vmm(4) tells it.
 *
 * @param creatorPid the process that made it
 * @param totalBytes RAM and RESERVED
 * @param residentBytes of these, what holds pages now, whoever touched them: the guest, a device, another process
 * @param enteredBytes what the nested page table maps
 * @param vcpus configured virtual CPUs
 * @param states of those that an engine has made: all or none
 */
public record VmInfo(
        int id,
        String name,
        String owner,
        long creatorPid,
        long totalBytes,
        long residentBytes,
        long enteredBytes,
        int vcpus,
        List<Vcpu.State> states) {}
