/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* bivouac-link(8): the one part of Bivouac that changes the host's network. It links the network namespace of a job to
 * a bridge, for root, or setuid root for those whom a list allows it.
 *
 *   check BRIDGE ADDRESS           may the caller, and is there the bridge?
 *   probe BRIDGE ADDRESS           and is the address free?
 *   make BRIDGE ADDRESS MAC FD     the link, down; the namespace is open as descriptor FD
 *   up FD, down FD, remove FD      for whoever owns the namespace, and can open it
 *
 * It ends with 0, or says on standard error why not in one sentence and ends with a number of base/error.h.
 * It never enters the namespace: what is in it is for its owner to arrange. */
