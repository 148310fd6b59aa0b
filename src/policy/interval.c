/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/interval.h"

#include <math.h>

double bv_interval_young(double cost, double mtbf)
{
    return sqrt(2 * cost * mtbf);
}

double bv_interval_daly(double cost, double mtbf)
{
    double x = cost / (2 * mtbf);
    return x >= 1 ? mtbf : bv_interval_young(cost, mtbf) * (1 + sqrt(x) / 3 + x / 9) - cost;
}
