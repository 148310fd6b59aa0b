# SPDX-License-Identifier: Apache-2.0
# Judges one TAP log. Variables: name, status (exit status of the test), limit (seconds).
# Prints lines for people, "tail" when the end of the log may explain more, and last
# "tally PASSED FAILED SKIPPED".

function fail(text)
{
    failed++
    printf "FAIL  %s: %s\n", name, text
    quote = 40
}

/^[[:space:]]*1\.\.[0-9]+/ {
    plans++
    sub(/^[[:space:]]*1\.\./, "")
    planned += $0 + 0
    if ($0 + 0 == 0) {
        skipped++
        reason = $0
        sub(/^0[[:space:]]*#?[[:space:]]*([Ss][Kk][Ii][Pp][^ ]*)?[[:space:]]*/, "", reason)
        printf "skip  %s: %s\n", name, reason
        whole = 1
    }
    next
}

/^(not )?ok([[:space:]]|$)/ {
    seen++
    quote = 0
    text = $0
    sub(/^(not )?ok[[:space:]]*[0-9]*[[:space:]]*(- )?/, "", text)
    if (text ~ /# *[Ss][Kk][Ii][Pp]/) {
        skipped++
        sub(/# *[Ss][Kk][Ii][Pp][^ ]* */, "", text)
        printf "skip  %s: %s\n", name, text
    } else if ($1 == "not") {
        fail(text)
    } else {
        passed++
        if (verbose)
            printf "ok    %s: %s\n", name, text
    }
    next
}

/^Bail out!/ {
    fail($0)
    next
}

/^#/ && quote > 0 {
    quote--
    print "      " $0
}

END {
    checks_failed = failed
    if (status == 124 || status == 137) {
        fail("no end after " limit " s")
    } else if (plans == 0) {
        fail("status " status ", no plan")
    } else if (planned != seen) {
        fail(seen + 0 " checks, planned " planned)
    } else if (status != 0 && failed == 0) {
        fail("status " status)
    } else if (seen == 0 && !whole) {
        fail("no check ran")
    }
    if (failed > checks_failed)
        print "tail"
    printf "tally %d %d %d\n", passed, failed, skipped
}
