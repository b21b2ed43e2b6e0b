package org.nestorvm.engine.soft.ops.system;

import org.nestorvm.engine.soft.isa.Insn;
import org.nestorvm.engine.soft.isa.Reg;
import org.nestorvm.engine.soft.ops.MemOp;
import org.nestorvm.engine.soft.ops.Op;
import org.nestorvm.engine.soft.ops.RmOp;
import org.nestorvm.engine.soft.state.Cpu;
import org.nestorvm.engine.soft.state.Debug;
import org.nestorvm.engine.soft.state.Flags;
import org.nestorvm.engine.soft.state.GuestFault;
import org.nestorvm.engine.soft.state.Segments;
import org.nestorvm.engine.soft.state.Stack;

/**
 * Segment registers, descriptor tables, control registers, privilege transitions, time and identification. Ports are in
 * {@link Ports}.
 */
public final class SystemOps {
    private SystemOps() {}

    private interface Meaning {
        void exec(Cpu c);
    }

    /** An instruction without operands that is followed by the next one. */
    private static Op simple(Insn i, Meaning meaning) {
        return new Op(i) {
            @Override
            public void exec(Cpu c) {
                meaning.exec(c);
            }
        };
    }

    /** An instruction that sets the instruction pointer; the meaning gets the offset of the next instruction. */
    private interface Transfer {
        void exec(Cpu c, long next);
    }

    private static Op transfer(Insn i, Transfer transfer) {
        return new Op(i) {
            @Override
            public void exec(Cpu c) {
                transfer.exec(c, c.r[Reg.RIP] + end & c.ipMask);
            }

            @Override
            public boolean setsIp() {
                return true;
            }
        };
    }

    private static void privileged(Cpu c) {
        if (c.cpl != 0) throw c.gp(0);
    }

    private static void protectedOnly(Cpu c) {
        if (!c.protectedMode() || c.virtual8086()) throw c.ud();
    }

    private static void noUmip(Cpu c) {
        if (c.cpl != 0 && (c.cr4 & Cpu.CR4_UMIP) != 0) throw c.gp(0);
    }

    public static Op make(Insn i) {
        int size = i.opSize;
        String name = i.row.mnemonic;
        return switch (name) {
            case "IN", "OUT", "INS", "OUTS" -> Ports.make(i);
            case "PUSHS", "POPS", "MOVS2R", "MOVR2S", "LES", "LDS", "LSS", "LFS", "LGS" -> segment(i);
            case "CALLF", "JMPF", "CALLFI", "JMPFI" -> far(i);
            case "SLDT",
                    "STR",
                    "LLDT",
                    "LTR",
                    "VERR",
                    "VERW",
                    "LAR",
                    "LSL",
                    "SGDT",
                    "SIDT",
                    "LGDT",
                    "LIDT",
                    "SMSW",
                    "LMSW",
                    "ARPL",
                    "BOUND" -> Descriptors.make(i);
            case "MOVFCR", "MOVTCR", "MOVFDR", "MOVTDR" -> control(i);
            case "RDFSBASE", "RDGSBASE", "WRFSBASE", "WRGSBASE" -> base(i);
            case "RETF" -> {
                int release = (int) i.imm & 0xffff;
                yield transfer(i, (c, next) -> Far.ret(c, size, release));
            }
            case "IRET" -> transfer(i, (c, next) -> Far.iret(c, size, next));
            case "INT" -> {
                int vector = (int) i.imm & 0xff;
                yield transfer(i, (c, next) -> softwareInterrupt(c, vector, next, true));
            }
            case "INT3" -> transfer(i, (c, next) -> softwareInterrupt(c, GuestFault.BP, next, false));
            case "INT1" ->
                transfer(i, (c, next) -> {
                    Interrupts.enter(c, GuestFault.DB, -1, Interrupts.EXCEPTION, next);
                    c.stepping = false;
                });
            case "INTO" ->
                transfer(i, (c, next) -> {
                    if (Flags.overflow(c)) softwareInterrupt(c, GuestFault.OF, next, false);
                    else c.r[Reg.RIP] = next;
                });
            case "CLI" ->
                simple(i, c -> {
                    if (c.protectedMode() && c.cpl > c.iopl()) throw c.gp(0);
                    c.rflags &= ~Cpu.IF;
                });
            case "STI" -> simple(i, SystemOps::sti);
            case "HLT" ->
                simple(i, c -> {
                    privileged(c);
                    c.halted = true;
                    c.attend();
                });
            case "FWAIT" ->
                simple(i, c -> {
                    if ((c.cr0 & (Cpu.CR0_MP | Cpu.CR0_TS)) == (Cpu.CR0_MP | Cpu.CR0_TS)) throw c.nm();
                    if ((c.fpStatus & 0x80) != 0) throw c.raise(GuestFault.MF, -1);
                });
            case "SYSCALL" -> transfer(i, Syscalls::syscall);
            case "SYSRET" -> transfer(i, (c, next) -> Syscalls.sysret(c, size));
            case "SYSENTER" -> transfer(i, (c, next) -> Syscalls.sysenter(c));
            case "SYSEXIT" -> transfer(i, (c, next) -> Syscalls.sysexit(c, size));
            case "SWAPGS" ->
                simple(i, c -> {
                    privileged(c);
                    long base = c.segBase[Reg.GS];
                    c.segBase[Reg.GS] = c.kernelGsBase;
                    c.kernelGsBase = base;
                });
            case "CLTS" ->
                simple(i, c -> {
                    privileged(c);
                    c.cr0 &= ~Cpu.CR0_TS;
                    c.updateFpuAccess();
                });
            case "CLAC", "STAC" ->
                simple(i, c -> {
                    if (c.cpl != 0) throw c.ud();
                    c.rflags = name.equals("STAC") ? c.rflags | Cpu.AC : c.rflags & ~Cpu.AC;
                    c.mmu.selectTags();
                });
            case "INVD", "WBINVD" -> simple(i, SystemOps::privileged);
            case "INVLPG" ->
                new MemOp(i) {
                    @Override
                    public void exec(Cpu c) {
                        privileged(c);
                        c.mmu.flushPage(flat ? offset(c) + c.segBase[seg] : offset(c) + c.segBase[seg] & 0xffffffffL);
                    }
                };
            case "INVPCID" -> invpcid(i);
            case "RDTSC" ->
                simple(i, c -> {
                    timeAllowed(c);
                    setEdxEax(c, c.vcpu.tsc());
                });
            case "RDTSCP" ->
                simple(i, c -> {
                    timeAllowed(c);
                    setEdxEax(c, c.vcpu.tsc());
                    c.r[Reg.RCX] = c.tscAux & 0xffffffffL;
                });
            case "RDPMC" ->
                simple(i, c -> {
                    throw c.gp(0); // CPUID offers no counters
                });
            case "RDMSR" ->
                simple(i, c -> {
                    privileged(c);
                    setEdxEax(c, Msrs.read(c, (int) c.r[Reg.RCX]));
                });
            case "WRMSR" ->
                simple(i, c -> {
                    privileged(c);
                    Msrs.write(c, (int) c.r[Reg.RCX], c.r[Reg.RDX] << 32 | c.r[Reg.RAX] & 0xffffffffL);
                });
            case "CPUID" -> simple(i, Cpuid::exec);
            case "RDRAND", "RDSEED" -> i.rep != 0 ? null : random(i);
            case "RDPID" -> processorId(i);
            case "VMCALL" -> simple(i, Hypercalls::call);
            case "MONITOR", "MWAIT", "RSM", "UD2" ->
                simple(i, c -> {
                    throw c.ud();
                });
            default -> throw new IllegalStateException("no meaning for " + i.row);
        };
    }

    private static void timeAllowed(Cpu c) {
        if ((c.cr4 & Cpu.CR4_TSD) != 0 && c.cpl != 0) throw c.gp(0);
    }

    static void setEdxEax(Cpu c, long v) {
        c.r[Reg.RAX] = v & 0xffffffffL;
        c.r[Reg.RDX] = v >>> 32;
    }

    private static void sti(Cpu c) {
        if (c.protectedMode() && c.cpl > c.iopl()) throw c.gp(0);
        if ((c.rflags & Cpu.IF) != 0) return;
        c.rflags |= Cpu.IF;
        c.stiShadow = true;
        c.attend();
    }

    /** INT n, INT3, INTO: a fault in delivery is pushed with the address of the instruction itself. */
    private static void softwareInterrupt(Cpu c, int vector, long next, boolean intN) {
        if (intN && c.virtual8086() && c.iopl() < 3) throw c.gp(0);
        Interrupts.enter(c, vector, -1, Interrupts.SOFTWARE, next);
        c.stepping = false;
    }

    // ---- segment registers ----

    private static int segmentOf(String operand) {
        return switch (operand) {
            case "ES" -> Reg.ES;
            case "CS" -> Reg.CS;
            case "SS" -> Reg.SS;
            case "DS" -> Reg.DS;
            case "FS" -> Reg.FS;
            default -> Reg.GS;
        };
    }

    /** MOV and POP; LSS has no shadow. */
    private static void load(Cpu c, int seg, int selector) {
        Segments.load(c, seg, selector);
        if (seg == Reg.SS) {
            c.movSsShadow = true;
            c.attend();
        }
    }

    private static Op segment(Insn i) {
        int size = i.opSize;
        return switch (i.row.mnemonic) {
            case "PUSHS" -> {
                int seg = segmentOf(i.row.operands[0]);
                yield simple(i, c -> {
                    long sp = c.r[Reg.RSP] - size & c.spMask; // the upper half of the slot stays as it is
                    long at = Stack.address(c, sp, size, true);
                    if (size == 8) c.store64(at, c.selector[seg]);
                    else c.store16(at, c.selector[seg]);
                    Stack.setSp(c, sp);
                });
            }
            case "POPS" -> {
                int seg = segmentOf(i.row.operands[0]);
                yield simple(i, c -> {
                    int selector = (int) Stack.peek(c, 0, 2);
                    long sp = c.r[Reg.RSP] + size;
                    load(c, seg, selector);
                    Stack.setSp(c, sp);
                });
            }
            case "MOVS2R" -> {
                int sreg = i.reg & 7; // REX.R does not count: SDM vol. 2A, 2.2.1.2
                if (sreg > Reg.GS) yield null;
                yield new RmOp(i, i.isReg() ? i.opSize : 2) {
                    @Override
                    public void exec(Cpu c) {
                        setRm(c, c.selector[sreg]);
                    }
                };
            }
            case "MOVR2S" -> {
                int sreg = i.reg & 7;
                if (sreg > Reg.GS || sreg == Reg.CS) yield null;
                yield new RmOp(i, 2) {
                    @Override
                    public void exec(Cpu c) {
                        load(c, sreg, (int) getRm(c) & 0xffff);
                    }
                };
            }
            default -> {
                int target = switch (i.row.mnemonic) {
                    case "LES" -> Reg.ES;
                    case "LDS" -> Reg.DS;
                    case "LSS" -> Reg.SS;
                    case "LFS" -> Reg.FS;
                    default -> Reg.GS;
                };
                yield new RmOp(i, i.opSize) {
                    @Override
                    public void exec(Cpu c) {
                        long offset = c.load(read(c, size), size);
                        int selector = c.load16(readAt(c, offset(c) + size, 2));
                        Segments.load(c, target, selector);
                        set(c, reg, size, false, offset);
                    }
                };
            }
        };
    }

    private static Op far(Insn i) {
        int size = i.opSize;
        boolean call = i.row.mnemonic.startsWith("CALL");
        if (i.row.operands[0].equals("Ap")) {
            int selector = (int) i.imm2;
            long offset = size == 2 ? i.imm & 0xffff : i.imm & 0xffffffffL;
            return transfer(i, (c, next) -> {
                if (call) Far.call(c, selector, offset, size, next);
                else Far.jump(c, selector, offset, size, next);
            });
        }
        return new RmOp(i, size) {
            @Override
            public void exec(Cpu c) {
                long next = c.r[Reg.RIP] + end & c.ipMask;
                long offset = c.load(read(c, size), size);
                int selector = c.load16(readAt(c, offset(c) + size, 2));
                if (call) Far.call(c, selector, offset, size, next);
                else Far.jump(c, selector, offset, size, next);
            }

            @Override
            public boolean setsIp() {
                return true;
            }
        };
    }

    // ---- control and debug registers, FS and GS base ----

    private static Op control(Insn i) {
        int reg = i.reg, rm = i.rm;
        boolean wide = i.code64();
        return switch (i.row.mnemonic) {
            case "MOVFCR" ->
                reg != 0 && reg != 2 && reg != 3 && reg != 4 && reg != 8
                        ? null
                        : simple(i, c -> {
                            privileged(c);
                            long v = switch (reg) {
                                case 0 -> c.cr0;
                                case 2 -> c.cr2;
                                case 3 -> c.cr3;
                                case 4 -> c.cr4;
                                default -> Control.readCr8(c);
                            };
                            c.r[rm] = wide ? v : v & 0xffffffffL;
                        });
            case "MOVTCR" ->
                reg != 0 && reg != 2 && reg != 3 && reg != 4 && reg != 8
                        ? null
                        : simple(i, c -> {
                            privileged(c);
                            long v = wide ? c.r[rm] : c.r[rm] & 0xffffffffL;
                            switch (reg) {
                                case 0 -> Control.writeCr0(c, v);
                                case 2 -> c.cr2 = v;
                                case 3 -> Control.writeCr3(c, v);
                                case 4 -> Control.writeCr4(c, v);
                                default -> Control.writeCr8(c, v);
                            }
                        });
            case "MOVFDR" ->
                reg > 7
                        ? null
                        : simple(i, c -> {
                            privileged(c);
                            long v = Debug.read(c, reg);
                            c.r[rm] = wide ? v : v & 0xffffffffL;
                        });
            default ->
                reg > 7
                        ? null
                        : simple(i, c -> {
                            privileged(c);
                            Debug.write(c, reg, wide ? c.r[rm] : c.r[rm] & 0xffffffffL);
                        });
        };
    }

    private static Op base(Insn i) {
        int reg = i.rm, size = i.opSize == 8 ? 8 : 4;
        int seg = i.row.mnemonic.charAt(2) == 'F' ? Reg.FS : Reg.GS;
        boolean write = i.row.mnemonic.charAt(0) == 'W';
        return simple(i, c -> {
            if ((c.cr4 & Cpu.CR4_FSGSBASE) == 0) throw c.ud();
            if (!write) {
                RmOp.set(c, reg, size, false, c.segBase[seg]);
                return;
            }
            long v = size == 8 ? c.r[reg] : c.r[reg] & 0xffffffffL;
            if (!Segments.canonical(v)) throw c.gp(0);
            c.segBase[seg] = v;
        });
    }

    private static Op invpcid(Insn i) {
        return new RmOp(i, i.code64() ? 8 : 4) {
            @Override
            public void exec(Cpu c) {
                privileged(c);
                long at = read(c, 16);
                long descriptor = c.load64(at), linear = c.load64(at + 8);
                long type = c.r[reg];
                boolean bad = Long.compareUnsigned(type, 3) > 0
                        || type <= 1 && (descriptor & ~0xfffL) != 0
                        || type == 0 && !Segments.canonical(linear)
                        || type <= 1 && (descriptor & 0xfff) != 0 && (c.cr4 & Cpu.CR4_PCIDE) == 0;
                if (bad) throw c.gp(0);
                if (type == 0) c.mmu.flushPage(linear);
                else if (type == 2) c.mmu.flushAll();
                else c.mmu.flushNonGlobal();
            }
        };
    }

    private static Op random(Insn i) {
        int reg = i.rm, size = i.opSize;
        return simple(i, c -> {
            RmOp.set(c, reg, size, false, c.vcpu.random());
            Flags.set(c, Cpu.CF);
        });
    }

    private static Op processorId(Insn i) {
        int reg = i.rm;
        return simple(i, c -> c.r[reg] = c.tscAux & 0xffffffffL);
    }

    /** SMSW, SGDT and their like outside privilege 0. */
    static void checkUmip(Cpu c) {
        noUmip(c);
    }

    static void checkProtected(Cpu c) {
        protectedOnly(c);
    }

    static void checkPrivileged(Cpu c) {
        privileged(c);
    }
}
