#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The same for a checkpoint that ends the job: the engine waits with the frozen tree until the commit.
set -euo pipefail
. /src/tests/fault/lib/checkpoint.sh

steps_reference
checkpoint_cases --kill
finish
