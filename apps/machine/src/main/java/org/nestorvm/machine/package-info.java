/** A whole PC: memory map, buses, devices, boot. */
package org.nestorvm.machine;
