#!/usr/bin/env bash
# Images for a machine that reaches no container registry: stand-ins under the public names, made from
# Debian 13's packages and the jars of Kafka and Apicurio. An image that is there already, real or not, is left alone.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

python=${PYTHON:-../.venv/bin/python}
root_image=session-processor-ci/debian:13
declare -A tags=(
    [apicurio]=apicurio/apicurio-registry:3.0.9
    [kafka]=apache/kafka:4.3.1
    [valkey]=valkey/valkey:8
    [python]=python:3.13-slim
    [prometheus]=prom/prometheus:v3.5.0
)

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

has() { docker image inspect "$1" >/dev/null 2>&1; }

# What a build sends to the engine, in $work/NAME.
context() {
    cp -r "stand-ins/$1" "$work/"
    case $1 in
        kafka)
            mkdir "$work/kafka/jars"
            PYTHONPATH=.. "$python" -c \
                'from processor.local.java import kafka_classpath as path; print(*path().split(":"), sep="\n")' |
                xargs -d '\n' cp -t "$work/kafka/jars"
            ;;
        apicurio)
            local runner
            runner=$(PYTHONPATH=.. "$python" -c 'from processor.local.registry import registry_program as r; print(r())')
            cp -r "$(dirname "$runner")" "$work/apicurio/app"
            mv "$work/apicurio/app/$(basename "$runner")" "$work/apicurio/app/runner.jar"
            chmod -R a+rX "$work/apicurio/app"
            ;;
        python) cp /etc/ssl/certs/ca-certificates.crt "$work/python/" ;;
    esac
}

debian() {
    local uri
    uri=$(awk '$1 == "URIs:" { print $2; exit }' /etc/apt/sources.list.d/session-processor-ci.sources)
    debootstrap --variant=minbase --include=ca-certificates trixie "$work/root" "$uri" >"$work/log" ||
        { tail -n 25 "$work/log" >&2; return 1; }
    rm -rf "$work"/root/var/cache/apt/archives/*.deb "$work"/root/var/lib/apt/lists/*
    tar --directory "$work/root" --create . | docker import - "$root_image" >/dev/null
}

for name in "${!tags[@]}"; do
    tag=${tags[$name]}
    has "$tag" && continue
    has "$root_image" || debian
    echo "making a stand-in for $tag"
    context "$name"
    docker build --quiet --tag "$tag" "$work/$name" >/dev/null
done
