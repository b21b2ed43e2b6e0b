package org.nestorvm.engine.soft.run;

import java.lang.classfile.ClassFile;
import java.lang.classfile.CodeBuilder;
import java.lang.classfile.Label;
import java.lang.constant.ClassDesc;
import java.lang.constant.ConstantDescs;
import java.lang.constant.MethodTypeDesc;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.MethodType;
import org.nestorvm.engine.soft.isa.Reg;
import org.nestorvm.engine.soft.ops.Op;
import org.nestorvm.engine.soft.ops.integer.Branch;
import org.nestorvm.engine.soft.ops.integer.CompareBranch;
import org.nestorvm.engine.soft.state.Cpu;
import org.nestorvm.memory.sys.FaultPoints;

/**
 * Makes a hidden class of a block that has run often: its operations become constants of their exact types, called one
 * after the other, so that HotSpot inlines all of them into one method. State stays exactly where the interpreter keeps
 * it: before an operation that can fault its index is noted, and after one that can end the block early
 * {@link Cpu#limit} is looked at; operations on registers need neither. A block that ends with a branch to its own
 * start loops inside the method.
 *
 * <p>Costs a few tenths of a millisecond a block, and HotSpot's compilation in the background, so that only the hottest
 * are worth it.
 */
final class BlockCompiler {
    /** Runs after which a block is hot; the property is for tests, which compile every block with 1. */
    static final int HOT = Integer.getInteger("nestor.soft.hot", 100_000);

    private static final MethodHandles.Lookup LOOKUP = MethodHandles.lookup();
    private static final ClassDesc SELF = ClassDesc.of(BlockCompiler.class.getPackageName() + ".HotBlock"),
            PARENT = desc(CompiledBlock.class),
            CPU = desc(Cpu.class),
            OP = desc(Op.class),
            OPS = desc(Op[].class);
    private static final MethodTypeDesc RUN = MethodTypeDesc.of(ConstantDescs.CD_int, CPU),
            EXEC = MethodTypeDesc.of(ConstantDescs.CD_void, CPU);
    private static final MethodTypeDesc AGAIN = MethodTypeDesc.of(
            ConstantDescs.CD_boolean, ConstantDescs.CD_long, ConstantDescs.CD_int, ConstantDescs.CD_int);

    private BlockCompiler() {}

    private static ClassDesc desc(Class<?> type) {
        return ClassDesc.ofDescriptor(type.descriptorString());
    }

    /** @throws OutOfMemoryError when the host has no room for one more class */
    static CompiledBlock compile(Block block) {
        FaultPoints.allocation("class of a hot block");
        try {
            MethodHandles.Lookup hidden = LOOKUP.defineHiddenClassWithClassData(bytes(block), block.ops, true);
            return (CompiledBlock) hidden.findConstructor(hidden.lookupClass(), MethodType.methodType(void.class))
                    .invoke();
        } catch (OutOfMemoryError e) {
            throw e;
        } catch (Throwable t) {
            throw new IllegalStateException("a block could not be compiled", t);
        }
    }

    private static byte[] bytes(Block block) {
        Op[] ops = block.ops;
        return ClassFile.of().build(SELF, type -> {
            type.withFlags(ClassFile.ACC_FINAL).withSuperclass(PARENT);
            for (int k = 0; k < ops.length; k++)
                type.withField("op" + k, OP, ClassFile.ACC_PRIVATE | ClassFile.ACC_STATIC | ClassFile.ACC_FINAL);
            type.withMethodBody(
                    ConstantDescs.CLASS_INIT_NAME,
                    ConstantDescs.MTD_void,
                    ClassFile.ACC_STATIC,
                    code -> constants(code, ops));
            type.withMethodBody(
                    ConstantDescs.INIT_NAME,
                    ConstantDescs.MTD_void,
                    0,
                    code -> code.aload(0)
                            .invokespecial(PARENT, ConstantDescs.INIT_NAME, ConstantDescs.MTD_void)
                            .return_());
            type.withMethodBody("run", RUN, 0, code -> run(code, block));
        });
    }

    private static void constants(CodeBuilder code, Op[] ops) {
        ClassDesc handles = desc(MethodHandles.class), lookup = desc(MethodHandles.Lookup.class);
        code.invokestatic(handles, "lookup", MethodTypeDesc.of(lookup))
                .loadConstant(ConstantDescs.DEFAULT_NAME)
                .loadConstant(OPS)
                .invokestatic(
                        handles,
                        "classData",
                        MethodTypeDesc.of(
                                ConstantDescs.CD_Object, lookup, ConstantDescs.CD_String, ConstantDescs.CD_Class))
                .checkcast(OPS)
                .astore(0);
        for (int k = 0; k < ops.length; k++) {
            code.aload(0).loadConstant(k).aaload().putstatic(SELF, "op" + k, OP);
        }
        code.return_();
    }

    /** {@code this} is local 0, the processor 1, the block's address 2. */
    private static void run(CodeBuilder code, Block block) {
        Op[] ops = block.ops;
        code.aload(1)
                .getfield(CPU, "r", desc(long[].class))
                .loadConstant(Reg.RIP)
                .laload()
                .lstore(2);
        Label top = code.newBoundLabel();
        for (int k = 0; k < ops.length; k++) {
            boolean plain = ops[k].registersOnly();
            if (!plain) code.aload(1).loadConstant(k).putfield(CPU, "opIndex", ConstantDescs.CD_int);
            code.getstatic(SELF, "op" + k, OP).aload(1).invokevirtual(OP, "exec", EXEC);
            if (plain || k == ops.length - 1) continue;
            Label on = code.newLabel();
            code.aload(1)
                    .getfield(CPU, "limit", ConstantDescs.CD_int)
                    .ifne(on)
                    .loadConstant(k + 1)
                    .ireturn()
                    .labelBinding(on);
        }
        Op last = ops[ops.length - 1];
        if (last instanceof Branch.Relative || last instanceof CompareBranch)
            code.aload(1)
                    .lload(2)
                    .loadConstant(block.instructions)
                    .loadConstant(block.memoryOperands)
                    .invokevirtual(CPU, "again", AGAIN)
                    .ifne(top);
        code.loadConstant(ops.length).ireturn();
    }
}
