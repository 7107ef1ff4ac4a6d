#!/usr/bin/env bash
# The default model from faces to its page: prepare, train, export, measure, disturb, write the card, and compare with the
# file that is shipped. `make model`. What is prepared and trained already is not done again; a run that was ended goes on.
# SHIP=yes puts the model and its card in the place of the shipped ones; PREVIOUS=old.onnx is what its gain is told over.
# Arguments go to `ffe-edge train pretrain`.
set -euo pipefail
cd "$(dirname "$0")/.."

if [ "${1:-}" = --help ]; then
    sed -n '2,/^set /{s/^# //p}' scripts/model.sh
    exec "${FFE:-.venv/bin/ffe-edge}" train pretrain --help
fi

FFE=${FFE:-.venv/bin/ffe-edge}
FACES=${FACES:-../shared/data}
DETECTOR=${DETECTOR:-../shared/detector_yunet/yunet_n_640_640.onnx}
VIDEOS=${VIDEOS:-../shared/videos}
THREADS=${THREADS:-2}
SETS=runs/sets
OUT=runs/model
STAGE=$OUT/ffe-small-last
MODEL=$OUT/export/model.onnx
SHIPPED=ffe_edge/models

# One block for all tensors of a step, instead of pages that are given back and asked for again: a fifth less time.
export MALLOC_MMAP_THRESHOLD_=4294967296 MALLOC_TRIM_THRESHOLD_=4294967296 MALLOC_TOP_PAD_=268435456

say() { printf '\n== %s\n' "$*"; }

missing=()
for path in "$FACES/ferplus/ferplus_dev.zip" "$FACES/lfw_expressions/labels.csv" "$FACES/lfw_identities/labels.csv" \
    "$FACES/elderly_unlabelled/index.csv" "$FACES/london/labels.csv" "$DETECTOR" ${PREVIOUS:+"$PREVIOUS"}; do
    [ -f "$path" ] || missing+=("$path")
done
if [ ${#missing[@]} -gt 0 ]; then
    echo "ffe-edge: the default model learns from real faces, and here is no" >&2
    printf '  %s\n' "${missing[@]}" >&2
    echo "Give FACES=folder with ferplus/, lfw_expressions/, lfw_identities/, elderly_unlabelled/ and london/" >&2
    echo "as train/DATA.md describes them," >&2
    echo "and DETECTOR=yunet_n_640_640.onnx (\`ffe-edge models fetch\` says where it puts it)." >&2
    exit 2
fi

prepare() {
    "$FFE" train prepare "$1" --out "runs/$2" --workers "$THREADS" --detector "$DETECTOR" "${@:3}"
}

say "faces"
prepare "$FACES/ferplus/ferplus_dev.zip" sets/ferplus
prepare "$FACES/ferplus/ferplus_dev.zip" sets/ferplus-paper --option paper=true
prepare "$FACES/lfw_expressions" sets/lfw
# Faces without a label, of people who are in no held-out set.
prepare "$FACES/lfw_expressions" lfw-val --option only=val
prepare "$FACES/lfw_identities" sets/lfw-identities --without runs/lfw-val
prepare "$FACES/elderly_unlabelled" sets/elderly
prepare "$FACES/london" sets/london --option halves=true
prepare rendered-expressions sets/rendered --option people=240 --option images=27 --option ages=20,95 --option seed=11 \
    --option domain=home

say "train"
# What the large teachers said lies beside the recipes; scripts/model-gpu.sh trains them anew.
for recipe in small small-last; do
    "$FFE" train pretrain train/recipes/model/$recipe.toml --sets "$SETS" --out "$OUT" --threads "$THREADS" "$@"
done

# FP32 is what is shipped; FP16 and INT8 are proven beside it, INT8's ranges being those of faces that were learned from.
say "export and verify"
status=0
"$FFE" export "$STAGE" --out "$OUT/export" --name ffe-small --precision fp16 --precision int8 \
    --calibration "$SETS/lfw" --check "$SETS/lfw" --split test || status=$?
if [ "$status" -eq 1 ]; then
    echo "ffe-edge: INT8 was refused here, which changes nothing in the FP32 file; the report says why" >&2
elif [ "$status" -ne 0 ]; then
    exit "$status"
fi

# The same held-out faces for the new file and for the shipped one.
measure() {
    "$FFE" train measure "$1" --sets "$SETS" --out "$2" --threads "$THREADS" --set ferplus --set ferplus-paper \
        --set lfw --set london --set rendered "${@:3}"
}

say "measure"
measure "$MODEL" "$OUT/figures" ${PREVIOUS:+--against "$PREVIOUS"}
say "faces that are hard to see"
"$FFE" train robustness "$MODEL" --sets "$SETS" --out "$OUT/figures" --detector "$DETECTOR" --london "$FACES/london" \
    --threads "$THREADS"
say "resting faces of one's own"
"${PYTHON:-.venv/bin/python}" benchmarks/baseline.py --model "$MODEL" --json "$OUT/figures/baseline.json"
shopt -s nullglob
clips=("$VIDEOS"/*.mp4 "$VIDEOS"/*.mkv)
if [ ${#clips[@]} -gt 0 ]; then
    say "clips"
    "${PYTHON:-.venv/bin/python}" benchmarks/events.py --clip "${clips[@]}" --detector "$DETECTOR" --model "$MODEL" \
        --rendered 4 --threads "$THREADS" --json "$OUT/figures/clips.json"
fi
say "the card"
"$FFE" train card "$STAGE" --figures "$OUT/figures" --export "$OUT/export" --out "$OUT/README.md"

say "beside the file that is shipped"
measure "$SHIPPED/ffe-small.onnx" "$OUT/shipped"
"$FFE" train reproduced "$OUT/figures" "$OUT/shipped"

# What is shipped is the bundle's FP32 file as it is: one piece, from crops to probabilities, its spec inside.
if [ "${SHIP:-}" = yes ]; then
    cp "$MODEL" "$SHIPPED/ffe-small.onnx"
    "$FFE" train card "$STAGE" --figures "$OUT/figures" --export "$OUT/export" --out "$SHIPPED/README.md"
fi
