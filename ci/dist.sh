#!/usr/bin/env bash
# Builds the wheels and sdists of both distributions into dist/, then tries them as a user gets them: in
# an environment of its own, outside the checkout, where no compiler is on the path.
# The argument is the folder of the Python that has the dependency group `dist`.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
bin=$(realpath "${1:?the folder of python is missing}")
dist=$PWD/dist
work=$(mktemp -d)
trap '(($? == 0)) || cat "$work/log" >&2; rm -rf "$work"' EXIT
touch "$work/log"
rm -f "$dist"/session_processor*

version=$(sed -n 's/^version = "\(.*\)"$/\1/p' codec/pyproject.toml)
# The bill of materials has what the image has: what the ranges of pyproject.toml were locked to.
sed "s/^dynamic = .*/version = \"$version\"/" pyproject.toml >"$work/pyproject.toml"
sed -n 's/ *\\$//; /==/p' deploy/image/runtime.lock |
    "$bin/cyclonedx-py" requirements - --pyproject "$work/pyproject.toml" --output-reproducible \
        --output-file "$work/session-processor.cyclonedx.json" 2>"$work/log"

SESSION_PROCESSOR_SBOM=$work/session-processor.cyclonedx.json \
    "$bin/uv" build --quiet --sdist --wheel --build-constraints deploy/image/build.lock --out-dir "$dist"
rm -f "$dist/.gitignore"
# maturin fails where the binary needs more than the tag says.
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$PWD/codec/target}
PATH=$bin:$PATH "$bin/maturin" build --release --locked --sdist --zig --compatibility manylinux2014 \
    --interpreter "$bin/python" --manifest-path codec/Cargo.toml --out "$dist" 2>"$work/log"

"$bin/auditwheel" show "$dist"/session_processor_codec-*.whl >"$work/log"
grep -o '"manylinux_2_17_.*"' "$work/log" | head -n 1
for wheel in "$dist"/*.whl; do
    held=$("$bin/python" -m zipfile --list "$wheel")
    for each in "dist-info/sboms/.*cyclonedx.json" "dist-info/licenses/LICENSE"; do
        grep -q "$each" <<<"$held" || { echo "$wheel has no $each" >&2; exit 1; }
    done
done

# One wheel of the codec is for all of these. pyenv shows no more of them than it is told to.
if command -v pyenv >/dev/null; then PYENV_VERSION=$(pyenv versions --bare | sort -rV | paste -sd:) && export PYENV_VERSION; fi
for python in python3.11 python3.12 python3.13 python3.14; do
    "$python" -c '' 2>/dev/null || continue
    "$python" -m venv --without-pip "$work/$python"
    "$bin/python" -m pip --python "$work/$python/bin/python" install --quiet --no-index "$dist"/session_processor_codec-*.whl
    (cd "$work" && env -u PYTHONPATH "$work/$python/bin/python" -c 'import session_processor_codec as it; assert it.RULES')
    echo "the codec is imported by $python"
done

"$bin/python" -m venv "$work/venv"
mkdir "$work/empty"
(
    cd "$work/empty"
    unset PYTHONPATH
    export PATH=$work/venv/bin
    if command -v cargo; then echo "there is a compiler where none should be" >&2; exit 1; fi
    pip install --quiet --disable-pip-version-check --only-binary :all: --find-links "$dist" "session-processor[fast,local]==$version"
    python -c 'import processor, sys; assert processor.__file__.startswith(sys.prefix), processor.__file__'
    export PROCESSOR_CODEC=compiled
    session-processor config show >../log
    [[ $(<../log) =~ codec\ in\ use\ +compiled ]]
    session-processor demo --updates 2000 >../log 2>&1
)
echo "installed without a compiler: the demo ran with the compiled codec"
