# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# What happens to files on bad disks.

# flip FILE [AT]: one bit of the byte at AT, which counts from the end where it is negative; in the middle unless told.
flip()
{
    python3 - "$@" <<'END'
import sys
with open(sys.argv[1], "r+b") as f:
    size = f.seek(0, 2)
    at = int(sys.argv[2]) if len(sys.argv) > 2 else size // 2
    f.seek(at, 2 if at < 0 else 0)
    byte = f.read(1)[0]
    f.seek(-1, 1)
    f.write(bytes([byte ^ 4]))
END
}
