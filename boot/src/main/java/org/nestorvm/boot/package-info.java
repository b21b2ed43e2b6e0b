/** Guest images and what a loader leaves in guest memory for them. */
package org.nestorvm.boot;
