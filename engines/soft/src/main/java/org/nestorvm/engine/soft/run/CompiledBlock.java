package org.nestorvm.engine.soft.run;

import org.nestorvm.engine.soft.state.Cpu;

/** A hot block as a class of its own: see {@link BlockCompiler}. */
abstract class CompiledBlock {
    /**
     * Runs the block, again and again while it branches to its own start and nothing asks for attention.
     *
     * @return operations of the last run that were executed; what earlier runs retired is counted already
     */
    abstract int run(Cpu c);
}
