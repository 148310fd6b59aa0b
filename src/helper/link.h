/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* bivouac-link(8): the one part of Bivouac that changes the host's network. It links the network namespace of a job to
 * a bridge, for root, or setuid root for those whom a list allows it.
 *
 *   bivouac-link check BRIDGE ADDRESS            may the caller, and is there the bridge?
 *   bivouac-link probe BRIDGE ADDRESS            and is the address free?
 *   bivouac-link make BRIDGE ADDRESS MAC FD      the link, down; the namespace is open as descriptor FD
 *   bivouac-link up FD                           whoever can open the namespace may, and the owner of a process in it
 * can bivouac-link down FD
 *
 * It ends with 0, or says on standard error why not in one sentence and ends with a number of base/error.h.
 * It never enters the namespace: what is in it is for its owner to arrange. */
