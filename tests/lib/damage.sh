# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# What happens to files on bad disks.

# flip FILE [AT]: one bit of the byte at AT, which counts from the end where it is negative. Unless told, of each of eight
# bytes in the middle: a compressed block has single bits that mean nothing, so that it still gives the same bytes.
flip()
{
    python3 - "$@" <<'END'
import sys
with open(sys.argv[1], "r+b") as f:
    size = f.seek(0, 2)
    at, count = (int(sys.argv[2]), 1) if len(sys.argv) > 2 else (size // 2, 8)
    f.seek(at, 2 if at < 0 else 0)
    damaged = bytes(byte ^ 4 for byte in f.read(count))
    f.seek(-len(damaged), 1)
    f.write(damaged)
END
}
