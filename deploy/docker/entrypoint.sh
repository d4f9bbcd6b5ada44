#!/bin/sh
# One image, three uses:
#   docker run IMAGE [--port 8080 ...]        the gateway, with options of `twistd daarion-gw`
#   docker run IMAGE daarion-gw routes        any other command
#   DAARION_STAND_IN=NAME docker run IMAGE    the stand-in of one service of the stack
# The last is a variable and no argument, so that the compose file needs no `command:`, which
# would stay in the way of the image that takes the stand-in's place.
set -eu

if [ -n "${DAARION_STAND_IN:-}" ]; then
    set -- daarion-gw stand-in "$DAARION_STAND_IN"
else
    case "${1:-}" in
        '' | -*) set -- twistd -n --pidfile= daarion-gw "$@" ;;
    esac
fi
exec "$@"
