#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Four threads, mutexes, a condition variable, thread-local storage.
set -euo pipefail
. /src/tests/lib/cycle.sh

cycle_app threads -- "$apps/threads"
finish
