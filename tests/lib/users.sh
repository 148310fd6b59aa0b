# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# Ordinary users, for tests that run as root because they start a scheduler.

# What a user has in the environment besides, "NAME=VALUE" each.
user_environment=()

# home_of USER
home_of()
{
    getent passwd "$1" | cut -d: -f6
}

# on USER CMD…: as that user, in the home directory, with the environment of a login.
on()
{
    local user=$1 home

    shift
    home=$(home_of "$user")
    setpriv --reuid "$user" --regid "$(id -g "$user")" --init-groups -- \
        env -i --chdir="$home" --default-signal HOME="$home" USER="$user" LOGNAME="$user" SHELL=/bin/bash \
        LANG=C.UTF-8 PATH="$PATH" "${user_environment[@]}" "$@"
}

# bv_on USER COMMAND…: bivouac, ended when it hangs.
bv_on()
{
    local user=$1

    shift
    # shellcheck disable=SC2154 # of tap.sh
    on "$user" timeout --foreground "$((4 * tap_deadline))" bivouac "$@"
}

# script_of USER NAME: a script, from standard input, in the user's home directory.
script_of()
{
    on "$1" sh -c "cat >'$2' && chmod 755 '$2'"
}
