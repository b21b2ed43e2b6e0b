package org.nestorvm.engine.tests;

/** Task-state segments of 32-bit tasks (SDM vol. 3A, 8.2.1). */
final class TaskTables {
    /** Room for two more of them. */
    static final long SECOND = 0xb000, HANDLER = 0xb800;

    static final int HANDLER_TASK = Layout.FREE_SELECTOR + 0x80;

    private TaskTables() {}

    /** A task that begins at {@code eip}, on a stack of its own, at privilege level 0. */
    static void task(TestMachine vm, int selector, long at, long eip, int stackSelector) {
        vm.descriptors.gdt(selector, Descriptors.segment(at, 0x67, Descriptors.TSS32, 0));
        for (int i = 0; i < 0x68; i += 4) vm.memory.putInt(at + i, 0);
        vm.memory.putInt(at + 28, (int) vm.cpu.cr3);
        vm.memory.putInt(at + 32, (int) eip);
        vm.memory.putInt(at + 36, 2);
        vm.memory.putInt(at + 56, (int) Layout.STACK_IST);
        int[] segments = {
            Layout.KERNEL_DS, Layout.KERNEL_CS32, stackSelector, Layout.KERNEL_DS, Layout.KERNEL_DS, Layout.KERNEL_DS
        };
        for (int i = 0; i < 6; i++) vm.memory.putInt(at + 72 + 4 * i, segments[i]);
        vm.memory.putInt(at + 100, 0x68 << 16);
    }

    /**
     * A task at {@link #HANDLER_TASK} that halts as the handler of {@code vector}: for exceptions that the old stack
     * cannot take.
     */
    static void handlerTask(TestMachine vm, int vector) {
        task(vm, HANDLER_TASK, HANDLER, Layout.HANDLERS + vector, Layout.KERNEL_DS);
    }
}
