/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/error.h"

/* What every unit test needs. */

/* Assertions that show the error's text. `call` names its error object &err. */
#define assert_ok(call)                                                                                                \
    do {                                                                                                               \
        struct bv_error err = {0};                                                                                     \
        if ((call) < 0)                                                                                                \
            fail_msg("%s: %s", #call, err.text);                                                                       \
    } while (0)

#define assert_fails(expected, call) assert_fails_saying(expected, "", call)

/* It fails with this code, and `words` are in the text. */
#define assert_fails_saying(expected, words, call)                                                                     \
    do {                                                                                                               \
        struct bv_error err = {0};                                                                                     \
        assert_int_equal((call), -1);                                                                                  \
        if (err.code != (expected))                                                                                    \
            fail_msg("%s: %s, not %s: %s", #call, bv_code_name(err.code), bv_code_name(expected), err.text);           \
        assert_string_not_equal(err.text, "");                                                                         \
        if (!strstr(err.text, words))                                                                                  \
            fail_msg("%s: \"%s\" does not say \"%s\"", #call, err.text, words);                                        \
    } while (0)
