#!/usr/bin/env bash
# promtool, which the tests of the alerts run: out of Debian's package of Prometheus, whose installation would start a
# server. Kept for this user, in the folder whose path this prints; where it cannot be had, its tests are skipped.
set -euo pipefail

bin=${XDG_CACHE_HOME:-$HOME/.cache}/session-processor/bin
mkdir -p "$bin"

debian_promtool() {
    local work
    work=$(mktemp -d)
    (cd "$work" && apt-get download -qq prometheus && dpkg -x prometheus_*.deb . && cp usr/bin/promtool "$bin/") >/dev/null 2>&1
    local code=$?
    rm -rf "$work"
    return $code
}

if ! command -v promtool >/dev/null && [[ ! -x $bin/promtool ]]; then
    debian_promtool || echo "promtool cannot be had" >&2
fi
echo "$bin"
