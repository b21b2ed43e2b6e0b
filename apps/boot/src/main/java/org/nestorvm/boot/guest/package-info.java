/**
 * The default guest, made from the host's packages, and the archives it takes: Debian packages in, an initramfs out.
 */
package org.nestorvm.boot.guest;
