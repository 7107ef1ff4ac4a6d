#!/usr/bin/env bash
# The training protocol on what two cores do in half an hour: `make reproduce-small`.
# What is prepared and trained already is not done again; delete runs/sets or runs/grid to begin anew.
set -euo pipefail
cd "$(dirname "$0")/.."

FFE=${FFE:-.venv/bin/ffe-edge}
FACES=${FACES:-../shared/data}
THREADS=${THREADS:-2}
SETS=runs/sets
GRID=train/recipes/reproduce-small.toml

# One block for all tensors of a step, instead of pages that are given back and asked for again: a fifth less time.
export MALLOC_MMAP_THRESHOLD_=4294967296 MALLOC_TRIM_THRESHOLD_=4294967296 MALLOC_TOP_PAD_=268435456

prepare() { "$FFE" train prepare "$1" --out "$SETS/$2" --workers "$THREADS" "${@:3}"; }

prepare rendered-identities rendered-identities --option people=240 --option images=10 --option domain=studio --option ages=20,60
prepare rendered-expressions rendered-elderly --option people=111 --option images=12 --option seed=2 --option domain=home
if [ -d "$FACES/lfw_identities" ]; then
    prepare "$FACES/lfw_expressions" lfw-60-plus --min-age 60
    prepare "$FACES/lfw_identities" lfw-identities --without "$SETS/lfw-60-plus"
else
    echo "ffe-edge: no real faces at $FACES: rendered people only" >&2
    GRID=train/recipes/reproduce-rendered.toml
fi
"$FFE" train grid "$GRID" --sets "$SETS" --out runs/grid --workers "$THREADS" --threads 1 --table runs/reproduce-small.md "$@"
