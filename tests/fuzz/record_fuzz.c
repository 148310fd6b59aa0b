/* SPDX-License-Identifier: Apache-2.0 */
/* JSON of the store that the job room reads: a job's record, or (first byte odd) the standard files of a manifest. */
#include <stdlib.h>

#include "base/name.h"

/* For parse_end(), which has no business outside its file. */
#include "job/supervisor_io.c" // NOLINT(bugprone-suspicious-include)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void spec(const json_t *record)
{
    autospec struct bv_spec s = {0}, again = {0};
    if (bv_spec_parse(record, &s, NULL) < 0)
        return;
    if (!s.argv[0] || !bv_is_clean_path(s.cwd))
        abort();
    for (size_t i = 0; i < s.bind_count; i++)
        if (!bv_is_clean_path(s.binds[i].host) || !bv_is_clean_path(s.binds[i].job))
            abort();
    autojson json_t *written = bv_spec_record(&s, "j");
    if (bv_spec_parse(written, &again, NULL) < 0 || strcmp(again.cwd, s.cwd) != 0)
        abort();
}

static void stdio(const json_t *list)
{
    for (int i = 0; i < 3; i++) {
        struct restored_end e = {0};
        int rc = parse_end(json_array_get(list, (size_t)i), i, &e, NULL);
        if (rc == 0 && (e.same_as >= i || e.same_as < -1 || e.in_flight_size > IN_FLIGHT_MAX || !e.in_flight))
            abort();
        free(e.in_flight);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    autojson json_t *j = NULL;
    if (size == 0 || bv_json_parse((const char *)data + 1, size - 1, &j, NULL) < 0)
        return 0;
    if (data[0] % 2)
        stdio(j);
    else
        spec(j);
    return 0;
}
