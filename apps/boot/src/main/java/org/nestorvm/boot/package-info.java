/**
 * Guest images and how they are started: kernels of several boot protocols, and what is put into memory before the
 * first instruction.
 */
package org.nestorvm.boot;
