#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# testbed: net
# Datagrams within a job, over IPv4, IPv6 and a unix socket, in the network of the host and in one of the job's own.
set -euo pipefail
. /src/tests/lib/cycle.sh

cycle_app udp -- "$apps/udp"
cycle_app udp --run-args "--network private" -- "$apps/udp"
finish
