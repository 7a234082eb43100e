#!/usr/bin/env bash
# A Docker engine for CI, with compose and buildx. `start` leaves alone an engine that answers; else it
# installs what is missing from Debian 13 and starts one. `stop` ends only the engine that `start` began.
#
# Debian 12's own engine and compose are too old. Its package sources are taken over with the next
# suite's name, at a priority that upgrades nothing by itself.
set -euo pipefail

state=/run/session-processor-ci
sources=/etc/apt/sources.list.d/session-processor-ci.sources
pin=/etc/apt/preferences.d/session-processor-ci
packages=(docker.io containerd docker-cli docker-compose docker-buildx iptables debootstrap)

answers() { docker version >/dev/null 2>&1; }

has_tools() { docker compose version >/dev/null 2>&1 && docker buildx version >/dev/null 2>&1; }

fail() {
    echo "ci/engine.sh: $1" >&2
    exit 1
}

# The archive's own entry, and not that of its security updates: it alone has every package.
archive() {
    cat /etc/apt/sources.list /etc/apt/sources.list.d/*.list 2>/dev/null |
        awk '$1 == "deb" { for (i = 2; i <= NF; i++) if ($i ~ /^https?:/ && $i !~ /security/) print $i }' |
        head -n 1
    cat /etc/apt/sources.list.d/*.sources 2>/dev/null |
        awk '$1 == "URIs:" && $2 !~ /security/ { uri = $2 }
             $1 == "Suites:" && $2 ~ /^(bookworm|trixie)$/ { print uri; exit }'
}

install() {
    [[ $(id -u) == 0 ]] || fail "installing an engine needs root; start one of your own instead"
    [[ -r /etc/debian_version ]] || fail "only Debian is known here; start an engine of your own instead"
    local uri
    uri=$(archive | head -n 1)
    [[ -n $uri ]] || fail "no Debian archive found in /etc/apt"
    cat >"$sources" <<-SOURCES
	Types: deb
	URIs: $uri
	Suites: trixie
	Components: main
	Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg
	SOURCES
    printf 'Package: *\nPin: release n=trixie\nPin-Priority: 100\n' >"$pin"
    apt-get update -qq
    # Debian starts a service after its installation; here there may be no init to start it.
    DEBIAN_FRONTEND=noninteractive apt-get install -qq --yes --no-install-recommends \
        -o Dpkg::Options::=--force-confold --target-release trixie "${packages[@]}" >/dev/null
    hash -r
}

launch() {
    mkdir -p "$state"
    # A session of its own, so that Ctrl-C in CI's terminal leaves the order of ending to `stop`.
    setsid dockerd >"$state/dockerd.log" 2>&1 </dev/null &
    echo $! >"$state/dockerd.pid"
    local tries=0
    until answers; do
        if ! kill -0 "$(<"$state/dockerd.pid")" 2>/dev/null || ((++tries > 120)); then
            tail -n 25 "$state/dockerd.log" >&2
            fail "the engine did not start; the end of $state/dockerd.log is above"
        fi
        sleep 0.5
    done
}

start() {
    if ! command -v dockerd >/dev/null || ! has_tools || ! command -v debootstrap >/dev/null; then
        answers && has_tools || install
    fi
    answers || launch
    has_tools || fail "the engine answers, but 'docker compose' and 'docker buildx' are not both there"
    docker version --format 'Docker engine {{.Server.Version}}'
}

stop() {
    [[ -r $state/dockerd.pid ]] || return 0
    local pid
    pid=$(<"$state/dockerd.pid")
    rm -f "$state/dockerd.pid"
    [[ $(cat "/proc/$pid/comm" 2>/dev/null) == dockerd ]] || return 0
    kill "$pid"
    timeout 60 tail --pid="$pid" -f /dev/null || kill -KILL "$pid"
}

case "${1:-}" in
    start) start ;;
    stop) stop ;;
    *) fail "say start or stop" ;;
esac
