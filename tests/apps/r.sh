#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# GNU R: linear models.
set -euo pipefail
. /src/tests/lib/cycle.sh

cycle_app r -- Rscript --vanilla "$data/regress.R"
finish
