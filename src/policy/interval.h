/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* How long a job is to compute between two checkpoints, so that the least time is lost: to checkpoints on the one hand,
 * to work that is done again after a failure on the other. `cost` is what a checkpoint costs, `mtbf` the mean time
 * between failures, both in s and > 0; failures come by chance (a Poisson process).
 *
 * J. W. Young, "A first order approximation to the optimum checkpoint interval", Communications of the ACM 17 (9),
 * 1974, pp. 530-531:                      T = sqrt(2 cost mtbf)
 * J. T. Daly, "A higher order estimate of the optimum checkpoint interval for restart dumps", Future Generation
 * Computer Systems 22 (3), 2006, pp. 303-312, equation 37:
 *                                         T = sqrt(2 cost mtbf) (1 + sqrt(x) / 3 + x / 9) - cost, x = cost / (2 mtbf)
 *                                         T = mtbf   for cost >= 2 mtbf */
double bv_interval_young(double cost, double mtbf);
double bv_interval_daly(double cost, double mtbf);
