#!/usr/bin/env bash
# Programs that some tests run, into a folder of this user's whose path this prints: promtool out of Debian's package of
# Prometheus, whose installation would start a server; render-chart, built of ci/chart/ with Go; and the definitions of
# the objects that operators add to Kubernetes, out of their Go modules. Where one cannot be had, its tests are skipped.
# Beside them, the crates of the example producer in Rust (ci/rust-producer.sh), which take minutes to build.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

place=${XDG_CACHE_HOME:-$HOME/.cache}/session-processor
mkdir -p "$place/bin" "$place/crds"

debian_promtool() {
    local work
    work=$(mktemp -d)
    (cd "$work" && apt-get download -qq prometheus && dpkg -x prometheus_*.deb . && cp usr/bin/promtool "$place/bin/")
    local code=$?
    rm -rf "$work"
    return $code
}

# It takes longer to build than to run, so its modules are not optimized. The standard library is: the examples in Go
# share it, from Go's cache.
renderer() {
    local flags=() modules
    for modules in github.com golang.org google.golang.org k8s.io sigs.k8s.io; do
        flags+=("-gcflags=$modules/...=-N -l -dwarf=false")
    done
    cd chart && GOGC=400 go build "${flags[@]}" -ldflags='-s -w' -o "$place/bin/render-chart" .
}

definitions() { # MODULE FOLDER FILE…
    local folder
    folder=$(cd / && go mod download -json "$1" | sed -n 's/.*"Dir": "\(.*\)".*/\1/p')/$2
    shift 2
    (cd "$folder" && cp --force "$@" "$place/crds/")
}

if ! command -v promtool >/dev/null && [[ ! -x $place/bin/promtool ]]; then
    (debian_promtool) >/dev/null 2>&1 || echo "promtool cannot be had" >&2
fi
if ! command -v go >/dev/null; then
    echo "there is no Go, so the chart is not rendered" >&2
elif ! { (renderer) && definitions github.com/prometheus-operator/prometheus-operator@v0.85.0 \
    example/prometheus-operator-crd monitoring.coreos.com_{podmonitors,prometheusrules}.yaml &&
    definitions github.com/kedacore/keda/v2@v2.21.0 config/crd/bases keda.sh_scaledobjects.yaml; } >"$place/log" 2>&1; then
    rm -f "$place/bin/render-chart"
    echo "the chart cannot be rendered:" >&2
    tail -n 3 "$place/log" >&2
fi
if ! command -v cargo >/dev/null; then
    echo "there is no cargo, so the producer in Rust is not built" >&2
elif ! (cd ../examples/rust && ../../ci/rust-producer.sh) >"$place/log" 2>&1; then
    echo "the crates of the producer in Rust cannot be built:" >&2
    tail -n 3 "$place/log" >&2
fi
echo "$place/bin"
