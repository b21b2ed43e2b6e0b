package org.nestorvm.engine.tests;

import java.lang.annotation.ElementType;
import java.lang.annotation.Retention;
import java.lang.annotation.RetentionPolicy;
import java.lang.annotation.Target;
import org.junit.jupiter.api.TestTemplate;
import org.junit.jupiter.api.extension.ExtendWith;

/**
 * A test that runs once on every engine, and on the software processor once for each nested table format. It takes a
 * {@link TestMachine}.
 */
@Target(ElementType.METHOD)
@Retention(RetentionPolicy.RUNTIME)
@TestTemplate
@ExtendWith(EngineTestExtension.class)
public @interface EngineTest {
    /** Virtual CPUs. */
    int vcpus() default 1;

    /** With local APICs. */
    boolean apic() default false;

    /** Time is the count of executed instructions, where the engine can do that. */
    boolean instructionClock() default false;

    /** Only the engine of that name. */
    String only() default "";

    /** Not on KVM, where no hardware is behind it (kvm_pvm): what it cannot do. */
    String notOnPvm() default "";

    /** Not on KVM with AMD's processors: what those do otherwise than Intel's. */
    String notOnAmd() default "";

    /** Not on KVM with SVM that QEMU emulates (scripts/kvm-lab): what that does otherwise than a processor. */
    String notOnTcg() default "";
}
