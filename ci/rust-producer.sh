#!/usr/bin/env bash
# Builds the example producer in Rust, in whose folder this is run, as ./producer. Its crate rdkafka would compile
# librdkafka, which takes longer than all the rest: LIBRARY, the one of confluent-kafka, stands in its place. Without
# LIBRARY only the crates are built, for whoever comes after.
set -euo pipefail

host=$(rustc -vV | sed -n 's/^host: //p')
target=${XDG_CACHE_HOME:-$HOME/.cache}/session-processor/rust
options=(--quiet --locked --target-dir "$target" --config "target.$host.rdkafka.rustc-link-search=[]")
if (($# == 0)); then
    cargo build "${options[@]}" -p apache-avro -p rdkafka -p serde -p serde_json -p uuid
else
    cargo rustc "${options[@]}" -- -C "link-arg=$1" -C "link-arg=-Wl,-rpath,$(dirname "$1")"
    cp --force "$target/debug/producer" .
fi
