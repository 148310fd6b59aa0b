#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Every point of a checkpoint that leaves the job running, and every process that there is at it:
# killed, the job goes on or can be run again, and nothing is lost.
# shellcheck disable=SC2119
set -euo pipefail
. /src/tests/fault/lib/checkpoint.sh

steps_reference
checkpoint_cases
finish
