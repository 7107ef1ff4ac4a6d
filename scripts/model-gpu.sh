#!/usr/bin/env bash
# The ladder of the default model, its teachers and the model itself on one GPU, as much at a time as there are cores.
# Each part is a stage that is done once; what was ended goes on. Afterwards `make model` finds everything trained.
#   FFE=program FACES=folder DETECTOR=yunet.onnx RUNS=folder SEEDS="0 1 2" scripts/model-gpu.sh
# Logs lie in $RUNS/logs, the table in $RUNS/ladder.md, what the teachers said beside the recipe of the small network.
set -euo pipefail
cd "$(dirname "$0")/.."

FFE=${FFE:-.venv/bin/ffe-edge}
FACES=${FACES:-../shared/data}
DETECTOR=${DETECTOR:-../shared/detector_yunet/yunet_n_640_640.onnx}
RUNS=${RUNS:-runs}
SEEDS=${SEEDS:-0 1 2}
RECIPES=train/recipes/model
export OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 PYTHONUNBUFFERED=1
mkdir -p "$RUNS/logs"

began=$SECONDS
say() { printf '%5d s  %s\n' $((SECONDS - began)) "$*"; }

# Name of a log, then the words for ffe-edge: tells when it ends, and how.
run() {
    local log=$RUNS/logs/$1.log
    shift
    if "$FFE" train "$@" >>"$log" 2>&1; then say "done: $(basename "$log" .log)"; else
        say "FAILED: $log: $(tail -n 2 "$log")"
        return 1
    fi
}

# Source, set, processes, more words.
prepare() {
    run "prepare-$2" prepare "$1" --out "$RUNS/sets/$2" --workers "${3}" --detector "$DETECTOR" "${@:4}"
}

# Seed, processes that prepare batches, stages in their order.
climb() {
    local words=() stage
    for stage in "${@:3}"; do words+=(--stage "$stage"); done
    run "ladder-$3.$1" ladder $RECIPES/ladder.toml --sets "$RUNS/sets" --out "$RUNS/ladder" --accelerator cuda \
        --threads 1 --seed "$1" --workers "$2" "${words[@]}"
}

# Recipe, processes, more words: a stage beside the ladder's, which it may start from or be taught by.
learn() {
    run "$(basename "$1" .toml)${4:+.$4}" pretrain "$1" --sets "$RUNS/sets" --out "$RUNS/ladder" --accelerator cuda \
        --threads 1 --workers "$2" "${@:3}"
}

say "faces"
prepare "$FACES/ferplus/ferplus_dev.zip" ferplus 4 &
ferplus=$!
prepare "$FACES/london" london 1 --option halves=true &
prepare "$FACES/elderly_unlabelled" elderly 2 &
prepare "$FACES/lfw_expressions" lfw 2 &
lfw=$!
prepare rendered-expressions rendered 8 --option people=240 --option images=27 --option ages=20,95 --option seed=11 \
    --option domain=home &
rendered=$!
run prepare-lfw-val prepare "$FACES/lfw_expressions" --out "$RUNS/lfw-val" --option only=val --detector "$DETECTOR"
prepare "$FACES/lfw_identities" lfw-identities 4 --without "$RUNS/lfw-val"

say "what needs no FER+"
learn $RECIPES/r18-identity.toml 2 &
first=($!)
for seed in $SEEDS; do
    climb "$seed" 3 r18-identity &
    first+=($!)
done
wait "$lfw"
for seed in $SEEDS; do climb "$seed" 1 softmax softmax-lfw scratch & done
wait "$rendered"
for seed in $SEEDS; do climb "$seed" 1 rendered cosface cosface-lfw adaface adaface-lfw & done
wait "$ferplus" "${first[@]}"

say "teachers, and the small network without them"
teachers=()
small=()
for seed in $SEEDS; do
    climb "$seed" 3 r18 &
    teachers+=($!)
    climb "$seed" 1 averaged averaged-softmax &
    small+=($!)
    climb "$seed" 1 votes one-hot &
done
learn $RECIPES/r18-expressions.toml 2 &
wait "${teachers[@]}"
run voices voices $RECIPES/small.toml --sets "$RUNS/sets" --out "$RUNS/ladder"

say "the default model"
for recipe in "$RECIPES/small.toml" ${ALSO:-}; do
    learn "$recipe" 2 &   # its own seed, then others, to know how much a seed does
    for seed in ${SEEDS#* }; do learn "$recipe" 2 --seed "$seed" & done
done
for seed in $SEEDS; do climb "$seed" 1 taught-more taught-r18 & done
wait "${small[@]}"
for seed in $SEEDS; do climb "$seed" 1 taught & done
wait
"$FFE" train ladder $RECIPES/ladder.toml --sets "$RUNS/sets" --out "$RUNS/ladder" --table-only --table "$RUNS/ladder.md"
say "all"
