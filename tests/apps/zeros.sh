#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Pages of zeros, which a restart leaves out where memory is zero anyway, and must not elsewhere.
set -euo pipefail
. /src/tests/lib/cycle.sh

cycle_app zeros -- "$apps/zeros"
finish
