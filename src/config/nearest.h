/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* How many letters must be added, removed or changed to make `b` of `a`. Of longer texts only the first 63 letters
 * count. */
unsigned bv_distance(const char *a, const char *b);
