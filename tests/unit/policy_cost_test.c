/* SPDX-License-Identifier: Apache-2.0 */
/* The interval against the closed formulas, and what a checkpoint is expected to cost. */
#include "unit.h"

#include <math.h>

#include "policy/cost.h"
#include "policy/interval.h"

#define DAY 86400.0
#define GIB (1ULL << 30)

static void assert_near(double got, double expected)
{
    if (fabs(got - expected) > 1e-6 * fabs(expected))
        fail_msg("got %.9g, expected %.9g", got, expected);
}

static void young_and_daly_are_their_formulas(void **state)
{
    (void)state;
    static const struct {
        double cost, mtbf, young, daly;
    } table[] = {
        /* worked out from the papers, by another program */
        {1, DAY, 415.692193817, 415.025794442},
        {30, DAY, 2276.83991532, 2256.88383584},
        {600, DAY, 10182.3376491, 9786.26602009},
        {300, 3600, 1469.69384567, 1276.49798384},
        {2, 1, 2, 1},
        {50, 1, 10, 1},
    };
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        assert_near(bv_interval_young(table[i].cost, table[i].mtbf), table[i].young);
        assert_near(bv_interval_daly(table[i].cost, table[i].mtbf), table[i].daly);
    }
}

/* Time lost per second of computation: checkpoints, and what is done again. From Daly's complete model, without
 * restart: M e^(R/M) (e^((T+c)/M) - 1) / T. */
static double loss(double interval, double cost, double mtbf)
{
    return mtbf * expm1((interval + cost) / mtbf) / interval;
}

static void no_other_interval_loses_much_less(void **state)
{
    (void)state;
    static const double costs[] = {0.1, 5, 60, 900, 3600}, mtbfs[] = {3600, DAY, 30 * DAY};
    for (size_t i = 0; i < 5; i++)
        for (size_t j = 0; j < 3; j++) {
            double chosen = loss(bv_interval_daly(costs[i], mtbfs[j]), costs[i], mtbfs[j]);
            for (double t = 1; t < 3 * mtbfs[j]; t *= 1.05)
                assert_true(chosen <= loss(t, costs[i], mtbfs[j]) * 1.005);
        }
}

static void before_the_first_measurement_it_is_a_guess_from_the_memory(void **state)
{
    (void)state;
    struct bv_costs c = {0};
    assert_near(bv_costs_predict(&c, 0), 1);
    assert_near(bv_costs_predict(&c, GIB), 9);
    assert_near(bv_costs_mean(&c, GIB), 9);
}

static void it_grows_with_the_memory(void **state)
{
    (void)state;
    struct bv_costs c = {0};
    bv_costs_add(&c, (struct bv_cost){.frozen_s = 1, .total_s = 10, .memory = GIB});
    assert_near(bv_costs_predict(&c, GIB), 10);
    assert_near(bv_costs_predict(&c, 3 * GIB), 30);
    assert_near(bv_costs_predict(&c, GIB / 100), 5);
    assert_near(bv_costs_predict(&c, 0), 10);
}

static void the_slowest_of_the_recent_ones_counts_and_the_mean_for_the_interval(void **state)
{
    (void)state;
    struct bv_costs c = {0};
    static const double total[] = {100, 1, 2, 8, 5};
    for (size_t i = 0; i < 5; i++) /* the first is forgotten */
        bv_costs_add(&c, (struct bv_cost){.total_s = total[i], .memory = GIB});
    assert_near(bv_costs_predict(&c, GIB), 8);
    assert_near(bv_costs_mean(&c, GIB), 4);
}

static void nonsense_of_a_history_is_left_out(void **state)
{
    (void)state;
    struct bv_costs c = {0};
    bv_costs_add(&c, (struct bv_cost){.total_s = -1});
    bv_costs_add(&c, (struct bv_cost){.total_s = NAN});
    bv_costs_add(&c, (struct bv_cost){.total_s = INFINITY});
    bv_costs_add(&c, (struct bv_cost){.total_s = 1e300});
    assert_int_equal(c.count, 0);
    bv_costs_add(&c, (struct bv_cost){.total_s = 0, .memory = 1});
    assert_true(bv_costs_predict(&c, UINT64_MAX) > 0);
    assert_true(bv_costs_mean(&c, 0) > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(young_and_daly_are_their_formulas),
        cmocka_unit_test(no_other_interval_loses_much_less),
        cmocka_unit_test(before_the_first_measurement_it_is_a_guess_from_the_memory),
        cmocka_unit_test(it_grows_with_the_memory),
        cmocka_unit_test(the_slowest_of_the_recent_ones_counts_and_the_mean_for_the_interval),
        cmocka_unit_test(nonsense_of_a_history_is_left_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
