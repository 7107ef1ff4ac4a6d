#!/usr/bin/env bash
# From nothing to a verified engine: train a small network on rendered people, export it in FP32, FP16 and INT8, build it
# with TensorRT-RTX where that is installed, verify it, and let it watch a person. `make export-demo`.
# What is there already is not made again; delete runs/export-demo to begin anew.
set -euo pipefail
cd "$(dirname "$0")/.."

FFE=${FFE:-.venv/bin/ffe-edge}
THREADS=${THREADS:-2}
OUT=runs/export-demo
CLIP=${CLIP:-demo:}

say() { printf '\n== %s\n' "$*"; }

# Other people each: to learn, to find INT8's ranges on, to check with.
people() {
    "$FFE" train prepare rendered-expressions --out "$OUT/sets/$1" --workers "$THREADS" --option "people=$2" \
        --option images=9 --option "seed=$3" --option domain=home
}

say "faces of rendered people"
people learned 60 1
people ranges 30 2
people checked 60 3

say "train"
"$FFE" train transfer train/recipes/export-demo.toml --sets "$OUT/sets" --out "$OUT" --threads "$THREADS"

targets=()
if "${PYTHON:-.venv/bin/python}" -c 'import tensorrt_rtx' 2>/dev/null; then
    targets=(--target tensorrt-rtx)
else
    echo "ffe-edge: TensorRT-RTX is not installed (x86-64 only): no engine is built" >&2
fi
say "export, build and verify"
if ! "$FFE" export "$OUT/export-demo" --out "$OUT/model" --precision fp16 --precision int8 --calibration "$OUT/sets/ranges" \
    --check "$OUT/sets/checked" "${targets[@]}"; then
    [ $? -eq 1 ] || exit 2
fi

say "ten seconds of $CLIP"
timeout --signal=TERM 12 "$FFE" run --source "$CLIP" --model "$OUT/model" --print --site demo --node export |
    sed 's/.*"change": *"\([a-z]*\)".*"emotion": *"\([a-z]*\)".*"backend": *"\([a-z-]*\)".*/\1: \2 (\3)/' || true
say "the report: $OUT/model/report.html"
