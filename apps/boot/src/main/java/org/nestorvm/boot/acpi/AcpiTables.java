package org.nestorvm.boot.acpi;

import org.nestorvm.boot.Bytes;

/**
 * Builds the tables of ACPI 6.5, chapter 5: RSDP, XSDT, FADT, FACS, DSDT, MADT, and HPET and MCFG where the machine has
 * them. All of them are one run of bytes for one address; the RSDP is its first byte, on a 16-byte border below 1 MiB
 * where a search finds it too.
 */
public final class AcpiTables {
    /** More than any number of processors of ours needs; the machine keeps this much room. */
    public static final int MAX_BYTES = 0x10000;

    private static final String OEM = "NESTOR";
    private static final int HEADER = 36, RSDP_SIZE = 36;
    /** FADT, "Fixed Feature Flags" (table 5.10). */
    private static final int WBINVD = 1,
            PROC_C1 = 1 << 2,
            PWR_BUTTON_ABSENT = 1 << 4,
            SLP_BUTTON_ABSENT = 1 << 5,
            FIX_RTC_ABSENT = 1 << 6,
            TMR_VAL_EXT = 1 << 8,
            RESET_REG_SUP = 1 << 10;
    /** FADT, "IA-PC Boot Architecture Flags" (table 5.11). */
    private static final int LEGACY_DEVICES = 1, HAS_8042 = 1 << 1, VGA_ABSENT = 1 << 2;

    private static final int MADT_PCAT_COMPAT = 1;
    /** MPS INTI flags: polarity active high, trigger level (5.2.12.5). */
    private static final int ACTIVE_HIGH_LEVEL = 0x0d;

    private static final int SYSTEM_IO = 1, SYSTEM_MEMORY = 0;

    private final AcpiPlatform platform;
    private final long gpa;
    private final Bytes out = new Bytes();

    private AcpiTables(AcpiPlatform platform, long gpa) {
        this.platform = platform;
        this.gpa = gpa;
    }

    /** @param gpa where the bytes will lie, 64-byte aligned and below 4 GiB; also the address of the RSDP */
    public static byte[] build(AcpiPlatform platform, long gpa) {
        if (gpa % 64 != 0 || gpa >>> 32 != 0)
            throw new IllegalArgumentException(
                    "address of ACPI tables must be 64-byte aligned and below 4 GiB: 0x" + Long.toHexString(gpa));
        return new AcpiTables(platform, gpa).build();
    }

    /** The root pointer comes first and is written last, when it is known where the XSDT lies. */
    private byte[] build() {
        out.zeros(RSDP_SIZE);
        long facs = put(facs());
        long dsdt = put(table("DSDT", 2, Dsdt.body(platform)));
        Bytes entries = new Bytes();
        entries.u64(put(table("FACP", 6, fadt(facs, dsdt))));
        entries.u64(put(table("APIC", 4, madt())));
        if (platform.hpet() != 0) entries.u64(put(table("HPET", 1, hpet())));
        if (platform.ecam() != 0) entries.u64(put(table("MCFG", 1, mcfg())));
        long xsdt = put(table("XSDT", 1, entries.toArray()));
        byte[] all = out.toArray();
        if (all.length > MAX_BYTES)
            throw new IllegalStateException("ACPI tables exceed their room: bytes=" + all.length + " max=" + MAX_BYTES);
        System.arraycopy(rsdp(xsdt), 0, all, 0, RSDP_SIZE);
        return all;
    }

    private long put(byte[] table) {
        out.align(64); // the FACS needs it
        long at = gpa + out.size();
        out.raw(table);
        return at;
    }

    private static byte[] rsdp(long xsdt) {
        byte[] rsdp = new Bytes()
                .text("RSD PTR ", 8, ' ')
                .u8(0)
                .text(OEM, 6, ' ')
                .u8(2)
                .u32(0)
                .u32(RSDP_SIZE)
                .u64(xsdt)
                .u8(0)
                .zeros(3)
                .toArray();
        setChecksum(rsdp, 8, 20); // of the first 20 bytes, as ACPI 1.0 has it
        setChecksum(rsdp, 32, RSDP_SIZE);
        return rsdp;
    }

    private static byte[] table(String signature, int revision, byte[] body) {
        Bytes table = new Bytes()
                .text(signature, 4, ' ')
                .u32(HEADER + body.length)
                .u8(revision)
                .u8(0);
        table.text(OEM, 6, ' ')
                .text("NESTORVM", 8, ' ')
                .u32(1)
                .text("NSTR", 4, ' ')
                .u32(1)
                .raw(body);
        byte[] bytes = table.toArray();
        setChecksum(bytes, 9, bytes.length);
        return bytes;
    }

    private static void setChecksum(byte[] table, int at, int length) {
        int sum = 0;
        for (int i = 0; i < length; i++) sum += table[i];
        table[at] -= (byte) sum;
    }

    private static byte[] facs() {
        return new Bytes()
                .text("FACS", 4, ' ')
                .u32(64)
                .zeros(24)
                .u8(2)
                .zeros(31)
                .toArray();
    }

    /** Version 6.5. SMI_CMD is 0: the machine is always in ACPI mode. */
    private byte[] fadt(long facs, long dsdt) {
        int event = platform.pmPort(), control = platform.pmPort() + 4, timer = platform.pmPort() + 8;
        Bytes t = new Bytes();
        t.u32(facs).u32(dsdt).u8(0).u8(0).u16(platform.sciIrq()); // model, preferred profile unspecified
        t.u32(0).u8(0).u8(0).u8(0).u8(0); // SMI_CMD, ACPI_ENABLE, ACPI_DISABLE, S4BIOS_REQ, PSTATE_CNT
        t.u32(event).u32(0).u32(control).u32(0).u32(0).u32(timer).u32(0).u32(0);
        t.u8(4)
                .u8(2)
                .u8(0)
                .u8(4)
                .u8(0)
                .u8(0)
                .u8(0)
                .u8(0); // lengths of event, control, PM2, timer, GPE0, GPE1; GPE1 base; CST_CNT
        t.u16(0xffff).u16(0xffff).u16(0).u16(0).u8(0).u8(0).u8(0).u8(0).u8(0x32); // no C2, no C3; century is CMOS 32h
        t.u16(LEGACY_DEVICES | VGA_ABSENT | (platform.i8042() ? HAS_8042 : 0)).u8(0);
        t.u32(WBINVD
                | PROC_C1
                | (platform.powerButton() ? 0 : PWR_BUTTON_ABSENT)
                | SLP_BUTTON_ABSENT
                | FIX_RTC_ABSENT
                | (platform.pmTimerBits() == 32 ? TMR_VAL_EXT : 0)
                | RESET_REG_SUP);
        address(t, SYSTEM_IO, 8, platform.resetPort())
                .u8(platform.resetValue())
                .u16(0)
                .u8(5);
        t.u64(facs).u64(dsdt);
        address(t, SYSTEM_IO, 32, event);
        none(t);
        address(t, SYSTEM_IO, 16, control);
        none(t);
        none(t);
        address(t, SYSTEM_IO, 32, timer);
        none(t);
        none(t);
        none(t); // sleep control and status: for hardware-reduced machines
        none(t);
        return t.u64(0).toArray(); // hypervisor vendor identity
    }

    /** Generic Address Structure (5.2.3.2). */
    private static Bytes address(Bytes table, int space, int bits, long address) {
        return table.u8(space)
                .u8(bits)
                .u8(0)
                .u8(bits == 8 ? 1 : bits == 16 ? 2 : bits == 32 ? 3 : 4)
                .u64(address);
    }

    private static void none(Bytes table) {
        table.zeros(12);
    }

    private byte[] madt() {
        Bytes t = new Bytes().u32(platform.localApic()).u32(MADT_PCAT_COMPAT);
        for (int cpu = 0; cpu < platform.cpus(); cpu++) {
            if (cpu < 255) t.u8(0).u8(8).u8(cpu).u8(cpu).u32(1); // local APIC: UID, id, enabled
            else t.u8(9).u8(16).u16(0).u32(cpu).u32(1).u32(cpu); // local x2APIC
        }
        t.u8(1).u8(12).u8(platform.cpus()).u8(0).u32(platform.ioApic()).u32(0);
        t.u8(2).u8(10).u8(0).u8(0).u32(2).u16(0); // ISA interrupt 0, the PIT's, is on pin 2
        t.u8(2).u8(10).u8(0).u8(platform.sciIrq()).u32(platform.sciIrq()).u16(ACTIVE_HIGH_LEVEL);
        t.u8(4).u8(6).u8(0xff).u16(0).u8(1); // NMI is LINT1 of every processor
        return t.toArray();
    }

    /** IA-PC HPET Specification 1.0a, 3.2.4: three comparators, 64 bits, legacy replacement. */
    private byte[] hpet() {
        Bytes t = new Bytes().u32(0x8086a201L);
        address(t, SYSTEM_MEMORY, 64, platform.hpet());
        return t.u8(0).u16(0x80).u8(0).toArray();
    }

    /** PCI Firmware Specification 3.3, 4.1.2. */
    private byte[] mcfg() {
        return new Bytes()
                .u64(0)
                .u64(platform.ecam())
                .u16(0)
                .u8(0)
                .u8(platform.ecamBuses() - 1)
                .u32(0)
                .toArray();
    }
}
