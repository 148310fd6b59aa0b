/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Named points at which a test stops a process, in order to kill it or one of the others right there.
 *
 * In builds with -Dfault_points=true, and only there: if $BIVOUAC_FAULT_POINT is `name`, the process creates the file
 * $BIVOUAC_FAULT_DIR/reached with its pid, and waits until $BIVOUAC_FAULT_DIR/continue exists (30 s at most).
 * The list of all points is fault_points[] in fault.c; a name that is not in it aborts the process. */
#ifdef BV_FAULT_POINTS
void bv_fault_point(const char *name);
#else
static inline void bv_fault_point(const char *name)
{
    (void)name;
}
#endif
