/** The ACPI tables of a machine, and the few AML objects they need. */
package org.nestorvm.boot.acpi;
